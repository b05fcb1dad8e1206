"""Decoding a user's pictures: PNG, TIFF, JPEG and NPY to one grey channel."""

import math
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tmdscope.dataset import tiff
from tmdscope.dataset.tiff import PictureError as PictureError
from tmdscope.limits import MAX_CHUNKS, MAX_JPEG_SCANS, MAX_PICTURE_BYTES, MAX_PIXELS
from tmdscope.scan.read.formats import recognise

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")
"""File names that a folder may hold, in lower case."""

_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "F"}
_FORMATS = ("PNG", "TIFF", "JPEG")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_OLD_EXIF, _OLD_EXIF_CHARACTERS = "Raw profile type exif", 1 << 16

_EIGHT_BITS, _DEEP_GREY, _DEEP_COLOURS = 24, 64, 112
"""Bytes a pixel that decoding and levelling take at most, with all copies (`ru_maxrss` at 4096 x 4096)."""


def decode_picture(content: bytes, suffix: str) -> NDArray[Any]:
    """Decode a picture to grey values, shape (rows, columns), finite, upright (Exif), the lowest value black.

    uint8 where the file holds 8 bits; any other real type is kept (luma of deeper colours: float64).
    Transparency is dropped. An instrument's file is refused: its picture is but a preview of its heights.
    """
    form = recognise(content)
    if form is not None:
        raise PictureError(f"it is an instrument's file ({form.title}), not a picture: give it as a scan")
    if suffix.lower() not in SUFFIXES:
        raise PictureError(f"its ending {suffix!r} is none of {', '.join(SUFFIXES)}")
    grey = _decode_npy(content) if suffix.lower() == ".npy" else _decode_image(content)
    if grey.ndim != 2 or min(grey.shape) < 2:
        raise PictureError(f"it has shape {grey.shape}; expected (rows, columns), at least 2 x 2")
    if not np.isfinite(grey).all():
        raise PictureError("it holds NaN or infinite values; fill or crop them")
    return grey


def memory_of(content: bytes, suffix: str) -> int:
    """Bytes, copies included, that a picture takes until it is an image; 0 where it will be refused."""
    try:
        if suffix.lower() == ".npy":
            array = decode_array(content)
            deep, colours, pixels = array.dtype.itemsize > 1, False, array.size
        elif content.startswith(tiff.STARTS):
            tags = tiff.read_tags(content)
            rows, columns = tags.size
            tile = tags.number(tiff.TILE_HEIGHT, 1) * tags.number(tiff.TILE_WIDTH, 1)
            deep, colours, pixels = not tags.is_plain, tags.samples > 1, max(rows * columns, tile)
        else:
            with Image.open(BytesIO(content), formats=_FORMATS) as image:
                deep = image.format == "PNG" and content[24] == 16
                colours, pixels = image.mode not in _DEEP_MODES, image.width * image.height
    except Exception:  # it will be told when it is decoded
        return 0
    each = _EIGHT_BITS if not deep else _DEEP_COLOURS if colours else _DEEP_GREY
    return min(pixels, MAX_PIXELS) * each


def _decode_image(content: bytes) -> NDArray[Any]:
    try:
        if content.startswith(tiff.STARTS):
            tags = tiff.read_tags(content)
            _refuse_size(tags.pictures, tags.size)
            if (packed := tags.number(tiff.COMPRESSION, 1)) not in tiff.COMPRESSIONS:
                raise PictureError(f"its compression {packed} is not read; use LZW, deflate or none")
            if not tags.is_plain:
                grey = _grey(tiff.read_deep(content, tags, 2 * MAX_PICTURE_BYTES))
                return tiff.turn(grey, tags.number(tiff.ORIENTATION, 1))
            tags.places(0)
        return _decode_by_pil(content)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("it is not a PNG, TIFF or JPEG that can be read") from error
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(str(error))) from error
    except Exception as error:  # damaged pictures make decoders raise nearly anything
        raise PictureError(f"it does not decode: {error}; it may be truncated") from error


