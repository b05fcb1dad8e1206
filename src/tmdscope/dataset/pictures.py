"""Decoding a user's pictures: PNG, TIFF, JPEG and NPY to one grey channel."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tmdscope.dataset.tiff import ORIENTATION, STARTS, TiffError, read_deep, read_tags, turn
from tmdscope.limits import MAX_PICTURE_BYTES, MAX_PIXELS
from tmdscope.scan.read.formats import recognise
from tmdscope.stage import UserError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")
"""File names that a folder may hold, in lower case."""

_EIGHT_BIT_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "F"}
_DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError),
    *(ArithmeticError, LookupError, TypeError),
)


class PictureError(UserError):
    """A picture that cannot be used; the message says why and what to do."""


def decode_picture(content: bytes, suffix: str) -> NDArray[Any]:
    """Decode a picture to grey values.

    Parameters
    ----------
    content : bytes
        The whole file.
    suffix : str
        The ending of its name, one of `SUFFIXES` in any case.

    Returns
    -------
    numpy.ndarray
        Shape (rows, columns), finite, upright (Exif), the lowest value black. uint8 where the file holds 8
        bits, with colours turned to grey by PIL's ITU-R 601-2 luma and transparency dropped; any other real
        type is kept as it is (luma of deeper colours: float64), a picture whose values have no agreed scale.

    Raises
    ------
    PictureError
        Not a picture of a known format, truncated, too large, a stack, not two-dimensional, or not
        finite; or an instrument's file, whose picture is but a preview of its heights.
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


def _decode_image(content: bytes) -> NDArray[Any]:
    try:
        if content.startswith(STARTS):
            tags = read_tags(content)
            _refuse_size(tags.pictures, tags.size)
            if not tags.is_plain:
                return turn(
                    _grey(read_deep(content, tags, 2 * MAX_PICTURE_BYTES)), tags.number(ORIENTATION, 1)
                )
            tags.places(0)
        return _decode_by_pil(content)
    except TiffError as error:
        raise PictureError(str(error)) from error
    except UnidentifiedImageError as error:
        raise PictureError("it is not a PNG, TIFF or JPEG that can be read") from error
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(str(error))) from error
    except PictureError:
        raise
    except _DECODER_ERRORS as error:
        raise PictureError(f"it does not decode: {error}; it may be truncated") from error


def _decode_by_pil(content: bytes) -> NDArray[Any]:
    with Image.open(BytesIO(content), formats=("PNG", "TIFF", "JPEG")) as image:
        _refuse_unusable(image)
        if image.format == "PNG" and content[24] == 16 and image.mode not in _DEEP_MODES:
            values = _decode_deep_png(content)
            return turn(values, image.getexif().get(ORIENTATION, 1))
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


def _refuse_size(frames: int, size: tuple[int, int]) -> None:
    if frames > 1:
        raise PictureError(f"it is a stack of {frames} pictures; save each as its own file")
    if size[0] * size[1] > MAX_PIXELS:
        raise PictureError(_too_large(f"{size[1]} x {size[0]} pixels"))


def _refuse_unusable(image: Image.Image) -> None:
    _refuse_size(getattr(image, "n_frames", 1), (image.height, image.width))
    if image.mode not in _EIGHT_BIT_MODES | _DEEP_MODES:
        raise PictureError(f"its colour mode {image.mode!r} is not supported; save it as grey or RGB")


def _decode_npy(content: bytes) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(BytesIO(content), allow_pickle=False)
    except _DECODER_ERRORS as error:
        raise PictureError(f"it does not load as an NPY array without objects: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise PictureError("it must hold one array of real numbers")
    if array.size > MAX_PIXELS:
        raise PictureError(_too_large(f"shape {array.shape}"))
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[-1] in (3, 4):
        return np.asarray(Image.fromarray(array).convert("L"))
    return array.astype(np.uint8) * np.uint8(255) if array.dtype.kind == "b" else array


def _too_large(what: str) -> str:
    return f"it is too large ({what}); at most {MAX_PIXELS} pixels are decoded: crop or shrink it"
