"""From raw heights or pictures to the prepared data set: grey, square, one size, 8 bits."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.pictures import PictureError, decode_picture
from tmdscope.dataset.sources import HEIGHTS, PICTURES
from tmdscope.dataset.store import (
    IMAGES,
    MANIFEST,
    RAW_SCHEMA,
    SCHEMA,
    Dataset,
    open_array,
    read_manifest,
    write_array,
    write_manifest,
)
from tmdscope.files import atomic_path, sha256_array
from tmdscope.params.materials_study import PrepareParams
from tmdscope.progress import progress
from tmdscope.scan.level import Image8, clip_percentiles, level, resize_area, to_uint8
from tmdscope.stage import UserError

_CHUNK_VALUES = 1 << 21
_CHUNK_PICTURES = 64


class _Prepared(NamedTuple):
    image: Image8
    sha256: str
    shrunk: float  # raw pixels along one prepared pixel


def prepare(raw: Path, prepared: Path, settings: PrepareParams) -> Dataset:
    """Prepare every raw image; memory stays flat however many there are.

    Heights are levelled (`tmdscope.scan.level`), pictures turned to grey; both are cropped to their
    centred square and resized by area.

    Parameters
    ----------
    raw : Path
        What `tmdscope.dataset.sources.ingest` wrote.
    prepared : Path
        Gets ``images.npy`` and ``manifest.parquet``, replacing what it held.
    settings : PrepareParams
        Section `prepare` of params.yaml.

    Returns
    -------
    Dataset
        The prepared data set, opened from disk.

    Raises
    ------
    UserError
        The raw folder is incomplete; run the ingest stage again.
    """
    manifest = read_manifest(raw / MANIFEST, RAW_SCHEMA)
    prepare_all = _from_heights if (raw / HEIGHTS).exists() else _from_pictures
    images = progress(prepare_all(raw, manifest, settings), len(manifest), "prepare images")
    hashes: list[str] = []
    shrunk: list[float] = []

    def pixels() -> Iterator[Image8]:
        for item in images:
            hashes.append(item.sha256)
            shrunk.append(item.shrunk)
            yield item.image

    with atomic_path(prepared) as temporary:
        temporary.mkdir()
        shape = (len(manifest), settings.size_px, settings.size_px)
        write_array(temporary / IMAGES, pixels(), shape, np.uint8)
        write_manifest(temporary / MANIFEST, _describe(manifest, hashes, shrunk), SCHEMA)
    return Dataset.load(prepared)


def picture_to_uint8(picture: NDArray[Any], percentiles: Sequence[float]) -> Image8:
    """Give a picture 8 bits.

    Parameters
    ----------
    picture : numpy.ndarray
        Grey values of any real type, shape (rows, columns), finite.
    percentiles : sequence of float
        Black and white point in %, rising within 0..100.

    Returns
    -------
    numpy.ndarray
        uint8, same shape. 8-bit pictures are returned as they are; others have no agreed scale and
        are mapped linearly between the percentiles.
    """
    if picture.dtype == np.uint8:
        return picture
    low, high = percentiles
    return to_uint8(clip_percentiles(picture.astype(np.float64), low, high))


def prepare_picture(content: bytes, suffix: str, settings: PrepareParams) -> Image8:
    """Prepare one picture as those of a folder are.

    Parameters
    ----------
    content : bytes
        The whole file.
    suffix : str
        The ending of its name.
    settings : PrepareParams
        Size and percentiles.

    Returns
    -------
    numpy.ndarray
        uint8, shape (S, S).

    Raises
    ------
    PictureError
        It cannot be used.
    """
    picture = picture_to_uint8(decode_picture(content, suffix), settings.percentiles)
    return _finish(picture, settings.size_px).image


def prepare_heights(content: bytes, suffix: str, settings: PrepareParams) -> Image8:
    """Prepare one height map as those of the simulator are: levelled first.

    Parameters
    ----------
    content : bytes
        The whole file, heights in any unit.
    suffix : str
        The ending of its name.
    settings : PrepareParams
        Size and percentiles.

    Returns
    -------
    numpy.ndarray
        uint8, shape (S, S).

    Raises
    ------
    PictureError
        It cannot be used, or holds 8-bit grey values, which are no heights.
    """
    heights = decode_picture(content, suffix)
    if heights.dtype == np.uint8:
        raise PictureError("it holds 8-bit grey values, not heights: predict it as a picture")
    return _finish(level(heights, settings.percentiles), settings.size_px).image


def _from_heights(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Prepared]:
    """Level chunk by chunk; each chunk opens the map anew, so that pages already read leave memory."""
    count, rows, columns = open_array(raw / HEIGHTS).shape
    if count != len(manifest):
        raise UserError(
            f"{raw / HEIGHTS} holds {count} height maps, {raw / MANIFEST} {len(manifest)} rows; "
            "run the ingest stage again"
        )
    step = max(1, _CHUNK_VALUES // (rows * columns))
    for start in range(0, count, step):
        images = level(open_array(raw / HEIGHTS)[start : start + step], settings.percentiles)
        yield from (_finish(image, settings.size_px) for image in images)


def _from_pictures(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Prepared]:
    """Decode on threads, since PIL frees the interpreter while it decodes; chunks keep memory flat."""

    def prepare_one(image_id: str) -> _Prepared:
        path = raw / PICTURES / image_id
        try:
            picture = decode_picture(path.read_bytes(), path.suffix)
        except (OSError, PictureError) as error:
            raise UserError(f"{path}: {error}; run the ingest stage again") from error
        return _finish(picture_to_uint8(picture, settings.percentiles), settings.size_px)

    image_ids = manifest["image_id"].tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(image_ids), _CHUNK_PICTURES):
            yield from pool.map(prepare_one, image_ids[start : start + _CHUNK_PICTURES])


def _finish(image: Image8, size_px: int) -> _Prepared:
    resized = resize_area(image, size_px)
    return _Prepared(resized, sha256_array(resized), min(image.shape) / size_px)


def _describe(manifest: pd.DataFrame, hashes: list[str], shrunk: list[float]) -> pd.DataFrame:
    """Add hashes and duplicates to the source's manifest, before the columns that are its own."""
    known = list(RAW_SCHEMA.columns)
    sha256 = pd.Series(hashes, dtype=str)
    first = manifest.groupby(sha256)["image_id"].transform("first")
    return pd.concat(
        [
            manifest[known].assign(pixel_size_nm=manifest["pixel_size_nm"] * shrunk),
            pd.DataFrame({"image_sha256": sha256, "duplicate_of": first.where(sha256.duplicated())}),
            manifest.drop(columns=known),
        ],
        axis=1,
    )
