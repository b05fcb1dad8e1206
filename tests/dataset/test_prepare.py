"""Heights and pictures end as the same kind of data set, with duplicates and pixel sizes known."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.scan.read.files import nanoscope
from tmdscope.dataset import prepare as prepare_module
from tmdscope.dataset.prepare import picture_to_uint8, prepare
from tmdscope.dataset.store import HEIGHTS, MANIFEST, PICTURES, RAW_SCHEMA, Dataset, write_manifest
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.params.images import LevellingParams, PrepareParams
from tmdscope.processes import Part, Result, stream_parts
from tmdscope.scan.level import level, resize_area
from tmdscope.scan.read.read import decode_file

SETTINGS = PrepareParams(size_px=16, percentiles=[1.0, 99.0])


def raw_manifest(image_ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": image_ids,
            "sample_id": [f"s{n}" for n in range(len(image_ids))],
            "label": "MoS2",
            "pixel_size_nm": [2.0, *[None] * (len(image_ids) - 1)],
            "source": "folder",
            "source_sha256": "0" * 64,
            "true_height": np.arange(float(len(image_ids))),
        }
    )


def write_raw(raw: Path, manifest: pd.DataFrame) -> None:
    """Write the manifest of what is in the folder, with the hash of each map or file that is there."""
    if (raw / HEIGHTS).exists():
        hashes = [sha256_array(one) for one in np.load(raw / HEIGHTS)]
    else:
        paths = [raw / PICTURES / name for name in manifest["image_id"]]
        hashes = [
            hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "0" * 64 for path in paths
        ]
    write_manifest(raw / MANIFEST, manifest.assign(source_sha256=hashes), RAW_SCHEMA)


def write_heights(raw: Path, count: int = 7) -> NDArray[np.float32]:
    heights = np.random.default_rng(1).normal(size=(count, 32, 32)).astype(np.float32)
    heights[-1] = heights[1]
    raw.mkdir()
    np.save(raw / HEIGHTS, heights)
    write_raw(raw, raw_manifest([f"i{n}" for n in range(count)]))
    return heights


def test_heights_are_levelled_and_resized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heights = write_heights(tmp_path / "raw")
    monkeypatch.setattr(prepare_module, "_CHUNK_VALUES", 3 * 32 * 32)
    dataset = prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)
    np.testing.assert_array_equal(dataset.images, resize_area(level(heights, [1.0, 99.0]), 16))
    assert dataset.manifest["image_sha256"].tolist() == [sha256_array(image) for image in dataset.images]
    assert dataset.manifest["duplicate_of"].dropna().to_dict() == {6: "i1"}
    assert dataset.manifest["pixel_size_nm"].tolist()[0] == 4.0
    assert dataset.manifest["pixel_size_nm"].isna().sum() == 6
    assert dataset.manifest["true_height"].tolist() == list(range(7))
    assert Dataset.load(tmp_path / "prepared").digest == dataset.digest


def test_many_heights_are_prepared_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights, parts = write_heights(tmp_path / "raw", 13), []

    def streamed(work: Callable[[Part], Result], chunks: Iterable[Part]) -> Iterator[Result]:
        parts.extend(chunks)
        return stream_parts(work, parts)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(prepare_module, "_CHUNK_MAPS", 1)
    monkeypatch.setattr(prepare_module, "stream_parts", streamed)
    dataset = prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)
    np.testing.assert_array_equal(dataset.images, resize_area(level(heights, [1.0, 99.0]), 16))
    assert len(parts) == 13
    np.save(tmp_path / "raw" / HEIGHTS, heights[::-1])
    with pytest.raises(UserError, match=r"heights\.npy is not of"):
        prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)


def test_pictures_keep_their_order_whatever_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_module, "_CHUNK_PICTURES", 2)
    folder = tmp_path / "raw" / PICTURES / "sub"
    folder.mkdir(parents=True)
    ramp = np.tile(np.arange(48, dtype=np.uint8), (32, 1))
    Image.fromarray(ramp).save(folder / "wide.png")
    np.save(folder / "deep.npy", ramp.astype(np.float32) * 1e-9)
    Image.fromarray(np.dstack([ramp] * 3)).save(folder / "colour.tif")
    names = ["sub/wide.png", "sub/deep.npy", "sub/colour.tif"]
    write_raw(tmp_path / "raw", raw_manifest(names))
    dataset = prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)
    middle = ramp[:, 8:40].reshape(16, 2, 16, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(dataset.images[0], np.rint(middle))
    np.testing.assert_array_equal(dataset.images[2], dataset.images[0])
    assert dataset.manifest["duplicate_of"].tolist()[2] == "sub/wide.png"
    assert dataset.images[1].max() > 200
    assert dataset.manifest["pixel_size_nm"].tolist()[0] == 4.0


def test_deep_pictures_are_mapped_between_the_percentiles() -> None:
    values = np.arange(101, dtype=np.uint16).reshape(1, 101) * 600
    grey = picture_to_uint8(values, [10, 90])
    assert (grey[0, :11] == 0).all()
    assert (grey[0, 90:] == 255).all()
    assert grey[0, 50] in (127, 128)


def test_eight_bit_pictures_stay_as_they_are() -> None:
    values = np.array([[3, 4], [5, 200]], np.uint8)
    np.testing.assert_array_equal(picture_to_uint8(values, [10, 90]), values)


def test_heights_and_rows_must_agree(tmp_path: Path) -> None:
    write_heights(tmp_path / "raw")
    np.save(tmp_path / "raw" / HEIGHTS, np.zeros((3, 4, 4), np.float32))
    with pytest.raises(
        UserError,
        match=r"heights\.npy holds float32 of shape \(3, 4, 4\), expected float32 of shape 7 x any x any",
    ):
        prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize("damage", ["missing", "changed", "garbage"])
def test_a_lost_picture_is_named(tmp_path: Path, damage: str) -> None:
    raw = tmp_path / "data" / "raw"
    (raw / PICTURES).mkdir(parents=True)
    if damage == "garbage":
        (raw / PICTURES / "a.png").write_bytes(b"no picture")
    write_raw(raw, raw_manifest(["a.png"]))
    if damage == "changed":
        (raw / PICTURES / "a.png").write_bytes(b"another")
    with pytest.raises(UserError, match=r"a\.png.*(run the ingest stage again|dvc repro --force ingest)"):
        prepare(raw, tmp_path / "prepared", SETTINGS)


@pytest.mark.parametrize("damage", ["NaN", "shuffled"])
def test_heights_are_those_of_their_rows(tmp_path: Path, damage: str) -> None:
    heights = write_heights(tmp_path / "raw")
    if damage == "NaN":
        heights[3, 4, 5] = np.nan
    np.save(tmp_path / "raw" / HEIGHTS, heights if damage == "NaN" else heights[::-1])
    with pytest.raises(
        UserError, match=r"heights\.npy (holds values that are not finite, first in row 3|is not of)"
    ):
        prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)


def test_nothing_ingested_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.parquet does not exist"):
        prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)


def test_scans_pictures_and_their_pixels(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / PICTURES
    folder.mkdir(parents=True)
    height = np.random.default_rng(4).uniform(-20, 20, (32, 64))
    (folder / "a.spm").write_bytes(nanoscope(height, width_nm=640.0, height_of_frame_nm=640.0))
    Image.fromarray(np.tile(np.arange(32, dtype=np.uint8), (32, 1))).save(folder / "b.png")
    manifest = raw_manifest(["a.spm", "b.png"]).assign(pixel_size_nm=[10.0, None])
    write_raw(tmp_path / "raw", manifest)
    dataset = prepare(tmp_path / "raw", tmp_path / "prepared", SETTINGS)
    scan = decode_file((folder / "a.spm").read_bytes(), "a").scan
    levelled = level(scan.height_nm, SETTINGS.percentiles).astype(float)
    blocks = levelled.reshape(16, 2, 16, 4).mean(axis=(1, 3))  # pixels twice as high as wide
    np.testing.assert_allclose(dataset.images[0], blocks, atol=0.51)
    assert dataset.manifest["pixel_size_nm"].tolist()[0] == pytest.approx(40.0)


def test_the_centre_is_cut_by_physical_size(tmp_path: Path) -> None:
    heights = write_heights(tmp_path / "raw")
    manifest = raw_manifest([f"i{n}" for n in range(7)]).assign(pixel_size_nm=2.0)
    write_raw(tmp_path / "raw", manifest)
    settings = SETTINGS.model_copy(update={"levelling": LevellingParams(crop_nm=32.0, steps=["plane"])})
    dataset = prepare(tmp_path / "raw", tmp_path / "prepared", settings)
    np.testing.assert_array_equal(dataset.images, level(heights[:, 8:24, 8:24], [1.0, 99.0], ["plane"]))
    assert dataset.manifest["pixel_size_nm"].tolist() == [2.0] * 7
    larger = SETTINGS.model_copy(update={"levelling": LevellingParams(crop_nm=65.0, steps=["plane"])})
    with pytest.raises(UserError, match=r"64 x 64 nm, smaller than prepare\.levelling\.crop_nm \(65\)"):
        prepare(tmp_path / "raw", tmp_path / "prepared", larger)


def test_settings_of_earlier_versions_level_as_they_did() -> None:
    earlier = PrepareParams.model_validate_json('{"size_px": 16, "percentiles": [1.0, 99.0]}')
    assert earlier.levelling == LevellingParams(crop_nm="whole", steps=["plane", "row_medians"])
