"""Simulated scans that know their temperature: what they depend on, and what a model can tell of it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tmdscope.dataset.splits import outer_folds
from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.models.registry import fit_family
from tmdscope.params.common import ScoringParams
from tmdscope.params.families import SvcFamily
from tmdscope.params.images import DescribeParams
from tmdscope.params.reading import ParamsError, parse_section, read_section
from tmdscope.scores.cohort import Cohort
from tmdscope.search.framed import FramedSearch, Rows, Scale
from tmdscope.studies.growth_temperature.described import DESCRIPTORS, read_cohort
from tmdscope.studies.growth_temperature.params import SimulatedGrowthParams
from tmdscope.studies.growth_temperature.record import PREPARED
from tmdscope.studies.growth_temperature.simulate import simulate
from tmdscope.studies.growth_temperature.simulated import grow_sample, plan_growth
from tmdscope.studies.growth_temperature.sources import source_of
from tmdscope.studies.growth_temperature.study import STUDY

PARAMS = Path(__file__).parents[3] / "pipelines" / "growth_temperature" / "params.yaml"
DESCRIBE = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
SVC = SvcFamily(family="svc", power=1.0, l2=False, standardise=True, svc_c=3.0, gamma=1.0, balanced=False)


def settings(**changes) -> SimulatedGrowthParams:
    project = read_section("simulated", SimulatedGrowthParams, PARAMS)
    small = {"images": 40, "samples": 30, "size_px": 48, "frame_nm": 500.0}
    return project.model_copy(update={**small, **changes})


def grown(folder: Path, asked: SimulatedGrowthParams) -> Study:
    """Give the study on simulated scans, which lie in a folder."""
    study = source_of(STUDY.at(folder / "pipelines" / "growth_temperature" / "params.yaml"), "simulated")
    study.layout.tables.mkdir(parents=True)
    simulate(study.layout.tables, asked, "C", DESCRIBE)
    return study


def table_of(asked: SimulatedGrowthParams) -> pd.DataFrame:
    return pd.DataFrame([row for sample in plan_growth(asked) for row in grow_sample(sample)[0]])


def predicted(cohort: Cohort, folds: int = 5) -> np.ndarray:
    found = np.empty_like(cohort.targets)
    for seen, unseen in outer_folds(cohort.targets, cohort.sample_ids.tolist(), folds):
        fitted = fit_family(SVC, cohort.inputs[seen].astype(float), cohort.targets[seen], cohort.classes)
        found[unseen] = fitted.predict(cohort.inputs[unseen].astype(float))
    return found


def test_the_same_settings_give_the_same_images() -> None:
    one, other = plan_growth(settings()), plan_growth(settings())
    assert one == other
    np.testing.assert_array_equal(grow_sample(one[3])[1], grow_sample(other[3])[1])
    assert len({sample.plan.sample_id for sample in one}) == 30


def test_a_temperature_that_is_cut_off_leaves_no_trace_in_an_image() -> None:
    warm, cold = (
        plan_growth(settings(depends=False, temperatures=[level, 1100.0])) for level in (700.0, 1000.0)
    )
    for one, other in zip(warm[:4], cold[:4], strict=True):
        np.testing.assert_array_equal(grow_sample(one)[1], grow_sample(other)[1])
    depending = plan_growth(settings(temperatures=[700.0, 1100.0]))
    assert any(
        not np.array_equal(grow_sample(one)[1], grow_sample(other)[1])
        for one, other in zip(warm[:4], depending[:4], strict=True)
    )


def test_grains_get_fewer_with_temperature() -> None:
    table = table_of(settings(images=60, samples=60, spread=0.0))
    found = table.groupby("temperature")["true_grain_density_per_um2"].median()
    assert found[900] > found[950] > found[1000]


def test_a_source_has_images_descriptors_and_classes_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})  # samples grow in processes of their own
    study = grown(tmp_path, settings(temperatures=[900.0, 1000.0, 1050.5]))
    cohort, dataset = read_cohort(study), Dataset.load(study.layout.tables / PREPARED)
    assert cohort.classes == ("900 C", "1000 C", "1050.5 C")
    assert cohort.digest == dataset.digest
    assert cohort.features is not None
    assert cohort.features.shape[1] <= len(DESCRIPTORS)
    assert cohort.nuisance is not None
    assert list(cohort.nuisance) == ["time_min", "plane"]
    assert not (study.layout.tables / "raw").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperatures": [950.0, 900.0]}, "must rise"),
        ({"images": 25, "samples": 30}, "25 images cannot come from 30 samples"),
        ({"planes": ["m"]}, "planes"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message) -> None:
    content = {**settings().model_dump(mode="json"), **changes}
    with pytest.raises(ParamsError, match=message):
        parse_section("simulated", content, SimulatedGrowthParams, "here")


@pytest.mark.slow
def test_no_model_tells_a_temperature_that_images_do_not_depend_on(tmp_path: Path) -> None:
    """In 19 of 20 seeds at least, the interval of the gain over the majority holds 0."""
    scoring, fooled = ScoringParams(bootstrap=500, seed=1), 0
    for seed in range(20):
        asked = settings(images=45, samples=45, depends=False, seed=seed)
        cohort = read_cohort(grown(tmp_path / str(seed), asked))
        everything = np.arange(len(cohort))
        constant = np.full(len(cohort), cohort.task.naive(cohort.targets))
        gain = cohort.difference(everything, predicted(cohort), constant, scoring)
        low, _ = gain.bounds[cohort.task.plain.name]
        fooled += low > 0
    assert fooled <= 1


@pytest.mark.slow
def test_regression_recovers_the_temperature_better_than_the_constant(tmp_path: Path) -> None:
    """By at least 30 % at the project's own size of images, in fewer of them."""
    project = read_section("simulated", SimulatedGrowthParams, PARAMS)
    asked = project.model_copy(update={"images": 160, "samples": 160})
    cohort = read_cohort(grown(tmp_path, asked))
    scale = Scale(cohort.classes, (900.0, 950.0, 1000.0), (925.0, 975.0), "C")
    rows = Rows(cohort.inputs, cohort.targets, cohort.sample_ids)
    numbers, true = np.zeros(len(cohort)), scale.numbers(cohort.targets)
    for seen, unseen in outer_folds(cohort.targets, cohort.sample_ids.tolist(), 5):
        search = FramedSearch(None, "regression", scale, 3, 1)
        fitted = search.fit(SVC, rows.take(seen), 1)
        numbers[unseen] = search.predict(fitted, rows.features[unseen]).numbers
    assert np.sqrt(np.mean((numbers - true) ** 2)) < 0.7 * true.std()
