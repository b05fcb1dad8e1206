"""From raw heights or pictures to the prepared data set: grey, square, one size, 8 bits."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.content import read_content, room_for
from tmdscope.dataset.heights import check_heights, open_heights, read_file, with_kinds
from tmdscope.dataset.pictures import PictureError
from tmdscope.dataset.store import (
    HEIGHTS,
    IMAGES,
    MANIFEST,
    PICTURES,
    RAW_SCHEMA,
    SCHEMA,
    Dataset,
    read_manifest,
    write_manifest,
)
from tmdscope.errors import UserError
from tmdscope.files import atomic_path, sha256_array, write_array
from tmdscope.memory import room_to_read
from tmdscope.params.images import PrepareParams
from tmdscope.processes import Mapper, stream_parts
from tmdscope.progress import progress
from tmdscope.scan.level import Image8, clip_percentiles, crop_square, flat, resize_area, to_uint8
from tmdscope.scan.read.channels import ScanError
from tmdscope.scan.scan import Square, centred_square

_CHUNK_VALUES, _CHUNK_MAPS = 1 << 21, 128
_MANY_CHUNKS = 12
"""Chunks of maps from which on processes of their own pay: they take a second to start."""
_CHUNK_PICTURES = 64

Crop = Callable[[float], float | None]
"""Width of a scan in nm to the side in nm of the centre that is used, None for all of it."""


class Prepared(NamedTuple):
    """An image, uint8, shape (S, S), and where it comes from (see `tmdscope.dataset.content.Content`).

    `shrunk`: raw pixels, along x, on one of the image. `width_nm` is of what the image shows, `scan_nm` of
    the scan's largest centred square; NaN where not known.
    """

    image: Image8
    shrunk: float
    width_nm: float
    scan_nm: float
    channel: str | None = None
    warnings: tuple[str, ...] = ()


def prepare(raw: Path, prepared: Path, settings: PrepareParams, map_chunks: Mapper | None = None) -> Dataset:
    """Prepare every raw image, replacing what `prepared` held; memory stays flat however many there are.

    `map_chunks` says where images are made; None: here.
    """
    manifest = read_manifest(raw / MANIFEST, RAW_SCHEMA)
    found = _prepare_all(raw if map_chunks is None else raw.resolve(), manifest, settings, map_chunks)
    images = progress(found, len(manifest), "prepare images")
    hashes: list[str] = []
    shrunk: list[float] = []

    def pixels() -> Iterator[Image8]:
        for item in images:
            hashes.append(sha256_array(item.image))
            shrunk.append(item.shrunk)
            yield item.image

    with atomic_path(prepared) as temporary:
        temporary.mkdir()
        shape = (len(manifest), settings.size_px, settings.size_px)
        write_array(temporary / IMAGES, pixels(), shape, np.uint8)
        write_manifest(temporary / MANIFEST, _describe(manifest, hashes, shrunk), SCHEMA)
    return Dataset.load(prepared)


def picture_to_uint8(picture: NDArray[Any], percentiles: Sequence[float]) -> Image8:
    """Give a picture 8 bits: one of others is mapped linearly between two percentiles, in %."""
    if picture.dtype == np.uint8:
        return picture
    low, high = percentiles
    return to_uint8(clip_percentiles(picture.astype(np.float64), low, high))


def prepare_content(
    content: bytes,
    name: str,
    settings: PrepareParams,
    heights: bool | None = None,
    pixel_size_nm: float = math.nan,
    crop: Crop | None = None,
    channel: str | None = None,
) -> Prepared:
    """Prepare what a file holds; every door does it so: a study, `tmdscope predict`, `audit`, `add-material`.

    For `heights`, `pixel_size_nm` and `channel` see `tmdscope.dataset.content.read_content`. The settings are
    those of params.yaml, or a model's own; `levelling.crop_nm` goes before `crop`.
    """
    with room_for(content, name):
        found = read_content(content, name, heights, pixel_size_nm, channel)
        if found.kind != "picture":
            scan = prepare_scan(found.values, found.pixel_size_nm, settings, crop)
            return scan._replace(channel=found.channel, warnings=found.warnings)
        square = crop_square(found.values)
        image = resize_area(picture_to_uint8(square, settings.percentiles), settings.size_px)
    width_nm = len(square) * found.pixel_size_nm[0]
    return Prepared(image, len(square) / settings.size_px, width_nm, width_nm)


def level_square(
    height_nm: NDArray[Any], pixel_size_nm: tuple[float, float], settings: PrepareParams
) -> tuple[NDArray[Any], Square]:
    """Cut the centred square out of a scan by physical size: the whole pixels that cover it, levelled.

    Heights are finite, shape (rows, columns). Width and height of a pixel are both NaN where they are not
    known, which makes them square and the unit of the square.
    """
    levelling = settings.levelling
    if math.isnan(pixel_size_nm[0]):
        if levelling.side_nm is not None:
            raise PictureError(
                f"it does not say how large its pixels are, and of each scan the central "
                f"{levelling.side_nm:g} nm are used: give the instrument's own file, or its pixel_size_nm"
            )
        pixel_size_nm = (1.0, 1.0)
    square = centred_square(height_nm.shape, pixel_size_nm, levelling.side_nm)
    return flat(square.cover(height_nm), settings.percentiles, levelling.steps, levelling.points), square


def prepare_scan(
    height_nm: NDArray[Any],
    pixel_size_nm: tuple[float, float],
    settings: PrepareParams,
    crop: Crop | None = None,
) -> Prepared:
    """Make an image of a scan, see `level_square` and `prepare_content`."""
    scan_nm = min(n * size for n, size in zip(height_nm.shape[::-1], pixel_size_nm, strict=True))
    side_nm = None if crop is None or settings.levelling.side_nm is not None else crop(scan_nm)
    if side_nm is not None:
        settings = settings.cropped_to(side_nm)
    levelled, square = level_square(height_nm, pixel_size_nm, settings)
    image = resize_area(to_uint8(levelled), settings.size_px, square.within)
    shrunk = (square.columns[1] - square.columns[0]) / settings.size_px
    return Prepared(image, shrunk, math.nan if math.isnan(pixel_size_nm[0]) else square.side_nm, scan_nm)


@dataclass(frozen=True)
class _Maps:
    """Consecutive maps of an NPY file of `count`, from `first` on: the hash and pixel size in nm of each."""

    path: Path
    count: int
    first: int
    hashes: list[str]
    sizes: list[float]
    settings: PrepareParams


class _File(NamedTuple):
    """A file of the raw data; no hash where it is not the one that the manifest has it of."""

    path: Path
    name: str
    sha256: str | None
    heights: bool
    pixel_size_nm: float
    channel: str | None


@dataclass(frozen=True)
class _Files:
    files: list[_File]
    settings: PrepareParams


def _prepare_all(
    raw: Path, manifest: pd.DataFrame, settings: PrepareParams, map_chunks: Mapper | None
) -> Iterator[Prepared]:
    if (raw / HEIGHTS).exists():
        maps = [*_maps(raw / HEIGHTS, manifest, settings)]
        if map_chunks is None and len(maps) >= _MANY_CHUNKS:
            map_chunks = stream_parts
        return chain.from_iterable((map_chunks or map)(_prepare_maps, maps))
    files = _files(raw / PICTURES, manifest, settings)
    if map_chunks is not None:
        return chain.from_iterable(map_chunks(_prepare_files, files))
    return _on_threads(files)


def _maps(path: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Maps]:
    hashes, sizes = manifest["source_sha256"].tolist(), manifest["pixel_size_nm"].tolist()
    count, rows, columns = open_heights(path, len(manifest)).shape
    step = max(1, min(_CHUNK_MAPS, _CHUNK_VALUES // (rows * columns)))
    for first in range(0, count, step):
        end = first + step
        yield _Maps(path, count, first, hashes[first:end], sizes[first:end], settings)


def _prepare_maps(chunk: _Maps) -> list[Prepared]:
    """Prepare maps; the file is opened anew, so that pages already read leave memory."""
    heights = open_heights(chunk.path, chunk.count)[chunk.first : chunk.first + len(chunk.hashes)]
    check_heights(chunk.path, heights, chunk.hashes, chunk.first)
    return [
        prepare_scan(height_nm, (size, size), chunk.settings)
        for height_nm, size in zip(heights, chunk.sizes, strict=True)
    ]


def _files(folder: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Files]:
    rows = with_kinds(manifest)
    for start in range(0, len(rows), _CHUNK_PICTURES):
        files = [
            _File(
                folder / row.image_id,
                row.image_id,
                None if row.source == "archive" else row.source_sha256,  # whose pictures were turned to grey
                row.kind == "heights",
                row.pixel_size_nm,
                row.channel,
            )
            for row in rows.iloc[start : start + _CHUNK_PICTURES].itertuples()
        ]
        yield _Files(files, settings)


def _prepare_file(file: _File, settings: PrepareParams) -> Prepared:
    with room_to_read(file.path):
        content = read_file(file.path, file.sha256)
        heights, width = file.heights, file.pixel_size_nm
        try:
            return prepare_content(content, file.name, settings, heights, width, channel=file.channel)
        except (PictureError, ScanError) as error:
            raise UserError(f"{file.path}: {error}; run the ingest stage again") from error
        except UserError as error:
            raise UserError(f"{file.path}: {error}") from error


def _prepare_files(chunk: _Files) -> list[Prepared]:
    return [_prepare_file(file, chunk.settings) for file in chunk.files]


def _on_threads(chunks: Iterator[_Files]) -> Iterator[Prepared]:
    """Decode on threads, since PIL frees the interpreter while it decodes; chunks keep memory flat."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in chunks:
            yield from pool.map(_prepare_file, chunk.files, repeat(chunk.settings))


def _describe(manifest: pd.DataFrame, hashes: list[str], shrunk: list[float]) -> pd.DataFrame:
    """Add hashes and duplicates to the source's manifest, before the columns that are its own."""
    known = list(RAW_SCHEMA.columns)
    sha256 = pd.Series(hashes, dtype=str)
    first = manifest.groupby(sha256)["image_id"].transform("first")
    shown = manifest[known].assign(pixel_size_nm=manifest["pixel_size_nm"] * shrunk)
    seen = pd.DataFrame({"image_sha256": sha256, "duplicate_of": first.where(sha256.duplicated())})
    return pd.concat([shown, seen, manifest.drop(columns=known)], axis=1)
