"""`tmdscope serve` against `mlflow models serve`: the same model, the same requests, in turn."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.predict_224 import SIZE_PX, make_program
from tmdscope.tracking.models import FILES_SHA256, recorded_sha256
from tmdscope.tracking.registry import register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import open_study

NAME = "serving"

THREADS = 8
REQUESTS = int(os.environ.get("TMDSCOPE_BENCH_REQUESTS", "500"))
ROUNDS = int(os.environ.get("TMDSCOPE_BENCH_ROUNDS", "10"))
ALONE = 20
LARGE_IMAGES = int(os.environ.get("TMDSCOPE_BENCH_LARGE", "400"))
"""Images of the one large request of a round; 400 are 92 MB."""

_READY_S = 180
_BIN = Path(sys.executable).parent


def report() -> dict[str, Any]:
    """Serve five networks both ways and ask.

    Returns
    -------
    dict
        For each server latencies in s, requests a second and the memory in MiB after each round; ``ratio`` is
        how many times more requests a second ours answers.
    """
    rng = np.random.default_rng(1)
    one = _body(rng.integers(0, 256, (1, SIZE_PX, SIZE_PX), dtype=np.uint8))
    large = _body(rng.integers(0, 256, (LARGE_IMAGES, SIZE_PX, SIZE_PX), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        uri, environment = _register(Path(folder))
        found: dict[str, dict[str, Any]] = {}
        for name, start in (("ours", _ours), ("mlflow", _mlflow)):
            port, process = stack.enter_context(_running(start(uri), environment, Path(folder)))
            found[name] = _measure(port, process, one, large)
            stack.close()
    ours, plain = found["ours"], found["mlflow"]
    return {
        "benchmark": NAME,
        "unit": "requests/s",
        "ratio": round(ours["requests_per_s"] / plain["requests_per_s"], 3),
        "ratio_p95": round(plain["p95_s"] / ours["p95_s"], 3),
        "ratio_memory": round(plain["memory_mib"][-1] / ours["memory_mib"][-1], 3),
        "threads_asking": THREADS,
        "requests": REQUESTS,
        "load_before": round(os.getloadavg()[0], 2),
        **found,
    }


def _body(images: Any) -> bytes:
    return json.dumps({"inputs": images.tolist()}).encode()


def _register(folder: Path) -> tuple[str, dict[str, str]]:
    os.environ["MLFLOW_TRACKING_URI"] = uri = f"sqlite:///{folder / 'runs.db'}"
    os.environ["DVC_ROOT"] = str(folder)
    study = open_study("serving")
    with start_run(study, "model", {}) as run:
        logged = run.program(make_program())
    made = register(
        study.client,
        "served",
        logged,
        run.run_id,
        {FILES_SHA256: recorded_sha256(study.client, logged) or ""},
    )
    (folder / "params.yaml").write_text(Path("params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return made.uri, os.environ | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
    }


def _ours(uri: str) -> Callable[[int], list[str]]:
    return lambda port: [str(_BIN / "tmdscope"), "serve", "--model", uri, "--port", str(port)]


def _mlflow(uri: str) -> Callable[[int], list[str]]:
    plain = [str(_BIN / "mlflow"), "models", "serve", "--model-uri", uri, "--env-manager", "local"]
    return lambda port: [*plain, "--port", str(port)]


@contextmanager
def _running(
    command: Callable[[int], list[str]], environment: dict[str, str], folder: Path
) -> Iterator[tuple[int, int]]:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command(port), env=environment, cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        end = time.monotonic() + _READY_S
        while True:
            try:
                if _ask(port, "GET", "/ping")[0] == 200:
                    break
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.5)
        yield port, process.pid
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, float]:
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer.status, time.perf_counter() - start


def _measure(port: int, group: int, one: bytes, large: bytes) -> dict[str, Any]:
    alone = [_ask(port, "POST", "/invocations", one)[1] for _ in range(ALONE)][ALONE // 4 :]
    memory, rounds, statuses, large_s = [_memory_mib(group)], [], set(), []
    for _ in range(ROUNDS):
        times, took, answered = _round(port, one)
        rounds.append((took, times))
        status, seconds = _ask(port, "POST", "/invocations", large)
        large_s.append(round(seconds, 2))
        statuses |= answered | {status}
        memory.append(_memory_mib(group))
    times = np.concatenate([times for _, times in rounds])
    one_s, p95 = float(np.median(alone)), float(np.quantile(times, 0.95))
    cores = len(os.sched_getaffinity(0))
    return {
        "one_s": round(one_s, 4),
        "p50_s": round(float(np.median(times)), 4),
        "p95_s": round(p95, 4),
        "p95_over_fair_share": round(p95 / (one_s * THREADS / cores), 3),
        "requests_per_s": round(REQUESTS * ROUNDS / sum(took for took, _ in rounds), 2),
        "large_s": large_s,
        "statuses": sorted(statuses),
        "memory_mib": memory,
    }


def _round(port: int, body: bytes) -> tuple[list[float], float, set[int]]:
    """Ask from several threads; gives seconds of each request, of all, and the statuses."""
    left = iter(range(REQUESTS))
    lock, found = threading.Lock(), list[tuple[int, float]]()

    def work() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            found.append(_ask(port, "POST", "/invocations", body))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [seconds for _, seconds in found], time.perf_counter() - start, {status for status, _ in found}


def _memory_mib(group: int) -> int:
    """Sum the resident memory of a process group."""
    pids = subprocess.run(
        ["pgrep", "-g", str(group)], capture_output=True, text=True, check=True
    ).stdout.split()
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGESIZE") >> 20
