"""Heights in nm behind prepared images: the maps that a source stored, or those in an instrument's files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.content import read_content
from tmdscope.dataset.raw import check_heights, open_heights, read_file
from tmdscope.dataset.sources import HEIGHTS, PICTURES
from tmdscope.dataset.store import MANIFEST, RAW_SCHEMA, read_manifest
from tmdscope.errors import UserError
from tmdscope.files import broken
from tmdscope.scan.frame import centred_square
from tmdscope.scan.read.read import read_scan

Map = tuple[NDArray[Any], tuple[float, float]]
"""Heights in nm, shape (rows, columns), and width and height of their pixels in nm."""


@dataclass(frozen=True)
class Heights:
    """Heights of consecutive images, read when they are asked for.

    Attributes
    ----------
    source : Path
        NPY file, float32, shape (N, rows, columns), in nm, N = `stored`; or a folder of the images' own
        files.
    pixel_nm : tuple of float
        Width in nm of a square pixel of each stored map; NaN where it is not known. Files say their own.
    side_nm : float or None
        Side of the centred square that images show; None for the largest.
    first : int
        Row of the first image in an NPY file.
    channels, kinds : tuple
        Of each file, as the manifest says (`tmdscope.dataset.content`); channel None for that of the heights.
    """

    source: Path
    image_ids: tuple[str, ...]
    pixel_nm: tuple[float, ...]
    source_sha256: tuple[str, ...]
    stored: int
    side_nm: float | None = None
    first: int = 0
    channels: tuple[str | None, ...] = ()
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Path, prepared: pd.DataFrame, side_nm: float | None) -> Self | None:
        """Find the heights of the raw data that images were prepared from; None where it is all pictures."""
        manifest = read_manifest(raw / MANIFEST, RAW_SCHEMA)
        identity = ["image_id", "source_sha256"]
        if manifest[identity].to_numpy().tolist() != prepared[identity].to_numpy().tolist():
            raise broken(raw / MANIFEST, "is not what the prepared images were made from")
        ids, sizes = tuple(manifest["image_id"]), tuple(manifest["pixel_size_nm"])
        hashes = tuple(manifest["source_sha256"])
        if (raw / HEIGHTS).exists():
            return cls((raw / HEIGHTS).resolve(), ids, sizes, hashes, len(ids), side_nm)
        kinds = tuple(manifest["kind"]) if "kind" in manifest else ("picture",) * len(ids)
        if set(kinds) <= {"picture"}:
            return None
        named = manifest["channel"] if "channel" in manifest else [None] * len(ids)
        channels = tuple(name if isinstance(name, str) else None for name in named)
        source = (raw / PICTURES).resolve()
        return cls(source, ids, sizes, hashes, len(ids), side_nm, channels=channels, kinds=kinds)

    def part(self, first: int, end: int) -> Self:
        """Take the heights of images `first` to `end`, `end` not among them."""
        return replace(
            self,
            image_ids=self.image_ids[first:end],
            pixel_nm=self.pixel_nm[first:end],
            first=self.first + first,
            source_sha256=self.source_sha256[first:end],
            channels=self.channels[first:end],
            kinds=self.kinds[first:end],
        )

    def read(self) -> Iterator[Map | None]:
        """Read what each image shows of its scan, and the pixel size; None: a picture, or of unknown size."""
        stored = open_heights(self.source, self.stored) if self.source.is_file() else None
        for number, (image_id, width) in enumerate(zip(self.image_ids, self.pixel_nm, strict=True)):
            sha256 = self.source_sha256[number]
            if stored is not None:
                row = self.first + number
                check_heights(self.source, stored[row : row + 1], [sha256], row)
                yield self._shown(stored[row], (width, width)) if np.isfinite(width) else None
            elif self.kinds[number] == "scan":
                scan = read_scan(self.source / image_id, self.channels[number])
                if scan.sha256 != sha256:
                    raise broken(self.source / image_id, f"is not the file that {MANIFEST} names")
                yield self._shown(scan.height_nm, scan.pixel_size_nm)
            elif self.kinds[number] == "heights" and np.isfinite(width):
                yield self._shown(self._of_file(image_id, sha256), (width, width))
            else:
                yield None

    def _of_file(self, image_id: str, sha256: str) -> NDArray[Any]:
        path = self.source / image_id
        try:
            found = read_content(read_file(path, sha256), image_id, heights=True)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        return found.values

    def _shown(self, height_nm: NDArray[Any], pixel_nm: tuple[float, float]) -> Map:
        square = centred_square(height_nm.shape, pixel_nm, self.side_nm)
        return np.array(square.cover(height_nm)), pixel_nm
