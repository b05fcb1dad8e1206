import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.descriptors.pictures import scan
from tmdscope.analysis.descriptors import table as tables
from tmdscope.analysis.descriptors.cluster import on_cluster
from tmdscope.analysis.descriptors.table import describe
from tmdscope.materials import MATERIALS
from tmdscope.params.materials_study import DescribeParams
from tmdscope.scan.level import level
from tmdscope.stage import UserError

SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install 'tmdscope[dask]'")


def slow_first(chunk: tables.Chunk) -> np.ndarray:
    """Whoever gets the first chunk first notes who it is and never ends."""
    note = chunk.images.parent / "taken"
    if chunk.first == 0 and not note.exists():
        note.write_text(str(os.getpid()))
        time.sleep(600)
    return tables.describe_chunk(chunk)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, each a process of its own."""
    address = tmp_path / "scheduler.json"
    options = ["--no-dashboard", "--scheduler-file", str(address)]
    serve = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options, "--port", "0"]
    started = [subprocess.Popen(serve)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", *options, "--nthreads", "1", "--no-nanny"]
    started += [subprocess.Popen(worker, cwd=tmp_path) for _ in range(2)]
    try:
        with distributed.Client(scheduler_file=str(address), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.save(
        tmp_path / "images.npy", level(np.stack([scan(name).scan.height_nm for name in MATERIALS]), (1, 99))
    )
    return tmp_path / "images.npy"


@pytest.mark.slow
def test_a_killed_worker_costs_no_image(
    images: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = describe(images, None, SETTINGS)
    monkeypatch.setattr(tables, "_CHUNK", 2)
    note = images.parent / "taken"

    def kill() -> None:
        while not note.exists() or not note.read_text():
            time.sleep(0.05)
        os.kill(int(note.read_text()), signal.SIGKILL)

    def kill_then_map(work: tables.Work, chunks: Sequence[tables.Chunk]) -> list[np.ndarray]:
        threading.Thread(target=kill, daemon=True).start()
        return on_cluster(scheduler)(slow_first, chunks)

    assert describe(images, None, SETTINGS, kill_then_map).equals(here)
    assert note.exists()


def test_a_scheduler_that_does_not_answer_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmdscope.analysis.descriptors.cluster._ANSWER_S", 1.0)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*empty the"):
        describe(images, None, SETTINGS, on_cluster("tcp://127.0.0.1:9"))
