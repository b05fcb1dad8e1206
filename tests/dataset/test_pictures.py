"""Pictures of every supported kind decode to known grey values; everything else says what is wrong."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tmdscope.dataset import pictures
from tmdscope.dataset.pictures import PictureError, decode_picture

GREY = np.random.default_rng(1).integers(0, 256, (40, 30), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def npy(array: Any) -> bytes:
    stream = BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".png", encode(Image.fromarray(GREY), "PNG")),
        (".PNG", encode(Image.fromarray(GREY), "PNG", optimize=True)),
        (".tif", encode(Image.fromarray(GREY), "TIFF")),
        (".tiff", encode(Image.fromarray(GREY), "TIFF", compression="tiff_deflate")),
        (".npy", npy(GREY)),
    ],
)
def test_eight_bit_grey_stays_as_it_is(suffix: str, content: bytes) -> None:
    decoded = decode_picture(content, suffix)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, GREY)


def test_jpeg_is_near() -> None:
    flat = np.full((16, 16), 77, np.uint8)
    decoded = decode_picture(encode(Image.fromarray(flat), "JPEG", quality=95), ".jpg")
    assert np.abs(decoded.astype(int) - 77).max() <= 1


@pytest.mark.parametrize("kind", ["RGB PNG", "RGBA PNG", "RGB NPY", "RGBA NPY", "palette PNG"])
def test_colours_become_luma_and_transparency_is_dropped(kind: str) -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [200, 100, 50]]], np.uint8)
    clear = np.dstack([colours, np.array([[0, 50], [100, 255]], np.uint8)])
    array = clear if kind.startswith("RGBA") else colours
    image = Image.fromarray(array).convert("P", palette=Image.Palette.ADAPTIVE)
    content = {"PNG": encode(Image.fromarray(array), "PNG"), "NPY": npy(array)}[kind.split()[1]]
    decoded = decode_picture(encode(image, "PNG") if kind == "palette PNG" else content, f".{kind[-3:]}")
    np.testing.assert_allclose(decoded, colours @ np.array([0.299, 0.587, 0.114]), atol=1)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_deep_values_are_kept(dtype: type, suffix: str) -> None:
    values = (np.arange(12).reshape(3, 4) * 500).astype(dtype)
    content = npy(values) if suffix == ".npy" else encode(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(decode_picture(content, suffix), values)


def test_sixteen_bit_png_is_kept() -> None:
    values = np.array([[0, 1], [300, 65535]], np.uint16)
    np.testing.assert_array_equal(decode_picture(encode(Image.fromarray(values), "PNG"), ".png"), values)


def png_of_16_bits(values: Any, colour_type: int) -> bytes:
    """PNG by hand (ISO 15948): PIL writes no colours of 16 bits."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows, columns = values.shape[:2]
    head = struct.pack(">IIBBBBB", columns, rows, 16, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png_of_every_kind_keeps_all_bits(colour_type: int, samples: int) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (5, 7, samples), dtype=np.uint16)
    expected = values[..., :3] @ np.array([0.299, 0.587, 0.114]) if samples > 2 else values[..., 0]
    content = png_of_16_bits(values, colour_type)
    np.testing.assert_allclose(decode_picture(content, ".png"), expected, rtol=1e-12)
    with pytest.raises(PictureError, match="does not decode"):
        decode_picture(content[: len(content) * 2 // 3], ".png")


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_black_and_white_spans_the_range(suffix: str) -> None:
    mask = np.eye(4, dtype=bool)
    content = npy(mask) if suffix == ".npy" else encode(Image.fromarray(mask), "PNG")
    np.testing.assert_array_equal(decode_picture(content, suffix), mask * 255)


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("PNG", ".png", {}),
        ("JPEG", ".jpg", {}),
        ("TIFF", ".tif", {}),
        ("TIFF", ".tif", {"compression": "tiff_lzw"}),
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused_not_padded(
    kind: str, suffix: str, options: dict[str, Any], share: float
) -> None:
    content = encode(Image.fromarray(GREY), kind, **options)
    with pytest.raises(PictureError, match=r"does not decode|not a PNG"):
        decode_picture(content[: int(len(content) * share)], suffix)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@given(
    st.binary(max_size=300), st.sampled_from(pictures.SUFFIXES), st.sampled_from(["", "PNG", "TIFF", "NPY"])
)
def test_garbage_is_refused_and_never_crashes(tail: bytes, suffix: str, head: str) -> None:
    heads = {"": b"", "PNG": b"\x89PNG\r\n\x1a\n", "TIFF": b"II*\0\x08\0\0\0", "NPY": b"\x93NUMPY\x01\0"}
    with pytest.raises(PictureError):
        decode_picture(heads[head] + tail, suffix)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_a_stack_is_refused(kind: str) -> None:
    image = Image.fromarray(GREY)
    content = encode(image, kind, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    with pytest.raises(PictureError, match="stack of 2 pictures"):
        decode_picture(content, ".png" if kind == "PNG" else ".tif")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((2, 3, 4, 5)), "shape"),
        (np.zeros((4, 5, 3)), "shape"),
        (np.zeros((1, 9)), "at least 2 x 2"),
        (np.zeros((0, 4)), "at least 2 x 2"),
        (np.array([[0.0, np.nan], [1.0, 2.0]]), "NaN"),
        (np.array([[0.0, np.inf], [1.0, 2.0]]), "infinite"),
        (np.zeros((2, 2), complex), "real numbers"),
        (np.array([["a", "b"]] * 2), "real numbers"),
        (np.array([[{}, {}]] * 2), "without objects"),
    ],
    ids=["line", "4D", "float colours", "one row", "empty", "NaN", "infinite", "complex", "text", "pickled"],
)
def test_an_array_that_is_no_picture_is_refused(array: Any, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        decode_picture(npy(array), ".npy")


def test_an_archive_of_arrays_is_refused() -> None:
    stream = BytesIO()
    np.savez(stream, a=GREY)
    with pytest.raises(PictureError, match="one array"):
        decode_picture(stream.getvalue(), ".npy")


def test_nan_in_a_float_tiff_is_refused() -> None:
    with pytest.raises(PictureError, match="NaN"):
        decode_picture(encode(Image.fromarray(np.full((3, 3), np.nan, np.float32)), "TIFF"), ".tif")


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_a_decompression_bomb_is_refused(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", GREY.size - 1)
    content = npy(GREY) if suffix == ".npy" else encode(Image.fromarray(GREY), "PNG")
    with pytest.raises(PictureError, match="too large"):
        decode_picture(content, suffix)


def test_a_true_bomb_is_refused_before_it_is_decoded() -> None:
    content = encode(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(content) < 100_000
    with pytest.raises(PictureError, match="too large"):
        decode_picture(content, ".png")


@pytest.mark.parametrize("suffix", [".bmp", "", ".spm"])
def test_an_unknown_ending_is_refused(suffix: str) -> None:
    with pytest.raises(PictureError, match=r"none of \.png"):
        decode_picture(encode(Image.fromarray(GREY), "PNG"), suffix)


def test_an_unknown_colour_mode_is_refused() -> None:
    with pytest.raises(PictureError, match="colour mode 'LAB'"):
        decode_picture(encode(Image.new("LAB", (4, 4)), "TIFF"), ".tif")


def test_a_palette_png_without_its_palette_is_refused() -> None:
    whole = encode(Image.new("P", (4, 4)), "PNG")
    start = whole.index(b"PLTE") - 4
    length = int.from_bytes(whole[start : start + 4], "big") + 12
    with pytest.raises(PictureError, match="no palette"):
        decode_picture(whole[:start] + whole[start + length :], ".png")
