"""Every depth, sign, order of bytes, compression and meaning of a TIFF gives the values that went in."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.dataset.tiffs import COMPRESSIONS, write_tiff
from tmdscope.dataset import pictures
from tmdscope.dataset.pictures import PictureError, decode_picture
from tmdscope.dataset.tiff import turn

DEEP = ["u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
SHAPE = (7, 11)
LUMA = np.array([0.299, 0.587, 0.114])


def values_of(kind: str, *samples: int) -> NDArray[Any]:
    """Values over the whole range of a type."""
    rng, shape = np.random.default_rng(1), (*SHAPE, *samples)
    if kind[0] == "f":
        return (rng.normal(0, 100, shape)).astype(kind)
    limits = np.iinfo(kind)
    found = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    found.flat[:2] = limits.min, limits.max
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", DEEP)
def test_grey_of_every_depth(kind: str, compression: str, order: str) -> None:
    values = values_of(kind)
    found = decode_picture(write_tiff(values, order=order, compression=compression), ".tif")
    assert found.dtype == np.dtype(kind)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("kind", ["u1", "u2", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize(
    "layout",
    [
        {"tile": 16},
        {"tile": 16, "compression": "lzw"},
        {"tile": 16, "compression": "deflate", "predictor": 2},
        {"compression": "lzw", "predictor": 2},
        {"compression": "deflate", "predictor": 2, "order": ">"},
        {"big": True},
        {"big": True, "order": ">", "compression": "lzw"},
        {"rows_per_strip": 100},
        {"photometric": None},
    ],
    ids=str,
)
def test_grey_of_every_layout(kind: str, layout: dict[str, Any]) -> None:
    values = values_of(kind)
    np.testing.assert_array_equal(decode_picture(write_tiff(values, **layout), ".tif"), values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("samples", [(), (3,)])
def test_the_predictor_of_floating_point_numbers(kind: str, order: str, samples: tuple[int, ...]) -> None:
    values = values_of(kind, *samples)
    content = write_tiff(
        values, 2 if samples else 1, compression="deflate", predictor=3, order=order, rows_per_strip=3
    )
    expected = values.astype(float) @ LUMA if samples else values
    np.testing.assert_allclose(decode_picture(content, ".tif"), expected, rtol=1e-12)


@pytest.mark.parametrize("tile", [8, 16])
def test_tiles_smaller_than_the_picture(tile: int) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (40, 37, 3), dtype=np.uint16)
    for layout in ({}, {"compression": "deflate", "predictor": 2}):
        content = write_tiff(values, 2, tile=16 * (tile // 8), **layout)
        np.testing.assert_allclose(decode_picture(content, ".tif"), values @ LUMA, rtol=1e-12)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("kind", ["u2", "u4", "i2", "f4", "f8"])
@pytest.mark.parametrize("compression", ["none", "lzw"])
def test_colours_become_luma_in_full_depth(kind: str, samples: int, planar: int, compression: str) -> None:
    values = values_of(kind, samples)
    found = decode_picture(write_tiff(values, 2, planar=planar, compression=compression), ".tif")
    np.testing.assert_allclose(found, values[..., :3].astype(float) @ LUMA, rtol=1e-9)


@pytest.mark.parametrize("kind", ["u2", "i2", "f4"])
@pytest.mark.parametrize("planar", [1, 2])
def test_transparency_is_dropped(kind: str, planar: int) -> None:
    values = values_of(kind, 2)
    np.testing.assert_array_equal(decode_picture(write_tiff(values, planar=planar), ".tif"), values[..., 0])


def test_grey_saved_as_colours_stays_as_it_is() -> None:
    grey = values_of("u2")
    found = decode_picture(write_tiff(np.dstack([grey] * 3), 2), ".tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, grey)


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", "i2", "i4"])
@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("samples", [(), (2,)])
def test_where_white_is_zero_the_lowest_value_is_black(
    kind: str, compression: str, samples: tuple[int, ...]
) -> None:
    values = values_of(kind, *samples)
    grey = values[..., 0] if samples else values
    limits = np.iinfo(kind)
    expected = [[limits.max - int(value) + limits.min for value in row] for row in grey.tolist()]
    found = decode_picture(write_tiff(values, 0, compression=compression), ".tif")
    assert found.dtype == np.dtype(kind)
    assert found.tolist() == expected


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_bits_that_are_no_bytes(bits: int, photometric: int) -> None:
    values = np.random.default_rng(1).integers(0, 1 << bits, SHAPE, dtype=np.uint16)
    values[0, :2] = 0, (1 << bits) - 1
    expected = (1 << bits) - 1 - values if photometric == 0 else values
    if bits < 8:
        expected = expected * (255 // ((1 << bits) - 1))
    found = decode_picture(write_tiff(values, photometric, bits=bits), ".tif")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_eight_bits_stay_eight_bits(samples: int, planar: int, compression: str) -> None:
    values = values_of("u1", samples)
    photometric = 2 if samples > 2 else 1
    found = decode_picture(write_tiff(values, photometric, planar=planar, compression=compression), ".tif")
    assert found.dtype == np.uint8
    expected = values[..., :3] @ LUMA if samples > 2 else values[..., 0]
    np.testing.assert_allclose(found, expected, atol=1 if samples > 2 else 0)


@pytest.mark.parametrize("kind", ["u1", "u2", "f8"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_as_it_is_to_be_seen(orientation: int, kind: str) -> None:
    upright = values_of(kind)
    content = write_tiff(stored_as(upright, orientation), orientation=orientation)
    np.testing.assert_array_equal(decode_picture(content, ".tif"), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "PNG of 16 bits"])
def test_exif_says_how_a_picture_is_to_be_seen(orientation: int, kind: str) -> None:
    deep = kind.endswith("bits")
    upright = np.add.outer(np.arange(16) * 9, np.arange(24) * 4).astype(np.uint16 if deep else np.uint8)
    exif, stream = Image.Exif(), BytesIO()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(stored_as(upright, orientation)))
    stored.save(stream, kind.split()[0], exif=exif, **({"quality": 100} if kind == "JPEG" else {}))
    found = decode_picture(stream.getvalue(), ".jpg" if kind == "JPEG" else ".png")
    assert found.shape == upright.shape
    np.testing.assert_allclose(found.astype(int), upright, atol=2 if kind == "JPEG" else 0)


def stored_as(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """TIFF 6.0, page 36: which side of what is seen the first stored row and column are."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]


