"""Heights come from stored maps and from files of instruments, of the square that an image shows."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.scan.read.files import nanoscope
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, read_manifest, write_manifest
from tmdscope.errors import UserError
from tmdscope.files import sha256_array

MAPS = np.random.default_rng(3).normal(size=(5, 16, 16)).astype(np.float32)


def write_raw(
    raw: Path, image_ids: list[str], pixel_nm: list[float | None], sha256: list[str] | None = None
) -> Path:
    raw.mkdir(exist_ok=True)
    manifest = pd.DataFrame(
        {
            "image_id": image_ids,
            "sample_id": image_ids,
            "label": "MoS2",
            "pixel_size_nm": np.array(pixel_nm, dtype=float),
            "source": "folder",
            "source_sha256": sha256 or "0" * 64,
            "kind": ["scan" if name.endswith(".spm") else "picture" for name in image_ids],
        }
    )
    write_manifest(raw / MANIFEST, manifest, RAW_SCHEMA)
    return raw


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    raw = write_raw(
        tmp_path / "raw",
        [f"i{n}" for n in range(5)],
        [2.0, None, 2.0, 4.0, 2.0],
        list(map(sha256_array, MAPS)),
    )
    np.save(raw / HEIGHTS, MAPS)
    return raw


def heights_of(raw: Path, side_nm: float | None) -> Heights | None:
    return Heights.of(raw, read_manifest(raw / MANIFEST, RAW_SCHEMA), side_nm)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    content = nanoscope(MAPS[0][:12], width_nm=160, height_of_frame_nm=60)
    hashes = [hashlib.sha256(content).hexdigest(), "0" * 64]
    raw = write_raw(tmp_path / "raw", ["a/1.spm", "b.png"], [None, None], hashes)
    (raw / PICTURES / "a").mkdir(parents=True)
    (raw / PICTURES / "a" / "1.spm").write_bytes(content)
    return raw


def test_stored_maps_are_read_part_by_part(stored: Path) -> None:
    found = heights_of(stored, None)
    assert found is not None
    last = list(found.part(1, 5).part(1, 4).read())
    assert [pixel for _, pixel in (one for one in last if one)] == [(2.0, 2.0), (4.0, 4.0), (2.0, 2.0)]
    for one, expected in zip(last, MAPS[2:], strict=True):
        assert one is not None
        np.testing.assert_array_equal(one[0], expected)


def test_a_map_of_unknown_size_is_left_out(stored: Path) -> None:
    found = heights_of(stored, None)
    assert found is not None
    assert [one is None for one in found.read()] == [False, True, False, False, False]


def test_the_centre_is_cut_out_by_physical_size(stored: Path) -> None:
    found = heights_of(stored, 16.0)
    assert found is not None
    maps = list(found.read())
    assert maps[0] is not None
    assert maps[3] is not None
    np.testing.assert_array_equal(maps[0][0], MAPS[0][4:12, 4:12])
    np.testing.assert_array_equal(maps[3][0], MAPS[3][6:10, 6:10])


def test_files_of_instruments_say_their_own_pixel_sizes(files: Path) -> None:
    found = heights_of(files, None)
    assert found is not None
    scan, picture = found.read()
    assert picture is None
    assert scan is not None
    assert scan[1] == pytest.approx((10.0, 5.0))
    assert scan[0].shape == (12, 6)  # the largest square: 60 nm
    assert scan[0] == pytest.approx(MAPS[0][:12, 5:11], abs=0.2)


def test_pictures_alone_have_no_heights(tmp_path: Path) -> None:
    assert heights_of(write_raw(tmp_path / "raw", ["a.png"], [None]), None) is None


def test_a_file_that_is_gone_or_too_small_is_named(files: Path) -> None:
    small = heights_of(files, 100.0)
    assert small is not None
    with pytest.raises(UserError, match=r"smaller than prepare\.levelling\.crop_nm"):
        list(small.read())
    (files / PICTURES / "a" / "1.spm").unlink()
    gone = heights_of(files, None)
    assert gone is not None
    with pytest.raises(UserError, match=r"1\.spm cannot be read .*No such file"):
        list(gone.read())


@pytest.mark.parametrize("damage", ["shuffled", "NaN", "float64", "too few"])
def test_maps_are_those_of_their_rows(stored: Path, damage: str) -> None:
    found = heights_of(stored, None)
    assert found is not None
    maps = MAPS[::-1].copy() if damage == "shuffled" else MAPS.copy()
    maps[1, 2, 3] = np.nan if damage == "NaN" else maps[1, 2, 3]
    np.save(
        stored / HEIGHTS,
        maps.astype(np.float64) if damage == "float64" else maps[: 5 - (damage == "too few")],
    )
    with pytest.raises(
        UserError, match=r"heights\.npy (is not of manifest|holds (values that are not|float))"
    ):
        list(found.read())


def test_a_file_is_that_of_its_row(files: Path) -> None:
    found = heights_of(files, None)
    assert found is not None
    (files / PICTURES / "a" / "1.spm").write_bytes(nanoscope(MAPS[1][:12], width_nm=160))
    with pytest.raises(UserError, match=r"1\.spm is not the file that manifest\.parquet names"):
        list(found.read())


def test_heights_are_those_that_the_images_were_made_from(stored: Path) -> None:
    manifest = read_manifest(stored / MANIFEST, RAW_SCHEMA)
    with pytest.raises(UserError, match="not what the prepared images were made from"):
        Heights.of(stored, manifest.assign(source_sha256="1" * 64), None)
