"""From raw heights or pictures to the prepared data set: grey, square, one size, 8 bits."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from tmdscope.progress import progress
from tmdscope.scan.level import Image8, clip_percentiles, crop_square, flat, resize_area, to_uint8
from tmdscope.scan.read.channels import ScanError
from tmdscope.scan.scan import Square, centred_square

_CHUNK_VALUES = 1 << 21
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


def prepare(raw: Path, prepared: Path, settings: PrepareParams) -> Dataset:
    """Prepare every raw image, replacing what `prepared` held; memory stays flat however many there are."""
    manifest = read_manifest(raw / MANIFEST, RAW_SCHEMA)
    prepare_all = _from_heights if (raw / HEIGHTS).exists() else _from_files
    images = progress(prepare_all(raw, manifest, settings), len(manifest), "prepare images")
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


def _from_heights(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[Prepared]:
    """Prepare chunk by chunk; each opens the map anew, so that pages already read leave memory."""
    path, hashes = raw / HEIGHTS, manifest["source_sha256"].tolist()
    count, rows, columns = open_heights(path, len(manifest)).shape
    step = max(1, _CHUNK_VALUES // (rows * columns))
    sizes = manifest["pixel_size_nm"].tolist()
    for start in range(0, count, step):
        heights = open_heights(path, count)[start : start + step]
        check_heights(path, heights, hashes[start : start + step], start)
        for height_nm, size in zip(heights, sizes[start : start + step], strict=True):
            yield prepare_scan(height_nm, (size, size), settings)


def _from_files(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[Prepared]:
    """Decode on threads, since PIL frees the interpreter while it decodes; chunks keep memory flat."""
    rows = with_kinds(manifest)

    def prepare_one(row: Any) -> Prepared:
        path = raw / PICTURES / row.image_id
        archived = row.source == "archive"  # whose pictures were turned to grey
        heights, width = row.kind == "heights", row.pixel_size_nm
        with room_to_read(path):
            content = read_file(path, None if archived else row.source_sha256)
            try:
                return prepare_content(content, row.image_id, settings, heights, width, channel=row.channel)
            except (PictureError, ScanError) as error:
                raise UserError(f"{path}: {error}; run the ingest stage again") from error
            except UserError as error:
                raise UserError(f"{path}: {error}") from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(rows), _CHUNK_PICTURES):
            yield from pool.map(prepare_one, rows.iloc[start : start + _CHUNK_PICTURES].itertuples())


def _describe(manifest: pd.DataFrame, hashes: list[str], shrunk: list[float]) -> pd.DataFrame:
    """Add hashes and duplicates to the source's manifest, before the columns that are its own."""
    known = list(RAW_SCHEMA.columns)
    sha256 = pd.Series(hashes, dtype=str)
    first = manifest.groupby(sha256)["image_id"].transform("first")
    shown = manifest[known].assign(pixel_size_nm=manifest["pixel_size_nm"] * shrunk)
    seen = pd.DataFrame({"image_sha256": sha256, "duplicate_of": first.where(sha256.duplicated())})
    return pd.concat([shown, seen, manifest.drop(columns=known)], axis=1)
