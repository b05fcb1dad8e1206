"""One height map through every door gives one image, whatever its shape, its pixels and the settings."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.dataset.test_prepare import raw_manifest
from tests.scan.read.files import nanoscope
from tmdscope.dataset.content import read_content
from tmdscope.dataset.folder import ingest_folder
from tmdscope.dataset.prepare import level_square, prepare, prepare_content, prepare_scan
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, write_manifest
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.params.images import LevellingParams, PrepareParams
from tmdscope.scan.level import level, resize_area, to_uint8
from tmdscope.scan.read.read import decode_file

WHOLE = PrepareParams(size_px=16, percentiles=[0.5, 99.5])


def npy(values: NDArray[np.generic]) -> bytes:
    stream = BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def tiff(values: NDArray[np.float32]) -> bytes:
    stream = BytesIO()
    Image.fromarray(values).save(stream, "TIFF")
    return stream.getvalue()


def surface(rows: int, columns: int, seed: int = 1) -> NDArray[np.float32]:
    """Rough, tilted, and higher on one side than in the middle."""
    rng = np.random.default_rng(seed)
    heights = (
        rng.normal(size=(rows, columns)) + 0.3 * np.arange(columns) + 5 * (np.arange(columns) > columns * 0.8)
    )
    return heights.astype(np.float32)


def through_a_folder(
    folder: Path, name: str, content: bytes, size_nm: float, own: PrepareParams
) -> NDArray[np.uint8]:
    """As ingest and prepare do it; a second class is there as a study needs one."""
    user, raw = folder / "user", folder / "raw"
    user.mkdir(parents=True)
    (user / name).write_bytes(content)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(user / "b.png")
    (user / "m.csv").write_text(f"path,sample_id,material,pixel_size_nm\n{name},1,A,{size_nm}\nb.png,2,B,\n")
    manifest = ingest_folder(user, "m.csv", ["A", "B"], raw / PICTURES)
    write_manifest(raw / MANIFEST, manifest, RAW_SCHEMA)
    return prepare(raw, folder / "prepared", own).images[0]


def through_the_store(
    folder: Path, heights: NDArray[np.float32], size_nm: float, own: PrepareParams
) -> NDArray[np.uint8]:
    """As the simulator's heights are prepared."""
    raw = folder / "stored"
    raw.mkdir(parents=True)
    np.save(raw / HEIGHTS, heights[None])
    facts = {"pixel_size_nm": size_nm, "source_sha256": sha256_array(heights)}
    write_manifest(raw / MANIFEST, raw_manifest(["a"]).assign(**facts), RAW_SCHEMA)
    return prepare(raw, folder / "from-store", own).images[0]


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (24, 48), (48, 25), (33, 32)])
@pytest.mark.parametrize("crop_nm", ["whole", 77.0])
def test_one_height_map_gives_one_image_through_every_door(
    tmp_path: Path, rows: int, columns: int, crop_nm: float | str
) -> None:
    steps = ["plane", "scars", "row_medians"]
    own = WHOLE.model_copy(update={"levelling": LevellingParams(crop_nm=crop_nm, steps=steps)})
    spm = nanoscope(surface(rows, columns), width_nm=5.0 * columns, height_of_frame_nm=5.0 * rows)
    heights, size = decode_file(spm, "a").scan.height_nm, 5.0
    expected = prepare_scan(heights, (size, size), own).image
    doors = {
        "npy in predict": prepare_content(npy(heights), "a.npy", own, pixel_size_nm=size).image,
        "scan in predict": prepare_content(spm, "a.spm", own).image,
        "double in predict": prepare_content(npy(heights.astype(float)), "a.npy", own, None, size).image,
        "told in predict": prepare_content(npy(heights), "a.npy", own, True, size).image,
        "tiff in predict": prepare_content(tiff(heights), "a.tif", own, pixel_size_nm=size).image,
        "npy in a study": through_a_folder(tmp_path / "1", "a.npy", npy(heights), size, own),
        "tiff in a study": through_a_folder(tmp_path / "2", "a.tiff", tiff(heights), size, own),
        "scan in a study": through_a_folder(tmp_path / "3", "a.spm", spm, "", own),
        "the simulator's": through_the_store(tmp_path, heights, size, own),
    }
    levelled, square = level_square(heights, (size, size), own)  # as `tmdscope inspect` shows it
    doors["inspect"] = resize_area(to_uint8(levelled), own.size_px, square.within)
    for door, image in doors.items():
        np.testing.assert_array_equal(image, expected, err_msg=door)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(8, 40),
    columns=st.integers(8, 40),
    pixel=st.tuples(st.floats(0.5, 20), st.floats(0.5, 20)),
    share=st.floats(0.3, 1),
    seed=st.integers(0, 1000),
)
def test_what_lies_outside_the_square_changes_nothing(
    rows: int, columns: int, pixel: tuple[float, float], share: float, seed: int
) -> None:
    heights = surface(rows, columns, seed)
    own = WHOLE.cropped_to(share * min(columns * pixel[0], rows * pixel[1]))
    found = prepare_scan(heights, pixel, own)
    image, prepared_nm = found.image, found.width_nm / own.size_px
    assert prepared_nm == pytest.approx(own.levelling.side_nm / own.size_px, rel=1e-5)
    _, square = level_square(heights, pixel, own)
    outside = np.ones(heights.shape, bool)
    square.cover(outside)[:] = False
    np.testing.assert_array_equal(prepare_scan(np.where(outside, 1e4, heights), pixel, own).image, image)


