"""A user's own images as a source: any number of temperatures, and what is wrong with them is said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.dataset.zenodo_site import GROWTH_TEMPERATURE, growth_pictures, publish, zipped
from tests.studies.growth_temperature.test_study import write
from tests.support.web import serve
from tmdscope.dataset import zenodo
from tmdscope.errors import UserError
from tmdscope.jobs.check import check_study
from tmdscope.params.reading import read_params
from tmdscope.scores.levels import levels_of
from tmdscope.studies.growth_temperature.asked import Asked
from tmdscope.studies.growth_temperature.images import read_temperatures
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.studies.growth_temperature.study import STUDY

MANIFEST = pd.DataFrame(
    {
        "image_id": ["a", "b", "c"],
        "sample_id": ["1", "1", "2"],
        "growth_temperature_C": [900.0, 900.0, 950.0],
    }
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"growth_temperature_C": [900, 950, 950]}, "sample '1' has growth_temperature_C 900 and 950"),
        ({"growth_temperature_C": [900, 900, None]}, "image 'c' has no number as growth_temperature_C"),
        ({"growth_temperature_C": ["inf", 900, 950]}, "image 'a' has no number"),
        (
            {"growth_temperature_C": ["900", "900", "hot"]},
            r"growth_temperature_C \(it says 'hot'\): write one",
        ),
        (
            {"growth_temperature_C": [900, 900, -300]},
            "image 'c' has growth_temperature_C -300.*absolute zero",
        ),
        ({"growth_temperature_C": [900, 900, 900]}, "nothing to tell apart"),
        ({"growth_temperature_K": [1, 1, 2]}, "one column growth_temperature_UNIT"),
    ],
)
def test_temperatures_that_cannot_be_are_refused(changes, message) -> None:
    with pytest.raises(UserError, match=message):
        read_temperatures(MANIFEST.assign(**changes), "C")


def test_a_unit_is_the_columns() -> None:
    named = MANIFEST.rename(columns={"growth_temperature_C": "growth_temperature_K"})
    assert read_temperatures(named, "K").tolist() == [900, 900, 950]
    with pytest.raises(UserError, match=r"growth_temperature_K is in K, framing\.unit is C"):
        read_temperatures(named, "C")


def test_simulated_temperatures_are_told_in_the_unit_asked_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = STUDY.at(write(Path(), framing={"unit": "K", "edges": [1200, 1250]}))
    assert "16 sections" in check_study(study)
    study.job("simulate")(study)
    cohort = study.cohort(source_of(study, "simulated"))
    assert levels_of(cohort.classes).numbers == (1173.15, 1223.15, 1273.15)


def test_fewer_samples_than_folds_are_refused_with_the_setting(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "mine", [900, 950])
    asked = read_params(write(Path()))["images"]
    asked |= {"source": "folder", "folder": {"path": "mine", "manifest": "manifest.csv"}}
    asked["prepare"] |= {"size_px": 32}
    study = STUDY.at(write(Path(), images=asked, framing={"unit": "C", "edges": []}))
    study.job("images")(study)
    own = source_of(study, "images")
    with pytest.raises(UserError, match=r"models\.outer_folds is 3, but there are 2 samples.*bring more"):
        Asked(own, study.cohort(own))


def folder_of(path: Path, temperatures: list[float]) -> None:
    rng, rows = np.random.default_rng(1), []
    path.mkdir(parents=True)
    for number, value in enumerate(temperatures):
        name = f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32)).astype(np.uint8)).save(path / name)
        rows.append({"path": name, "sample_id": f"S{number}", "growth_temperature_C": value})
    pd.DataFrame(rows).to_csv(path / "manifest.csv", index=False)


def test_a_folder_with_more_temperatures_needs_edges_of_its_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "mine", [800, 850.5, 900, 1000] * 5)
    asked = read_params(write(Path()))["images"]
    asked |= {"source": "folder", "folder": {"path": "mine", "manifest": "manifest.csv"}}
    asked["prepare"] |= {"size_px": 32}
    study = STUDY.at(write(Path(), images=asked))
    study.job("images")(study)
    own = source_of(study, "images")
    cohort = study.cohort(own)
    assert levels_of(cohort.classes).numbers == (800, 850.5, 900, 1000)
    with pytest.raises(UserError, match=r"edges \[925\.0, 975\.0\] do not part the temperatures 800, 850\.5"):
        Asked(own, cohort)
    midway = STUDY.at(write(Path(), images=asked, framing={"unit": "C", "edges": []}))
    assert Asked(source_of(midway, "images"), cohort).scale.edges == (825.25, 875.25, 950)


def test_the_archives_images_are_brought_with_their_temperatures(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(zenodo.FOLDER_VARIABLE, str(tmp_path / "cache"))
    asked = read_params(write(Path()))["images"] | {"source": "archive"}
    asked["prepare"] |= {"size_px": 32}
    study = STUDY.at(write(Path(), images=asked))
    grown = {str(20000 + number): ("900", "950", "1000.0")[number % 3] for number in range(12)}
    with serve() as site:
        monkeypatch.setenv(zenodo.SERVER_VARIABLE, site.url)
        publish(site, GROWTH_TEMPERATURE, {"all.zip": zipped(growth_pictures(grown, size=40))})
        study.job("images")(study)
    own = source_of(study, "images")
    work = Asked(own, study.cohort(own))
    assert levels_of(work.cohort.classes).numbers == (900, 950, 1000)
    assert dict(zip(work.cohort.sample_ids, work.cohort.label_names, strict=True)) == {
        sample: f"{float(text):g} C" for sample, text in grown.items()
    }
