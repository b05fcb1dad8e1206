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
from tmdscope.errors import UserError
from tmdscope.materials import MATERIALS
from tmdscope.params.images import DescribeParams
from tmdscope.scan.level import level

SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
ROOT = Path(__file__).parents[3]
LONGEST_S = 180
distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install 'tmdscope[dask]'")


def slow_first(chunk: tables.Chunk) -> np.ndarray:
    """Whoever gets the first chunk first notes who it is and never ends."""
    note = chunk.images.parent / "taken"
    if chunk.first == 0 and not note.exists():
        draft = note.with_suffix(".draft")
        draft.write_text(str(os.getpid()))
        draft.rename(note)
        time.sleep(600)
    return tables.describe_chunk(chunk)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers, each a process of its own; none outlives the tests."""
    folder = tmp_path_factory.mktemp("cluster")
    # Only this machine is asked: no name of a host has to be looked up.
    shared = f"--no-dashboard --scheduler-file {folder / 'scheduler.json'} --host 127.0.0.1".split()
    serve = ["distributed.cli.dask_scheduler", *shared, "--port", "0"]
    work = ["distributed.cli.dask_worker", *shared, *"--nthreads 1 --no-nanny --death-timeout 60".split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # workers import this module
    started = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment)
        for command in (serve, work, work)
    ]
    # Whatever hangs ends when the scheduler does.
    end = threading.Timer(LONGEST_S, started[0].kill)
    end.start()
    try:
        with distributed.Client(scheduler_file=str(folder / "scheduler.json"), timeout=180) as client:
            client.wait_for_workers(2, timeout=180)
            address = client.scheduler.address
        yield address
    finally:
        end.cancel()
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
        while not note.exists():
            time.sleep(0.05)
        os.kill(int(note.read_text()), signal.SIGKILL)

    def kill_then_map(work: tables.Work, chunks: Sequence[tables.Chunk]) -> list[np.ndarray]:
        threading.Thread(target=kill, daemon=True).start()
        return on_cluster(scheduler)(slow_first, chunks)

    assert describe(images, None, SETTINGS, kill_then_map).equals(here)
    with distributed.Client(scheduler, timeout=180) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_files_says_so(images: Path, scheduler: str) -> None:
    def lose_then_map(work: tables.Work, chunks: Sequence[tables.Chunk]) -> list[np.ndarray]:
        images.unlink()
        return on_cluster(scheduler)(work, chunks)

    with pytest.raises(UserError, match=r"a worker of tcp://.*images\.npy does not exist.*under the path"):
        describe(images, None, SETTINGS, lose_then_map)


def test_a_scheduler_that_does_not_answer_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmdscope.analysis.descriptors.cluster._ANSWER_S", 1.0)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*empty the"):
        describe(images, None, SETTINGS, on_cluster("tcp://127.0.0.1:9"))


def test_without_dask_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"compute\.scheduler is tcp://127\.0\.0\.1:9, but .*pip install"):
        on_cluster("tcp://127.0.0.1:9")
