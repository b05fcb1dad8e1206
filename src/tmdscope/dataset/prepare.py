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
from tmdscope.dataset.raw import check_heights, open_heights, read_file
from tmdscope.dataset.sources import HEIGHTS, PICTURES
from tmdscope.dataset.store import (
    IMAGES,
    MANIFEST,
    RAW_SCHEMA,
    SCHEMA,
    Dataset,
    read_manifest,
    write_manifest,
)
from tmdscope.files import atomic_path, sha256_array, write_array
from tmdscope.params.materials_study import PrepareParams
from tmdscope.progress import progress
from tmdscope.scan.frame import centred_square
from tmdscope.scan.level import Image8, clip_percentiles, level, resize_area, to_uint8
from tmdscope.scan.read.formats import is_scan
from tmdscope.scan.read.read import ScanError, decode_scan
from tmdscope.stage import UserError

_CHUNK_VALUES = 1 << 21
_CHUNK_PICTURES = 64


class _Prepared(NamedTuple):
    image: Image8
    sha256: str
    shrunk: float  # raw pixels along one prepared pixel


def prepare(raw: Path, prepared: Path, settings: PrepareParams) -> Dataset:
    """Prepare every raw image; memory stays flat however many there are.

    Heights and instrument files are levelled (`tmdscope.scan.level`), pictures turned to grey; all are
    cropped to their centred square, heights by physical size, and resized by area.

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
    prepare_all = _from_heights if (raw / HEIGHTS).exists() else _from_files
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


def prepare_file(content: bytes, name: str, settings: PrepareParams, heights: bool = False) -> Image8:
    """Prepare one file as those of a study are.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        Its name, whose ending says what it is: a scan of an instrument, which is levelled, or a picture.
    settings : PrepareParams
        Section `prepare` of params.yaml.
    heights : bool, optional
        Whether a file that is no instrument's holds heights (NPY, TIFF), which are levelled first.

    Returns
    -------
    numpy.ndarray
        uint8, shape (S, S).

    Raises
    ------
    UserError
        It cannot be used; where it should hold heights, it holds 8-bit grey values, or it does not say how
        large its pixels are although the settings name a size in nm.
    """
    if is_scan(name) or not heights:
        return _prepare_one(content, name, settings).image
    values = decode_picture(content, Path(name).suffix)
    if values.dtype == np.uint8:
        raise PictureError("it holds 8-bit grey values, not heights: predict it as a picture")
    if settings.levelling.side_nm is not None:
        raise PictureError(
            f"it does not say how large its pixels are, and of each scan the central "
            f"{settings.levelling.side_nm:g} nm are used: give the instrument's own file"
        )
    return _finish(level(values, settings.percentiles, settings.levelling.steps), settings.size_px).image


def prepare_heights(
    height_nm: NDArray[Any], pixel_size_nm: tuple[float, float], settings: PrepareParams
) -> tuple[Image8, float]:
    """Cut the centred square out of a scan by physical size, level it, and resize it.

    Parameters
    ----------
    height_nm : numpy.ndarray
        Heights in nm, shape (rows, columns), finite.
    pixel_size_nm : tuple of float
        Width (x) and height (y) of a pixel in nm.
    settings : PrepareParams
        Section `prepare` of params.yaml.

    Returns
    -------
    tuple
        Image, uint8, shape (S, S), and the width in nm of its pixels, which are square.

    Raises
    ------
    UserError
        The scan is smaller than the settings ask for.
    """
    square = centred_square(height_nm.shape, pixel_size_nm, settings.levelling.side_nm)
    levelled = level(square.cover(height_nm), settings.percentiles, settings.levelling.steps)
    return resize_area(levelled, settings.size_px, square.within), square.side_nm / settings.size_px


def _from_heights(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Prepared]:
    """Level chunk by chunk; each chunk opens the map anew, so that pages already read leave memory."""
    path, hashes = raw / HEIGHTS, manifest["source_sha256"].tolist()
    count, rows, columns = open_heights(path, len(manifest)).shape
    step = max(1, _CHUNK_VALUES // (rows * columns))
    sizes = manifest["pixel_size_nm"].tolist()
    for start in range(0, count, step):
        heights = open_heights(path, count)[start : start + step]
        check_heights(path, heights, hashes[start : start + step], start)
        if settings.levelling.side_nm is None:
            images = level(heights, settings.percentiles, settings.levelling.steps)
            yield from (_finish(image, settings.size_px) for image in images)
        else:
            for height_nm, size in zip(heights, sizes[start : start + step], strict=True):
                yield _finish_scan(height_nm, (size, size), settings)


def _from_files(raw: Path, manifest: pd.DataFrame, settings: PrepareParams) -> Iterator[_Prepared]:
    """Decode on threads, since PIL frees the interpreter while it decodes; chunks keep memory flat."""

    def prepare_one(image_id: str, sha256: str | None) -> _Prepared:
        path = raw / PICTURES / image_id
        content = read_file(path, sha256)
        try:
            return _prepare_one(content, image_id, settings)
        except (PictureError, ScanError) as error:
            raise UserError(f"{path}: {error}; run the ingest stage again") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    image_ids = manifest["image_id"].tolist()
    copied = manifest["source"] != "archive"  # whose pictures were turned to grey
    hashes = manifest["source_sha256"].astype(object).where(copied, None).tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(image_ids), _CHUNK_PICTURES):
            end = start + _CHUNK_PICTURES
            yield from pool.map(prepare_one, image_ids[start:end], hashes[start:end])


def _prepare_one(content: bytes, name: str, settings: PrepareParams) -> _Prepared:
    if is_scan(name):
        scan = decode_scan(content, name)
        return _finish_scan(scan.height_nm, scan.pixel_size_nm, settings)
    picture = decode_picture(content, Path(name).suffix)
    return _finish(picture_to_uint8(picture, settings.percentiles), settings.size_px)


def _finish_scan(
    height_nm: NDArray[Any], pixel_size_nm: tuple[float, float], settings: PrepareParams
) -> _Prepared:
    image, prepared_nm = prepare_heights(height_nm, pixel_size_nm, settings)
    return _Prepared(image, sha256_array(image), prepared_nm / pixel_size_nm[0])


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
