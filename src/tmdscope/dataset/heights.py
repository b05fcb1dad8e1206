"""Heights in nm behind prepared images: the maps that a source stored, or those in an instrument's files."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.content import read_content
from tmdscope.dataset.sources import HEIGHTS, PICTURES
from tmdscope.dataset.store import MANIFEST, RAW_SCHEMA, open_array, read_manifest
from tmdscope.scan.frame import centred_square
from tmdscope.scan.read.formats import is_scan
from tmdscope.scan.read.read import read_scan
from tmdscope.stage import UserError

Map = tuple[NDArray[Any], tuple[float, float]]
"""Heights in nm, shape (rows, columns), and width and height of their pixels in nm."""


@dataclass(frozen=True)
class Heights:
    """Heights of consecutive images, read when they are asked for.

    Attributes
    ----------
    source : Path
        NPY file, float32, shape (N, rows, columns), in nm; or a folder of the images' own files.
    image_ids : tuple of str
        The images; names of files in a folder.
    pixel_nm : tuple of float
        Width in nm of a square pixel of each stored map; NaN where it is not known. Files say their own.
    side_nm : float or None
        Side of the centred square that images show; None for the largest.
    first : int
        Row of the first image in an NPY file.
    kinds : tuple of str
        What each file holds, as the manifest says (`tmdscope.dataset.content`); empty for an NPY file.
    """

    source: Path
    image_ids: tuple[str, ...]
    pixel_nm: tuple[float, ...]
    side_nm: float | None = None
    first: int = 0
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Path, side_nm: float | None) -> Self | None:
        """Find the heights of a raw data set.

        Parameters
        ----------
        raw : Path
            What `tmdscope.dataset.sources.ingest` wrote.
        side_nm : float or None
            As in the attributes.

        Returns
        -------
        Heights or None
            None where it holds nothing but pictures.
        """
        manifest = read_manifest(raw / MANIFEST, RAW_SCHEMA)
        ids, sizes = tuple(manifest["image_id"]), tuple(manifest["pixel_size_nm"])
        if (raw / HEIGHTS).exists():
            return cls((raw / HEIGHTS).resolve(), ids, sizes, side_nm)
        kinds = tuple(manifest["kind"]) if "kind" in manifest else tuple(map(_kind_of, ids))
        if set(kinds) <= {"picture"}:
            return None
        return cls((raw / PICTURES).resolve(), ids, sizes, side_nm, kinds=kinds)

    def part(self, first: int, end: int) -> Self:
        """Take some of them.

        Parameters
        ----------
        first, end : int
            Images, `end` not among them.

        Returns
        -------
        Heights
            Their heights.
        """
        return replace(
            self,
            image_ids=self.image_ids[first:end],
            pixel_nm=self.pixel_nm[first:end],
            first=self.first + first,
            kinds=self.kinds[first:end],
        )

    def read(self) -> Iterator[Map | None]:
        """Read the part of every scan that its image shows.

        Yields
        ------
        tuple or None
            Heights and pixel size; None for a picture and for a map of unknown size.

        Raises
        ------
        UserError
            A file cannot be used, or is smaller than the square.
        """
        stored = open_array(self.source) if self.source.is_file() else None
        for number, (image_id, width) in enumerate(zip(self.image_ids, self.pixel_nm, strict=True)):
            if stored is not None:
                known = np.isfinite(width)
                yield self._shown(stored[self.first + number], (width, width)) if known else None
            elif self.kinds[number] == "scan":
                scan = read_scan(self.source / image_id)
                yield self._shown(scan.height_nm, scan.pixel_size_nm)
            elif self.kinds[number] == "heights" and np.isfinite(width):
                yield self._shown(self._of_file(image_id), (width, width))
            else:
                yield None

    def _of_file(self, image_id: str) -> NDArray[Any]:
        path = self.source / image_id
        try:
            return read_content(path.read_bytes(), image_id, heights=True).values
        except (OSError, UserError) as error:
            raise UserError(f"{path}: {error}") from error

    def _shown(self, height_nm: NDArray[Any], pixel_nm: tuple[float, float]) -> Map:
        square = centred_square(height_nm.shape, pixel_nm, self.side_nm)
        return np.array(square.cover(height_nm)), pixel_nm


def _kind_of(image_id: str) -> str:
    """Say what a file holds, where an earlier version did not say."""
    return "scan" if is_scan(image_id) else "picture"
