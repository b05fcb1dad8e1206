"""Memory and time of describing arrays of many images, from file to table."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.peak import memory_kb
from tmdscope.analysis.descriptors.table import describe
from tmdscope.dataset.store import write_array
from tmdscope.params.images import DescribeParams
from tmdscope.processes import Part, Result, run_parts
from tmdscope.scan.level import to_uint8

NAME = "descriptors-stream"
COUNTS = (2_000, 20_000)
"""Images; `python -m benchmarks.descriptors_stream N` measures any other number."""
SIZE_PX = 64
SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=5)
_DIFFERENT = 100
"""Images, smooth noise; the array repeats them."""


def report() -> dict[str, Any]:
    """Describe arrays of both sizes, each in a process of its own.

    Returns
    -------
    dict
        ``arrays``: for each, what `measure` found.
    """
    command = [sys.executable, "-m", "benchmarks.descriptors_stream"]
    found = [subprocess.run([*command, str(count)], capture_output=True, check=True) for count in COUNTS]
    return {"benchmark": NAME, "arrays": [json.loads(run.stdout) for run in found]}


def measure(count: int) -> dict[str, float]:
    """Write an array of images and describe it.

    Parameters
    ----------
    count : int
        Images.

    Returns
    -------
    dict
        ``images``; ``array_mb``, size of the file; ``images_per_s`` of all cores; ``peak_mb``, largest memory
        of this process, which gathers the table, and ``worker_peak_mb`` of those that describe.
    """
    rng = np.random.default_rng(1)
    hills = gaussian_filter(rng.standard_normal((_DIFFERENT, SIZE_PX, SIZE_PX)), (0, 2, 2))
    images = np.stack([to_uint8(item) for item in hills])
    peaks: list[int] = []

    def in_processes(work: Callable[[Part], Result], chunks: Iterable[Part]) -> list[Result]:
        found = run_parts(partial(_watched, work), chunks)
        peaks.extend(peak for _, peak in found)
        return [values for values, _ in found]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        rows = (images[number % _DIFFERENT] for number in range(count))
        write_array(path, rows, (count, SIZE_PX, SIZE_PX), np.uint8)
        start = time.perf_counter()
        table = describe(path, None, SETTINGS, in_processes)
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    return {
        "images": len(table),
        "array_mb": round(size / 2**20, 1),
        "images_per_s": round(count / seconds, 1),
        "peak_mb": round(memory_kb() / 2**10, 1),
        "worker_peak_mb": round(max(peaks) / 2**10, 1),
    }


def _watched(work: Callable[[Part], Result], chunk: Part) -> tuple[Result, int]:
    return work(chunk), memory_kb()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
