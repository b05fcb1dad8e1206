"""What `data/raw` holds, read back and compared with its manifest: files, and heights in nm."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.content import read_content
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, read_manifest
from tmdscope.errors import UserError
from tmdscope.files import broken, open_array, read_bytes, require_finite, sha256_array
from tmdscope.limits import MAX_SCAN_BYTES
from tmdscope.scan.scan import centred_square

Map = tuple[NDArray[Any], tuple[float, float]]
"""Heights in nm, shape (rows, columns), and width and height of their pixels in nm."""

_COLUMNS = ["image_id", "source_sha256", "pixel_size_nm", "kind", "channel"]


@dataclass(frozen=True)
class Heights:
    """Heights of consecutive images, read when they are asked for.

    `source` is an NPY file of `stored` maps in nm, float32, or a folder of the images' own files; `images`
    are rows of the raw manifest, whose index counts maps in the file. Images show the centred square of
    `side_nm`; None: the largest.
    """

    source: Path
    images: pd.DataFrame
    stored: int
    side_nm: float | None = None

    @classmethod
    def of(cls, raw: Path, prepared: pd.DataFrame, side_nm: float | None) -> Self | None:
        """Find the heights of the raw data that images were prepared from; None where it is all pictures."""
        manifest = with_kinds(read_manifest(raw / MANIFEST, RAW_SCHEMA))[_COLUMNS]
        identity = ["image_id", "source_sha256"]
        if manifest[identity].to_numpy().tolist() != prepared[identity].to_numpy().tolist():
            raise broken(raw / MANIFEST, "is not what the prepared images were made from")
        maps = (raw / HEIGHTS).resolve()
        if not maps.exists() and set(manifest["kind"]) <= {"picture"}:
            return None
        source = maps if maps.exists() else (raw / PICTURES).resolve()
        return cls(source, manifest, len(manifest), side_nm)

    def part(self, first: int, end: int) -> Self:
        """Take the heights of images `first` to `end`, `end` not among them."""
        return replace(self, images=self.images.iloc[first:end])

    def read(self) -> Iterator[Map | None]:
        """Read what each image shows of its scan, and the pixel size; None: a picture, or of unknown size."""
        stored = open_heights(self.source, self.stored) if self.source.is_file() else None
        for row in self.images.itertuples():
            width, number = row.pixel_size_nm, row.Index
            if stored is not None:
                check_heights(self.source, stored[number : number + 1], [row.source_sha256], number)
                yield self._shown(stored[number], (width, width)) if np.isfinite(width) else None
            elif row.kind == "scan" or (row.kind == "heights" and np.isfinite(width)):
                path = self.source / row.image_id
                content = read_file(path, row.source_sha256)
                try:
                    found = read_content(content, row.image_id, True, width, row.channel)
                except UserError as error:
                    raise UserError(f"{path}: {error}") from error
                yield self._shown(found.values, found.pixel_size_nm)
            else:
                yield None

    def _shown(self, height_nm: NDArray[Any], pixel_nm: tuple[float, float]) -> Map:
        square = centred_square(height_nm.shape, pixel_nm, self.side_nm)
        return np.array(square.cover(height_nm)), pixel_nm


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
