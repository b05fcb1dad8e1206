"""Memory and time of describing arrays of many images, from file to table."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from tmdscope.analysis.descriptors.table import describe
from tmdscope.materials import MATERIALS
from tmdscope.params.materials_study import DescribeParams
from tmdscope.scan.level import level
from tmdscope.scan.simulate import SamplePlan, simulate_sample

NAME = "descriptors-stream"
COUNTS = (2_000, 20_000)
"""Images; `python -m benchmarks.descriptors_stream N` measures any other number."""
SIZE_PX = 64
SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=5)
_DIFFERENT = 20
"""Of each material; the array repeats them."""


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
        of this process, which gathers the table, and ``worker_peak_mb`` of any other that describes.
    """
    plans = [SamplePlan(f"stream-{name}", name, _DIFFERENT) for name in MATERIALS]
    scans = [scan for plan in plans for scan in simulate_sample(plan, SIZE_PX, 500.0, 1)]
    images = level(np.stack([scan.scan.height_nm for scan in scans]), (0.5, 99.5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        array = open_memmap(path, "w+", np.uint8, (count, *images.shape[1:]))
        for first in range(0, count, len(images)):
            array[first : first + len(images)] = images[: count - first]
        array.flush()
        del array
        start = time.perf_counter()
        table = describe(path, None, SETTINGS)
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "images": len(table),
        "array_mb": round(size / 2**20, 1),
        "images_per_s": round(count / seconds, 1),
        "peak_mb": round(peaks[0] / 2**10, 1),
        "worker_peak_mb": round(peaks[1] / 2**10, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
