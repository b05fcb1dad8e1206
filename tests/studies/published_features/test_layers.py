"""Carried folds start from the layers of the fold before, fresh ones do not, and what that adds is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.support.cohorts import make_cohort
from tmdscope.dataset.splits import FoldParts, make_split
from tmdscope.learn import crossval
from tmdscope.learn.crossval import FoldResult
from tmdscope.learn.recorder import Silent
from tmdscope.learn.together import VARIABLE
from tmdscope.models.mlp import Mlp
from tmdscope.params.reading import ParamsError, parse_section, read_section
from tmdscope.scores.cohort import Cohort
from tmdscope.studies.published_features.layers import (
    SERIES,
    CarriedLayers,
    Series,
    compare,
    fold_scores,
    run_series,
)
from tmdscope.studies.published_features.params import CarryoverParams
from tmdscope.studies.published_features.tables import read_tables

PARAMS = CarryoverParams(
    enabled=True,
    seeds=[1],
    hidden=[16, 8],
    epochs=3,
    batch_size=8,
    learning_rate=0.01,
    dropout=0.0,
    checkpoint="last",
    early_stopping=0,
)
HIDDEN = ("0.weight", "0.bias", "2.weight", "2.bias")
LAST = ("5.weight", "5.bias")
PUBLISHED = Path(__file__).parents[3] / "pipelines" / "published_features" / "params.yaml"

Weights = dict[str, Tensor]


def weights(model: nn.Module) -> Weights:
    return {name: value.clone() for name, value in model.state_dict().items()}


def alike(one: Weights, other: Weights, names: tuple[str, ...]) -> list[bool]:
    return [torch.equal(one[name], other[name]) for name in names]


class Ends(Silent):
    """Remembers the weights that every fold ended with."""

    def __init__(self) -> None:
        self.weights: list[Weights] = []

    def finish(self, scores: Mapping[str, float], model: nn.Module | None) -> None:
        assert model is not None
        self.weights.append(weights(model))


def noise() -> Cohort:
    """Random features and labels: nothing can be learnt but the images themselves."""
    rng = np.random.default_rng(7)
    samples = np.array([f"S{k:03d}" for k in range(60)])
    features = rng.normal(size=(60, 6)).astype(np.float32)
    return make_cohort(features, samples, rng.integers(0, 2, 60), ("a", "b"))


def thirds() -> list[FoldParts]:
    rows = np.arange(60)
    test, rest = rows[:12], rows[12:]
    return [FoldParts(rest[rest % 3 != k], rest[rest % 3 == k], test) for k in range(3)]


def run(series: Series, params: CarryoverParams = PARAMS, recorder: Silent | None = None) -> list[FoldResult]:
    return run_series(series, 1, noise(), thirds(), params, recorder or Silent())


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The weights that every fold starts from, as they are handed to training."""
    starts: list[Weights] = []
    inner = crossval.fit_in_turns

    def fit(model: nn.Module, *arguments: Any) -> Any:
        starts.append(weights(model))
        return inner(model, *arguments)

    monkeypatch.setattr(crossval, "fit_in_turns", fit)
    return starts


@pytest.mark.parametrize("at_once", ["1", "3"])
def test_carried_folds_start_from_the_hidden_layers_of_the_fold_before(
    begun: list[Weights], at_once: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do they train side by side, whoever asks for it."""
    monkeypatch.setenv(VARIABLE, at_once)
    ends = Ends()
    run("carried", recorder=ends)
    for fold in (1, 2):
        assert all(alike(begun[fold], ends.weights[fold - 1], HIDDEN))
        assert not any(alike(begun[fold], ends.weights[fold - 1], LAST))
        assert not any(alike(begun[fold], begun[fold - 1], (*HIDDEN, *LAST)))


def test_fresh_folds_start_from_nothing_of_the_fold_before(begun: list[Weights]) -> None:
    ends = Ends()
    run("fresh", recorder=ends)
    for fold in (1, 2):
        assert not any(alike(begun[fold], ends.weights[fold - 1], (*HIDDEN, *LAST)))


def test_the_series_differ_in_the_carried_layers_alone(begun: list[Weights]) -> None:
    fresh, carried = run("fresh"), run("carried")
    assert fresh[0].scores == carried[0].scores
    for fold in range(3):
        one, other = begun[fold], begun[3 + fold]
        assert all(alike(one, other, LAST))
        assert alike(one, other, HIDDEN) == [fold == 0] * len(HIDDEN)


def test_a_carried_model_leaves_the_one_before_alone() -> None:
    build = CarriedLayers(lambda: Mlp(6, [8, 4], 2, 0.0))
    first = build()
    before = weights(first)
    with torch.no_grad():
        for value in build().parameters():
            value.zero_()
    assert all(alike(before, weights(first), tuple(before)))


def test_carried_layers_remember_the_images_they_are_validated_on() -> None:
    """Labels are coin tosses, which nothing but memory can tell."""
    params = PARAMS.model_copy(update={"hidden": [64, 32], "epochs": 40})
    fresh, carried = (fold_scores(run(series, params))["val_accuracy"] for series in SERIES)
    assert np.mean(fresh[1:]) < 0.6
    assert np.mean(carried[1:]) > 0.75


accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=2)
trial = st.fixed_dictionaries(
    {
        series: st.fixed_dictionaries(dict.fromkeys(("val_accuracy", "test_accuracy"), accuracies))
        for series in SERIES
    }
)


@given(st.dictionaries(st.integers(0, 9), trial, min_size=1, max_size=3))
def test_the_gain_is_the_mean_over_seeds_of_the_difference_of_fold_means(trials: dict[int, Any]) -> None:
    found = compare(trials)
    assert [item.seed for item in found.trials] == list(trials)
    for name in ("val_accuracy", "test_accuracy"):
        differences = [np.mean(t["carried"][name]) - np.mean(t["fresh"][name]) for t in trials.values()]
        assert found.gain[name].mean == pytest.approx(np.mean(differences))
        assert found.gain[name].std == pytest.approx(np.std(differences))
        assert found.trials[0].fresh[name].folds == next(iter(trials.values()))["fresh"][name]


def test_a_seed_named_twice_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"seeds \[1, 2, 1\] hold one twice"):
        parse_section(
            "carryover", {**PARAMS.model_dump(), "seeds": [1, 2, 1]}, CarryoverParams, "params.yaml"
        )


@pytest.mark.slow
@pytest.mark.realdata
def test_on_the_published_features_validation_rises_and_the_test_stays(published_dir: Path) -> None:
    table = read_tables(published_dir).cohort
    samples, ids = table.sample_ids.tolist(), table.image_ids.tolist()
    folds = table.rows(make_split(table.targets, samples, ids, 10, 5))
    params = read_section("carryover", CarryoverParams, PUBLISHED)
    trials = {
        seed: {
            series: fold_scores(run_series(series, seed, table, folds, params, Silent())) for series in SERIES
        }
        for seed in params.seeds
    }
    gain = compare(trials).gain
    assert gain["val_accuracy"].mean > 0.06
    assert abs(gain["test_accuracy"].mean) < 0.03
