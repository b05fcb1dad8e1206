"""Two hosts on one machine: network namespaces with addresses of their own, where those are allowed."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Host:
    """Where a process runs: a prefix of its command, and the address of this machine as seen from there."""

    prefix: tuple[str, ...]
    outside: str


@contextmanager
def two_hosts() -> Iterator[list[Host]]:
    """Give two hosts until the block ends; outside namespaces they share 127.0.0.1."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not _allowed():
        yield [Host((), "127.0.0.1")] * 2
        return
    names = [f"tmds{os.getpid()}-{next(_NUMBERS)}" for _ in range(2)]
    try:
        yield [_make(name, number) for number, name in enumerate(names, start=1)]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _allowed() -> bool:
    name = f"tmds{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return made


def _make(name: str, number: int) -> Host:
    """A namespace joined to this one by a pair of devices; deleting it takes both away."""
    here, there = f"tm{os.getpid() % 10000}h{number}", f"tm{os.getpid() % 10000}g{number}"
    inside = ("ip", "netns", "exec", name)
    for command in (
        ("ip", "netns", "add", name),
        ("ip", "link", "add", here, "type", "veth", "peer", "name", there),
        ("ip", "link", "set", there, "netns", name),
        ("ip", "address", "add", f"10.77.{number}.1/24", "dev", here),
        ("ip", "link", "set", here, "up"),
        (*inside, "ip", "address", "add", f"10.77.{number}.2/24", "dev", there),
        (*inside, "ip", "link", "set", there, "up"),
    ):
        subprocess.run(command, check=True, capture_output=True)
    return Host(inside, f"10.77.{number}.1")
