"""The prepared data set survives a round trip; what does not fit is refused with its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.dataset.store import (
    IMAGES,
    MANIFEST,
    RAW_SCHEMA,
    SCHEMA,
    Dataset,
    classes_of,
    read_descriptors,
    read_manifest,
    two_class_samples,
    write_descriptors,
    write_manifest,
)
from tmdscope.errors import UserError
from tmdscope.files import open_array, sha256_array, write_array


def small_dataset(images: int = 6, size_px: int = 4) -> Dataset:
    pixels = np.random.default_rng(1).integers(0, 256, (images, size_px, size_px), dtype=np.uint8)
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(images)],
            "sample_id": [f"00{n // 2}" for n in range(images)],
            "label": ["WS2" if n // 2 % 2 else "MoS2" for n in range(images)],
            "pixel_size_nm": [None, *[2.5] * (images - 1)],
            "source": "simulated",
            "source_sha256": ["a" * 64] * images,
            "image_sha256": [sha256_array(image) for image in pixels],
            "duplicate_of": pd.Series([None] * images, dtype=str),
            "true_grains": np.arange(images, dtype=float),
        }
    )
    return Dataset(pixels, manifest)


def test_round_trip(tmp_path: Path) -> None:
    dataset = small_dataset()
    dataset.write(tmp_path / "prepared")
    loaded = Dataset.load(tmp_path / "prepared")
    np.testing.assert_array_equal(loaded.images, dataset.images)
    pd.testing.assert_frame_equal(loaded.manifest, dataset.manifest)
    assert loaded.digest == dataset.digest
    assert loaded.manifest["sample_id"].iloc[0] == "000"
    assert not loaded.images.flags.writeable
    assert isinstance(loaded.images, np.memmap)


def test_labels_follow_the_declared_order() -> None:
    dataset = small_dataset()
    assert dataset.classes == ("MoS2", "WS2")
    assert dataset.labels(["WS2", "other", "MoS2"]).tolist() == [2, 2, 0, 0, 2, 2]


def test_an_undeclared_material_has_no_label() -> None:
    with pytest.raises(UserError, match=r"'WS2'.*declare.*'MoWS2'"):
        small_dataset().labels(["MoS2", "MoWS2"])


def test_rows_of_images() -> None:
    assert small_dataset().rows(["i4", "i0"]).tolist() == [4, 0]
    with pytest.raises(UserError, match="no image 'gone'"):
        small_dataset().rows(["i4", "gone"])


def test_a_manifest_of_an_earlier_version_is_refused_with_the_stage_to_run(tmp_path: Path) -> None:
    path = tmp_path / "data" / "prepared" / MANIFEST
    path.parent.mkdir(parents=True)
    small_dataset().manifest.rename(columns={"label": "material"}).to_parquet(path)
    with pytest.raises(UserError, match=r"has no column 'label'"):
        read_manifest(path, SCHEMA)


@pytest.mark.parametrize("column", ["image_id", "image_sha256", "sample_id", "label"])
def test_the_digest_depends_on(column: str) -> None:
    dataset = small_dataset()
    changed = dataset.manifest.copy()
    changed.loc[3, column] = "b" * 64
    assert Dataset(dataset.images, changed).digest != dataset.digest


def test_classes_come_in_class_order_then_by_alphabet() -> None:
    assert classes_of(["steel", "Mo-WSe2", "MoS2", "brass", "MoS2"]) == ("MoS2", "Mo-WSe2", "brass", "steel")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("image_id", "i1"),
        ("image_id", ""),
        ("sample_id", "001"),
        ("label", ""),
        ("pixel_size_nm", -1.0),
        ("pixel_size_nm", np.inf),
        ("source_sha256", "A" * 64),
        ("image_sha256", "a" * 63),
        ("duplicate_of", "gone"),
    ],
)
def test_a_manifest_is_refused_on_write_and_on_read(tmp_path: Path, column: str, value: Any) -> None:
    manifest = small_dataset().manifest
    manifest.loc[0, column] = value
    with pytest.raises(UserError, match=r"manifest\.parquet breaks"):
        write_manifest(tmp_path / MANIFEST, manifest, SCHEMA)
    assert not (tmp_path / MANIFEST).exists()
    manifest.to_parquet(tmp_path / MANIFEST)
    with pytest.raises(UserError, match=r"manifest\.parquet breaks"):
        read_manifest(tmp_path / MANIFEST, SCHEMA)


def test_numbers_are_no_sample_ids(tmp_path: Path) -> None:
    manifest = small_dataset().manifest.assign(sample_id=[0, 0, 1, 1, 2, 2])
    with pytest.raises(UserError, match="sample_id"):
        write_manifest(tmp_path / MANIFEST, manifest, RAW_SCHEMA)


def test_two_class_samples_are_named() -> None:
    table = pd.DataFrame({"sample_id": ["1", "1", "01", "1"], "label": ["WS2", "MoS2", "MoS2", "WS2"]})
    assert two_class_samples(table) == {"1": ["MoS2", "WS2"]}


@pytest.mark.parametrize("name", [IMAGES, MANIFEST])
@pytest.mark.parametrize("damage", ["missing", "garbage", "cut"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    small_dataset().write(tmp_path)
    file = tmp_path / name
    content = {"missing": None, "garbage": b"no data", "cut": file.read_bytes()[:150]}[damage]
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}.*dvc repro"):
        Dataset.load(tmp_path)


def test_images_and_rows_must_belong_together(tmp_path: Path) -> None:
    small_dataset().write(tmp_path)
    np.save(tmp_path / IMAGES, small_dataset(5).images)
    with pytest.raises(
        UserError, match=r"images\.npy.*expected uint8 images of shape \(6, S, S\).*dvc repro"
    ):
        Dataset.load(tmp_path)


def test_images_are_those_of_their_rows(tmp_path: Path) -> None:
    small_dataset().write(tmp_path)
    np.save(tmp_path / IMAGES, small_dataset().images[::-1])
    with pytest.raises(UserError, match=r"images\.npy is not of manifest\.parquet .*row 0 is not image 'i0'"):
        Dataset.load(tmp_path)


@pytest.mark.parametrize(
    "damage", ["shuffled", "missing rows", "another id", "infinite", "text", "other data"]
)
def test_descriptors_are_of_the_images(tmp_path: Path, damage: str) -> None:
    manifest, path = small_dataset().manifest, tmp_path / "descriptors.parquet"
    table = pd.DataFrame({"grain_size": np.arange(6.0), "step_edges": [np.nan] * 6})
    write_descriptors(path, table, manifest)
    found = read_descriptors(path, manifest)
    assert found["grain_size"].to_dict() == {f"i{n}": float(n) for n in range(6)}
    assert list(found) == ["grain_size", "step_edges", "true_grains"]
    stored = pd.read_parquet(path)
    if damage == "shuffled":
        stored = stored[::-1]
    elif damage == "missing rows":
        stored = stored[:-1]
    elif damage == "another id":
        stored.loc[2, "image_id"] = "i1"
    elif damage == "infinite":
        stored.loc[2, "grain_size"] = np.inf
    elif damage == "text":
        stored["grain_size"] = "large"
    else:
        manifest = small_dataset(8).manifest
    stored.to_parquet(path, index=False)
    with pytest.raises(UserError, match=r"descriptors\.parquet .*dvc repro"):
        read_descriptors(path, manifest)


def test_pickled_objects_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / IMAGES, np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="NPY"):
        open_array(tmp_path / IMAGES)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_rows_are_written_as_numpy_would(tmp_path_factory: pytest.TempPathFactory, values: list[int]) -> None:
    array = np.array(values)[:, None, None] * np.ones((2, 3))
    path = tmp_path_factory.mktemp("array") / IMAGES
    write_array(path, iter(array), array.shape, np.float32)
    np.testing.assert_array_equal(np.load(path), array.astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((3, 2, 2), "2 rows written, expected 3"), ((2, 2, 3), "row 0 has shape")],
    ids=["too few", "misshapen"],
)
def test_rows_must_make_up_the_shape(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_array(tmp_path / IMAGES, iter(np.zeros((2, 2, 2))), shape, np.uint8)