def test_an_orientation_that_is_none_turns_nothing() -> None:
    assert turn(values_of("u2"), 77).tolist() == values_of("u2").tolist()


def test_other_peoples_files_are_read() -> None:
    for kind in DEEP:
        stream = BytesIO()
        tifffile.imwrite(stream, values_of(kind), compression="zlib", byteorder=">", photometric="minisblack")
        np.testing.assert_array_equal(decode_picture(stream.getvalue(), ".tif"), values_of(kind))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (write_tiff(values_of("f4"), 0), "means nothing for floating-point"),
        (write_tiff(values_of("u2"), 3), "a palette of 16 bits"),
        (write_tiff(values_of("u2", 4), 5), "CMYK of 16 bits"),
        (write_tiff(values_of("u2", 3), 1), "it has 3 channels"),
        (write_tiff(values_of("u2", 4), 2, extra=1), "transparency is multiplied into"),
        (write_tiff(values_of("f4"), t339=6), "complex"),
        (write_tiff(values_of("u4"), t258=24), "unsigned numbers of 24 bits"),
        (write_tiff(values_of("u2"), t259=7), "its compression 7 is not read for 16 bits"),
        (write_tiff(values_of("u2"), t266=2), "not read for 16 bits"),
        (write_tiff(values_of("u2"), compression="lzw", t317=9), "its predictor 9"),
        (write_tiff(values_of("u2"), t256=0), "too large or empty"),
        (write_tiff(values_of("u2"), t257=1 << 26), "too large"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(content: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        decode_picture(content, ".tif")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["u1", "u2", "f8"])
def test_a_tiff_that_is_cut_is_refused(kind: str, compression: str) -> None:
    whole = write_tiff(values_of(kind), compression=compression)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(PictureError):
            decode_picture(whole[: int(share * len(whole))], ".tif")
    strip = write_tiff(values_of(kind), compression=compression, t257=50)  # more rows than strips
    with pytest.raises(PictureError):
        decode_picture(strip, ".tif")


def test_stacks_and_bombs_of_every_depth_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((3, *SHAPE)), photometric="minisblack")
    with pytest.raises(PictureError, match="stack of 3 pictures"):
        decode_picture(stream.getvalue(), ".tif")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 76)
    with pytest.raises(PictureError, match="too large"):
        decode_picture(write_tiff(values_of("f8")), ".tif")
