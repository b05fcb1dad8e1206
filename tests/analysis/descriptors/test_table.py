import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.analysis.descriptors.pictures import scan
from tmdscope.analysis.descriptors import table as tables
from tmdscope.analysis.descriptors.catalogue import BOUNDS, FILM, PAPER, PHYSICAL
from tmdscope.analysis.descriptors.films import describe_films
from tmdscope.analysis.descriptors.paper import describe_paper
from tmdscope.analysis.descriptors.physical import describe_physical
from tmdscope.analysis.descriptors.table import COLUMNS, Chunk, describe, describe_chunk
from tmdscope.dataset.heights import Heights
from tmdscope.files import sha256_array
from tmdscope.materials import MATERIALS
from tmdscope.params.images import DescribeParams
from tmdscope.processes import run_parts
from tmdscope.scan.level import level

SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
MAPS = np.stack([scan(name).scan.height_nm for name in MATERIALS])
PIXEL = scan(MATERIALS[0]).scan.pixel_size_nm
OF_HEIGHTS = [item.name for item in (*PHYSICAL, *FILM)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", level(MAPS, (0.5, 99.5)))
    return tmp_path / "images.npy"


@pytest.fixture
def heights(tmp_path: Path) -> Heights:
    np.save(tmp_path / "heights.npy", MAPS)
    images = pd.DataFrame({"source_sha256": list(map(sha256_array, MAPS)), "pixel_size_nm": PIXEL[0]})
    return Heights(tmp_path / "heights.npy", images, len(MAPS))


def test_every_row_has_every_family(images: Path, heights: Heights) -> None:
    table = describe(images, heights, SETTINGS)
    assert tuple(table.columns) == COLUMNS
    for row, (picture, height) in enumerate(zip(np.load(images), MAPS, strict=True)):
        expected = describe_paper(picture, SETTINGS) | describe_physical(height, PIXEL)
        expected |= describe_films(height, PIXEL)
        assert table.iloc[row].to_dict() == pytest.approx(expected, nan_ok=True)


def test_intervals_follow_where_they_are_asked_for(images: Path, heights: Heights) -> None:
    asked = SETTINGS.model_copy(update={"interval_scans": 40})
    sizes = [float("nan"), *heights.images["pixel_size_nm"][1:]]
    partly = replace(heights, images=heights.images.assign(pixel_size_nm=sizes))
    table = describe(images, partly, asked, lambda work, parts: list(map(work, parts)))
    assert tuple(table.columns) == (*COLUMNS, *BOUNDS)
    pd.testing.assert_frame_equal(table[list(COLUMNS)], describe(images, partly, SETTINGS))
    assert table["coverage_low"].notna().tolist() == [False, True, True, True, True]
    assert (table["coverage_low"] <= table["coverage_high"])[1:].all()
    assert tuple(describe(images, None, asked).columns) == COLUMNS


def test_without_heights_the_physical_family_is_not_known(images: Path) -> None:
    table = describe(images, None, SETTINGS)
    assert table[OF_HEIGHTS].isna().all(axis=None)
    assert table[[item.name for item in PAPER]].notna().all(axis=None)


def test_a_map_without_a_pixel_size_has_no_physical_descriptors(images: Path, heights: Heights) -> None:
    sizes = [float("nan"), *heights.images["pixel_size_nm"][1:]]
    partly = replace(heights, images=heights.images.assign(pixel_size_nm=sizes))
    known = describe(images, partly, SETTINGS)["coverage"].notna()
    assert known.tolist() == [False, True, True, True, True]


def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [item.name for item in PAPER]
    monkeypatch.setattr(tables, "describe_paper", lambda image, _: dict.fromkeys(names, float(image[0, 0])))
    peaks = []
    for count in (100, 100, 1500):  # the first fills caches
        array = np.random.default_rng(1).integers(0, 256, (count, 64, 64), np.uint8)
        np.save(tmp_path / "images.npy", array)
        tracemalloc.start()
        table = describe(tmp_path / "images.npy", None, SETTINGS, lambda work, parts: list(map(work, parts)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert table["grain_size"].tolist() == array[:, 0, 0].tolist()
    assert peaks[2] - peaks[1] < array.nbytes / 4  # the table, 24 numbers an image, is below


def test_chunks_in_processes_give_the_rows_of_one_chunk(images: Path, heights: Heights) -> None:
    chunks = [
        Chunk(images, heights.part(first, end), first, end, SETTINGS)
        for first, end in ((0, 2), (2, 3), (3, 5))
    ]
    whole = Chunk(images, heights, 0, 5, SETTINGS)
    apart = np.concatenate(run_parts(describe_chunk, chunks))
    assert np.array_equal(apart, describe_chunk(whole), equal_nan=True)
