"""A Dask scheduler and its workers, each a process of its own, and a worker that dies with work in hand."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tmdscope.cluster import cluster_at

ROOT = Path(__file__).parents[2]
LONGEST_S = 3000


@dataclass
class Cluster:
    """Processes on 127.0.0.1 that share a folder; none outlives the block of `running`."""

    folder: Path
    address: str = ""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, program: str, *options: str) -> None:
        """Start a scheduler or a worker."""
        # Only this machine is asked: no name of a host has to be looked up.
        shared = f"--no-dashboard --scheduler-file {self.folder / 'scheduler.json'} --host 127.0.0.1".split()
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *shared, *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.started.append(subprocess.Popen(command, cwd=self.folder, env=environment))

    def staff(self, workers: int) -> None:
        """See that there are so many workers."""
        for _ in range(workers - self.workers()):
            self.start("worker", *"--nthreads 1 --no-nanny --death-timeout 600".split())
        if workers:
            with self.client() as client:
                client.wait_for_workers(workers, timeout=600)

    def client(self) -> Any:
        """Connect to the scheduler."""
        import distributed

        return distributed.Client(scheduler_file=str(self.folder / "scheduler.json"), timeout=600)

    def workers(self) -> int:
        """Count the workers."""
        with self.client() as client:
            return len(client.nthreads())

    def map_and_kill(self, work: Callable[[Any], Any], parts: Iterable[Any]) -> Iterator[Any]:
        """Work on parts as ever; whoever gets the first one is killed while it works on it."""
        note = self.folder / f"taken-{time.monotonic_ns()}"

        def kill() -> None:
            while not note.exists():
                time.sleep(0.05)
            os.kill(int(note.read_text()), signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        map_parts = cluster_at(self.address)
        assert map_parts is not None
        yield from map_parts(Stuck(work, note), parts)


@dataclass(frozen=True)
class Stuck:
    """Work that never ends for the first process which takes a part; that leaves its number in a note."""

    work: Callable[[Any], Any]
    note: Path

    def __call__(self, part: Any) -> Any:
        """Work on a part."""
        if not self.note.exists():
            draft = self.note.with_suffix(f".{os.getpid()}")
            draft.write_text(str(os.getpid()))
            try:
                os.link(draft, self.note)
            except FileExistsError:
                pass
            else:
                time.sleep(600)
        return self.work(part)


@contextmanager
def running(folder: Path, workers: int) -> Iterator[Cluster]:
    """Run a scheduler and workers for a block."""
    cluster = Cluster(folder)
    cluster.start("scheduler", "--port", "0")
    # Whatever hangs ends when the scheduler does.
    end = threading.Timer(LONGEST_S, cluster.started[0].kill)
    end.start()
    try:
        cluster.staff(workers)
        with cluster.client() as client:
            cluster.address = client.scheduler.address
        yield cluster
    finally:
        end.cancel()
        for process in cluster.started:
            process.kill()
            process.wait()
