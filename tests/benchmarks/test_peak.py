"""Memory is read of processes that run, that have ended, and that nobody has waited for."""

import os
import subprocess
import sys

import pytest
from benchmarks.peak import forget_peak, memory_kb

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proc(5) is of Linux")


def test_the_largest_memory_is_no_less_than_the_present() -> None:
    forget_peak()
    block = bytearray(os.urandom(64 << 20))
    assert memory_kb() >= memory_kb(os.getpid(), "VmRSS") >= len(block) >> 10
    assert memory_kb("self", "RssAnon") >= len(block) >> 10


def test_a_process_that_has_ended_has_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert memory_kb(process.pid) > 0
    assert process.stdin is not None
    process.stdin.write(b"end\n")
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert memory_kb(process.pid) == 0, "a zombie"
    process.wait()
    assert memory_kb(process.pid) == 0
