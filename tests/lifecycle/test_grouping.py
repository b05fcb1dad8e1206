"""`tmdscope init` of scans: one channel, one way, one size of a sample, each place once; the rest is kept."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.scan.read.files import gsf, nanoscope, nid
from tmdscope.cli import app
from tmdscope.dataset.folder import ingest_folder
from tmdscope.lifecycle.grouping import choose_scans
from tmdscope.scan.surface import correlated_field

RUNNER = CliRunner()
PX = 48


def place(number: int) -> np.ndarray:
    """The surface at one place, heights in nm."""
    return 5 * correlated_field(PX, 3.0, np.random.default_rng(number)).astype(float)


def noisy(heights: np.ndarray, seed: int) -> np.ndarray:
    """The same place, scanned again: other noise and slope, two pixels of drift."""
    rng = np.random.default_rng(seed)
    slope = np.add.outer(rng.normal() * np.arange(PX), rng.normal() * np.arange(PX))
    return np.roll(heights, 2, axis=0) + 0.3 * rng.normal(size=heights.shape) + slope


def rows_of(*paths: str, sample: str = "w1") -> list[dict[str, str]]:
    return [{"path": path, "sample_id": sample, "label": "MoS2"} for path in paths]


def taken(folder: Path, rows: list[dict[str, str]]) -> tuple[list[str], dict[str, str]]:
    """Paths that are proposed, and why the other files are not."""
    found = choose_scans(folder, rows)
    kept = [row["path"] for row in found.rows]
    return kept, {row["path"]: row["why"] for row in found.others if row["path"] not in kept}


def test_a_place_is_proposed_once(tmp_path: Path) -> None:
    for number, heights in enumerate([place(1), noisy(place(1), 5), place(2)]):
        (tmp_path / f"a.00{number}").write_bytes(nanoscope(heights))
    kept, why = taken(tmp_path, rows_of("a.000", "a.001", "a.002"))
    assert kept == ["a.000", "a.002"]
    assert why == {"a.001": "the same place as a.000"}


def test_of_a_place_the_scan_without_a_warning_is_proposed(tmp_path: Path) -> None:
    cut = np.minimum(place(1), np.quantile(place(1), 0.9))
    (tmp_path / "a.000").write_bytes(nanoscope(cut))
    (tmp_path / "a.001").write_bytes(nanoscope(place(1)))
    assert taken(tmp_path, rows_of("a.000", "a.001"))[0] == ["a.001"]


def test_places_of_a_lattice_are_alike_and_all_proposed(tmp_path: Path) -> None:
    wave = np.sin(2 * np.pi * np.arange(PX) / 6)
    lattice = np.add.outer(wave, wave)
    for number, shift in enumerate([0, 6]):
        (tmp_path / f"a.00{number}").write_bytes(nanoscope(5 * np.roll(lattice, shift, 0)))
    assert taken(tmp_path, rows_of("a.000", "a.001"))[1] == {}


@pytest.mark.parametrize(
    ("there", "back"),
    [("w1_fwd.gsf", "w1_bwd.gsf"), ("w1 Trace.gsf", "w1 Retrace.gsf"), ("forward/1.gsf", "backward/1.gsf")],
)
def test_the_way_there_goes_before_the_way_back(tmp_path: Path, there: str, back: str) -> None:
    for number, path in enumerate((there, back)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(gsf(place(number), 1000, 1000))
    assert taken(tmp_path, rows_of(back, there)) == ([there], {back: f"the way back of {there}"})
    assert taken(tmp_path, rows_of(back)) == ([back], {})


def test_of_a_sample_the_size_that_most_samples_have_is_proposed(tmp_path: Path) -> None:
    sizes = {"a": (1000, 5000), "b": (1004, 5000), "c": (2000, 20_000), "d": (5000,), "e": (1000,)}
    rows = []
    for seed, (sample, widths) in enumerate(sizes.items()):
        for width in widths:
            name = f"{sample}_{width}.gsf"
            (tmp_path / name).write_bytes(gsf(place(100 * seed + width), width, width))
            rows += rows_of(name, sample=sample)
    kept, why = taken(tmp_path, rows)
    assert kept == ["a_1000.gsf", "b_1004.gsf", "c_2000.gsf", "d_5000.gsf", "e_1000.gsf"]
    assert why["a_5000.gsf"] == "another size than is proposed of this sample: 1000 nm"
    assert (
        "differ in size: 1000 nm (2), 1004 nm (1), 2000 nm (1), 5000 nm (1)"
        in choose_scans(tmp_path, rows).told[-1]
    )


def test_pictures_and_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", place(1))
    np.save(tmp_path / "b.npy", place(1))
    found = choose_scans(tmp_path, rows_of("a.npy", "b.npy"))
    assert (found.rows, found.others, found.told) == (rows_of("a.npy", "b.npy"), [], [])


def test_both_files_are_written_and_the_first_is_what_ingest_takes(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    for number in range(8):
        material, sample = ("MoS2", "WS2")[number // 4], f"w{number // 2}"
        heights = place(number - number % 4 // 3)  # the last of each class repeats the one before
        (user / f"{material}_{sample}_{number}.nid").write_bytes(nid(heights, 1000, 1000))
    before = {path.name: path.read_bytes() for path in user.iterdir()}
    (tmp_path / "params.yaml").write_text("")
    command = ["init", str(user), "--sample", "_(w[0-9])", "--yes", "--params", str(tmp_path / "params.yaml")]
    made = RUNNER.invoke(app, command)
    assert made.exit_code == 0, made.output
    assert "left for later, 2 files: the same place as another scan of their sample" in made.output
    assert {name: (user / name).read_bytes() for name in before} == before
    table = ingest_folder(user, "manifest.csv", ["MoS2", "WS2"], None)
    assert table["repeat"].tolist() == [1, 2, 1, 1, 2, 1]
    assert set(table["scan_size_nm"]) == {1000}
    with (user / "manifest_others.csv").open() as others:
        assert [row["path"] for row in csv.DictReader(others)] == ["MoS2_w1_3.nid", "WS2_w3_7.nid"]
    (user / "manifest.csv").unlink()
    again = RUNNER.invoke(app, command)
    assert again.exit_code == 1
    assert "manifest_others.csv is there already and stays as it is" in again.output
