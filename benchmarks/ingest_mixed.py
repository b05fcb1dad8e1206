"""Ingest of a folder of files of many formats, one of which is broken: rate, memory, and what is told."""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from tests.scan.read import files

from benchmarks.peak import forget_peak, memory_kb
from tmdscope.dataset.folder import FolderError, ingest_folder
from tmdscope.scan.level import to_uint8
from tmdscope.scan.surface import correlated_field

NAME = "ingest-mixed"
COUNTS = (250, 1000)
"""Files; each in a process of its own. `python -m benchmarks.ingest_mixed N` measures any other number."""
SIZE_PX, FRAME_NM = 256, 1000.0
CLASSES = ("MoS2", "WS2")
_DIFFERENT = 20
"""Surfaces; the files take turns with them."""

Heights = NDArray[np.float64]


def _npy(heights: Heights) -> bytes:
    stream = io.BytesIO()
    np.save(stream, heights.astype(np.float32))
    return stream.getvalue()


def _picture(kind: str, values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Heights], bytes]] = {
    "spm": files.nanoscope,
    "ibw": lambda heights: files.ibw(heights, FRAME_NM, FRAME_NM),
    "jpk": lambda heights: files.jpk(heights, FRAME_NM, FRAME_NM),
    "tiff": lambda heights: files.park(heights, FRAME_NM, FRAME_NM),
    "gwy": lambda heights: files.gwy(heights, FRAME_NM, FRAME_NM),
    "gsf": lambda heights: files.gsf(heights, FRAME_NM, FRAME_NM),
    "topostats": lambda heights: files.topostats(heights, FRAME_NM / SIZE_PX),
    "nid": lambda heights: files.nid(heights, FRAME_NM, FRAME_NM),
    "npy": _npy,
    "tif": lambda heights: _picture("TIFF", heights.astype(np.float32)),
    "png": lambda heights: _picture("PNG", to_uint8(heights)),
}
"""By endings."""


def report() -> dict[str, Any]:
    """Ingest folders of both sizes, each in a process of its own.

    Returns
    -------
    dict
        ``folders``: for each, what `measure` found.
    """
    command = [sys.executable, "-m", "benchmarks.ingest_mixed"]
    found = [subprocess.run([*command, str(count)], capture_output=True, check=True) for count in COUNTS]
    return {"benchmark": NAME, "folders": [json.loads(run.stdout) for run in found]}


def write_folder(folder: Path, count: int) -> str:
    """Write files of all formats in turn and their manifest; the one in the middle is cut off.

    Parameters
    ----------
    folder : Path
        It is there and empty.
    count : int
        Files, at least 2.

    Returns
    -------
    str
        The broken file's path in the manifest.
    """
    rng = np.random.default_rng(1)
    surfaces = [correlated_field(SIZE_PX, 12.0, rng).astype(float) for _ in range(_DIFFERENT)]
    endings, broken, rows = list(WRITERS), "", []
    for number in range(count):
        ending = endings[number % len(endings)]
        name = f"{number:04d}.{ending}"
        content = WRITERS[ending](surfaces[number % _DIFFERENT])
        if number == count // 2:
            broken, content = name, content[: len(content) // 2]
        (folder / name).write_bytes(content)
        rows.append({"path": name, "sample_id": f"S{number}", "label": CLASSES[number % 2]})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return broken


def measure(count: int) -> dict[str, Any]:
    """Write a folder, check, hash and copy its files as stage `ingest` does, and see what is told.

    Parameters
    ----------
    count : int
        Files.

    Returns
    -------
    dict
        ``files``; ``files_per_s``; ``peak_mb``, largest memory of this process during the ingest, and
        ``reader_peak_mb`` of those it started that still run; ``told``, what was told, without the
        folder's name.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, copies = Path(place) / "user", Path(place) / "copies"
        folder.mkdir()
        broken = write_folder(folder, count)
        forget_peak()
        start = time.perf_counter()
        try:
            ingest_folder(folder, "manifest.csv", CLASSES, copies)
        except FolderError as error:
            unusable, told = set(error.unusable), str(error).replace(f"{folder}/", "")
        seconds = time.perf_counter() - start
        if unusable != {broken}:
            raise RuntimeError(f"expected {broken} to be refused, got {unusable}")
    return {
        "files": count,
        "files_per_s": round(count / seconds, 1),
        "peak_mb": round(memory_kb() / 2**10, 1),
        "reader_peak_mb": [round(kb / 2**10, 1) for kb in map(memory_kb, _children()) if kb],
        "told": told,
    }


def _children() -> list[str]:
    """List the processes that this one started: readers wait for the next file."""
    found: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread has ended
            found += task.read_text(encoding="ascii").split()
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
