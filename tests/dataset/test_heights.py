"""Heights come from stored maps and from files of instruments, of the square that an image shows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.scan.read.files import nanoscope
from tmdscope.dataset.heights import Heights
from tmdscope.dataset.sources import HEIGHTS, PICTURES
from tmdscope.dataset.store import MANIFEST, RAW_SCHEMA, write_manifest
from tmdscope.scan.read.read import ScanError
from tmdscope.stage import UserError

MAPS = np.random.default_rng(3).normal(size=(5, 16, 16)).astype(np.float32)


def write_raw(raw: Path, image_ids: list[str], pixel_nm: list[float | None]) -> Path:
    raw.mkdir(exist_ok=True)
    manifest = pd.DataFrame(
        {
            "image_id": image_ids,
            "sample_id": image_ids,
            "material": "MoS2",
            "pixel_size_nm": np.array(pixel_nm, dtype=float),
            "source": "folder",
            "source_sha256": "0" * 64,
        }
    )
    write_manifest(raw / MANIFEST, manifest, RAW_SCHEMA)
    return raw


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    raw = write_raw(tmp_path / "raw", [f"i{n}" for n in range(5)], [2.0, None, 2.0, 4.0, 2.0])
    np.save(raw / HEIGHTS, MAPS)
    return raw


@pytest.fixture
def files(tmp_path: Path) -> Path:
    raw = write_raw(tmp_path / "raw", ["a/1.spm", "b.png"], [None, None])
    (raw / PICTURES / "a").mkdir(parents=True)
    (raw / PICTURES / "a" / "1.spm").write_bytes(nanoscope(MAPS[0][:12], width_nm=160, height_of_frame_nm=60))
    return raw


def test_stored_maps_are_read_part_by_part(stored: Path) -> None:
    found = Heights.of(stored, None)
    assert found is not None
    last = list(found.part(1, 5).part(1, 4).read())
    assert [pixel for _, pixel in (one for one in last if one)] == [(2.0, 2.0), (4.0, 4.0), (2.0, 2.0)]
    for one, expected in zip(last, MAPS[2:], strict=True):
        assert one is not None
        np.testing.assert_array_equal(one[0], expected)


def test_a_map_of_unknown_size_is_left_out(stored: Path) -> None:
    found = Heights.of(stored, None)
    assert found is not None
    assert [one is None for one in found.read()] == [False, True, False, False, False]


def test_the_centre_is_cut_out_by_physical_size(stored: Path) -> None:
    found = Heights.of(stored, 16.0)
    assert found is not None
    maps = list(found.read())
    assert maps[0] is not None
    assert maps[3] is not None
    np.testing.assert_array_equal(maps[0][0], MAPS[0][4:12, 4:12])
    np.testing.assert_array_equal(maps[3][0], MAPS[3][6:10, 6:10])


def test_files_of_instruments_say_their_own_pixel_sizes(files: Path) -> None:
    found = Heights.of(files, None)
    assert found is not None
    scan, picture = found.read()
    assert picture is None
    assert scan is not None
    assert scan[1] == pytest.approx((10.0, 5.0))
    assert scan[0].shape == (12, 6)  # the largest square: 60 nm
    assert scan[0] == pytest.approx(MAPS[0][:12, 5:11], abs=0.2)


def test_pictures_alone_have_no_heights(tmp_path: Path) -> None:
    assert Heights.of(write_raw(tmp_path / "raw", ["a.png"], [None]), None) is None


def test_a_file_that_is_gone_or_too_small_is_named(files: Path) -> None:
    small = Heights.of(files, 100.0)
    assert small is not None
    with pytest.raises(UserError, match=r"smaller than prepare\.levelling\.crop_nm"):
        list(small.read())
    (files / PICTURES / "a" / "1.spm").unlink()
    gone = Heights.of(files, None)
    assert gone is not None
    with pytest.raises(ScanError, match=r"1\.spm: No such file"):
        list(gone.read())
