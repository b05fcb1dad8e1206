"""What `data/raw` holds, read back and compared with its manifest."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.store import MANIFEST
from tmdscope.files import broken, open_array, read_bytes, require_finite, sha256_array
from tmdscope.limits import MAX_SCAN_BYTES


def open_heights(path: Path, count: int) -> NDArray[Any]:
    """Map stored heights into memory: float32, shape (count, rows, columns), nm; none of it is read."""
    return open_array(path, (count, None, None), np.float32)


def check_heights(path: Path, heights: NDArray[Any], source_sha256: Sequence[str], first: int = 0) -> None:
    """Compare stored maps, shape (M, rows, columns) from row `first` on, with the manifest's hash of each."""
    require_finite(path, heights, first)
    for number, (height_nm, sha256) in enumerate(zip(heights, source_sha256, strict=True), first):
        if sha256_array(height_nm) != sha256:
            raise broken(path, f"is not of {MANIFEST} beside it: row {number} is another map")


def read_file(path: Path, source_sha256: str | None) -> bytes:
    """Read a file that the source gave; no hash where the manifest has that of what it was made from."""
    try:
        content = read_bytes(path, MAX_SCAN_BYTES)
    except OSError as error:
        raise broken(path, f"cannot be read ({error})") from error
    if source_sha256 is not None and hashlib.sha256(content).hexdigest() != source_sha256:
        raise broken(path, f"is not the file that {MANIFEST} names: its SHA-256 differs")
    return content


def with_kinds(manifest: pd.DataFrame) -> pd.DataFrame:
    """Add what each file is and which channel is used (None: found) where the source did not say."""
    kind, channel = manifest.get("kind", "picture"), manifest.get("channel")
    named = None if channel is None else channel.astype(object).where(channel.notna(), None)
    return manifest.assign(kind=kind, channel=named)