def test_square_heights_become_what_they_always_became() -> None:
    heights = np.stack([surface(96, 96, seed) for seed in range(5)])
    own = PrepareParams(size_px=48, percentiles=[0.5, 99.5])
    before = resize_area(level(heights, own.percentiles), 48)
    for one, expected in zip(heights, before, strict=True):
        np.testing.assert_array_equal(prepare_scan(one, (7.3, 7.3), own).image, expected)


@pytest.mark.parametrize(
    ("values", "told", "kind"),
    [
        (np.zeros((4, 4), np.float32), None, "heights"),
        (np.zeros((4, 4), np.float64), None, "heights"),
        (np.zeros((4, 4), np.float64), False, "picture"),
        (np.zeros((4, 4), np.int16), None, "picture"),
        (np.zeros((4, 4), np.int16), True, "heights"),
        (np.zeros((4, 4), np.uint8), None, "picture"),
    ],
)
def test_floats_are_heights_unless_told_otherwise(
    values: NDArray[np.generic], told: bool | None, kind: str
) -> None:
    assert read_content(npy(values), "a.npy", told).kind == kind


def test_heights_that_no_instrument_reaches_are_refused() -> None:
    with pytest.raises(UserError, match=r"heights of 1e\+300 nm"):
        read_content(npy(np.full((4, 4), 1e300)), "a.npy")


def test_the_manifest_says_how_a_file_was_taken_and_may_be_told(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    heights = surface(20, 30)
    for name, values in {
        "a.npy": heights,
        "b.npy": heights,
        "c.npy": (heights * 100).astype(np.int32),
    }.items():
        np.save(user / name, values)
    (user / "d.spm").write_bytes(nanoscope(heights))
    rows = "a.npy,1,A,\nb.npy,1,A,picture\nc.npy,1,A,heights\nd.spm,2,B,\n"
    (user / "m.csv").write_text("path,sample_id,material,kind\n" + rows)
    found = ingest_folder(user, "m.csv", ["A", "B"], tmp_path / "copies")
    assert found["kind"].tolist() == ["heights", "picture", "heights", "scan"]
    (user / "m.csv").write_text(
        "path,sample_id,material,kind\n" + rows.replace("d.spm,2,B,", "d.spm,2,B,map")
    )
    with pytest.raises(UserError, match="line 5: kind 'map' is none of heights, picture"):
        ingest_folder(user, "m.csv", ["A", "B"], None)


def test_a_deep_pictures_grey_scale_is_that_of_the_part_shown() -> None:
    values = np.tile(np.arange(16, dtype=np.uint16) * 100, (16, 1))
    wide = np.concatenate(
        [np.full((16, 8), 60000, np.uint16), values, np.full((16, 8), 60000, np.uint16)], axis=1
    )
    np.testing.assert_array_equal(
        prepare_content(npy(wide), "a.npy", WHOLE).image, prepare_content(npy(values), "a.npy", WHOLE).image
    )