def _decode_by_pil(content: bytes) -> NDArray[Any]:
    _refuse_parts(content)
    with Image.open(BytesIO(content), formats=_FORMATS) as image:
        _refuse_size(getattr(image, "n_frames", 1), (image.height, image.width))
        if image.mode not in _EIGHT_BIT_MODES | _DEEP_MODES:
            raise PictureError(f"its colour mode {image.mode!r} is not supported; save it as grey or RGB")
        tiff.check_tags(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
        if len(image.info.get(_OLD_EXIF, "")) > _OLD_EXIF_CHARACTERS:
            raise PictureError("its Exif is larger than that of any camera; save it without")
        if image.format == "PNG" and content[24] == 16 and image.mode not in _DEEP_MODES:
            values = _decode_deep_png(content)
            return tiff.turn(values, image.getexif().get(tiff.ORIENTATION, 1))
        if image.mode in ("P", "PA") and image.palette is None:
            raise PictureError("its pixels are numbers of colours, but it holds no palette; save it anew")
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert("L") if image.mode in _EIGHT_BIT_MODES else upright)


def _decode_deep_png(content: bytes) -> NDArray[Any]:
    """Decode colours or transparency of 16 bits, of which PIL keeps 8."""
    import torch  # slow to import, and such files are rare
    from torchvision.io import ImageReadMode, decode_png

    try:
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        values = decode_png(data, ImageReadMode.UNCHANGED).numpy()
    except RuntimeError as error:
        raise PictureError("it does not decode as PNG of 16 bits; it may be truncated") from error
    return _grey(values[0] if len(values) < 3 else np.moveaxis(values[:3], 0, -1))


def _grey(colours: NDArray[Any]) -> NDArray[Any]:
    """Turn RGB of any type to grey by ITU-R 601-2, as PIL does 8 bits; grey saved as RGB stays as it is."""
    if colours.ndim == 2:
        return colours
    if colours.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))
    red, green, blue = np.moveaxis(colours, -1, 0)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.asarray(red)
    grey: NDArray[np.float64] = 0.299 * red.astype(np.float64)
    grey += 0.587 * green.astype(np.float64)
    grey += 0.114 * blue.astype(np.float64)
    return grey


def _refuse_parts(content: bytes) -> None:
    """Refuse a picture in so many parts that going through them takes long for its size."""
    if content.startswith(_JPEG) and (scans := content.count(b"\xff\xda")) > MAX_JPEG_SCANS:
        raise PictureError(f"it is a JPEG of {scans} scans, at most {MAX_JPEG_SCANS} are read: save it anew")
    if content.startswith(_PNG):
        place = len(_PNG)
        for _ in range(MAX_CHUNKS):
            place += 12 + int.from_bytes(content[place : place + 4], "big")
            if place >= len(content):
                return
        raise PictureError(f"it is a PNG of more than {MAX_CHUNKS} chunks: save it anew")


def _refuse_size(frames: int, size: tuple[int, int]) -> None:
    if frames > 1:
        raise PictureError(f"it is a stack of {frames} pictures; save each as its own file")
    if size[0] * size[1] > MAX_PIXELS:
        raise PictureError(_too_large(f"{size[1]} x {size[0]} pixels"))


def decode_array(content: bytes) -> NDArray[Any]:
    """Decode an NPY file of real numbers to a read-only array, as its bytes lie in the file."""
    stream = BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _READ_HEADER:
            raise ValueError(f"its version is {version}")
        shape, by_columns, dtype = _READ_HEADER[version](stream)
        if dtype.hasobject or dtype.kind not in "buif" or dtype.subdtype is not None:
            raise PictureError("it must hold one array of real numbers, without objects")
        if (size := math.prod(shape) * dtype.itemsize) != len(content) - stream.tell():
            raise ValueError(f"{dtype} of shape {shape} are {size} bytes, not {len(content) - stream.tell()}")
        array = np.frombuffer(content, dtype, offset=stream.tell())
        return array.reshape(shape, order="F" if by_columns else "C")
    except PictureError:
        raise
    except Exception as error:  # damaged headers make numpy raise nearly anything
        raise PictureError(f"it does not load as one array (NPY) without objects: {error}") from error


_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _decode_npy(content: bytes) -> NDArray[Any]:
    array = decode_array(content)
    if array.size > MAX_PIXELS:
        raise PictureError(_too_large(f"shape {array.shape}"))
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[-1] in (3, 4):
        return np.asarray(Image.fromarray(array).convert("L"))
    return array.astype(np.uint8) * np.uint8(255) if array.dtype.kind == "b" else array


def _too_large(what: str) -> str:
    return f"it is too large ({what}); at most {MAX_PIXELS} pixels are decoded: crop or shrink it"
