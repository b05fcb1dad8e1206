"""An interrupted training is gone on with only where everything that decides its result is the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.support.cohorts import make_cohort
from tmdscope.jobs import training
from tmdscope.jobs.images import sequential
from tmdscope.layout import MAIN
from tmdscope.learn.resume import Resume
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams
from tmdscope.params.reading import read_params
from tmdscope.studies.tmd_materials.study import STUDY
from tmdscope.tracking.provenance import provenance

ROOT = Path(__file__).parents[3]
EXPERIMENT = "features-multiclass"
FEATURES = MAIN.features / "resnet18-simulated" / "features.npy"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as far as an attempt looks at it."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, lambda content: None)
    for path in (FEATURES, MAIN.pretrained, MAIN.split):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    return tmp_path


def write_params(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = read_params(ROOT / "params.yaml")
    for entry in (content["experiments"][EXPERIMENT], content["sequential"]["training"]):
        entry.update(architecture="resnet18", weights="simulated")
    change(content)
    YAML(typ="safe").dump(content, folder / "params.yaml")


def open_sequential() -> Resume:
    classes = tuple(STUDY.section("data", DataParams).classes)
    cohort = make_cohort(None, ["1"], np.array([0]), classes)
    return sequential.sequences_of(STUDY, cohort).open_attempt()


def open_crossval() -> Resume:
    params = STUDY.section(f"experiments.{EXPERIMENT}", ExperimentParams)
    tags = provenance("study", "ab" * 32, params.model_dump(mode="json"))
    return training.open_attempt(STUDY, EXPERIMENT, params, tags, STUDY.section("data", DataParams).classes)


def reorder(content: dict[str, Any]) -> None:
    content["data"]["classes"].reverse()


def rescore(content: dict[str, Any]) -> None:
    content["scoring"]["bootstrap"] += 1


def level_otherwise(content: dict[str, Any]) -> None:
    content["prepare"]["percentiles"] = [5, 95]


BOTH = [open_sequential, open_crossval]


@pytest.mark.parametrize("open_attempt", BOTH)
def test_the_same_study_goes_on(project: Path, open_attempt: Callable[[], Resume]) -> None:
    first, again = open_attempt(), open_attempt()
    assert again.begun
    assert again.attempt == first.attempt


@pytest.mark.parametrize("open_attempt", BOTH)
def test_another_order_of_the_classes_begins_anew(project: Path, open_attempt: Callable[[], Resume]) -> None:
    first = open_attempt()
    write_params(project, reorder)
    other = open_attempt()
    assert not other.begun
    assert other.abandoned == first.attempt


@pytest.mark.parametrize("open_attempt", BOTH)
@pytest.mark.parametrize("path", [FEATURES, MAIN.pretrained, MAIN.split], ids=lambda path: path.name)
def test_other_inputs_begin_anew(project: Path, open_attempt: Callable[[], Resume], path: Path) -> None:
    first = open_attempt()
    path.write_text("2")
    assert open_attempt().abandoned == first.attempt


@pytest.mark.parametrize("change", [rescore, level_otherwise])
def test_what_ended_stages_keep_decides_too(project: Path, change: Callable[[dict[str, Any]], None]) -> None:
    first = open_sequential()
    write_params(project, change)
    assert open_sequential().abandoned == first.attempt
