"""One search over families of classifiers: what it may see, what it chooses, and what fails aloud."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.search.silent import SilentSearch
from tests.support.cohorts import make_cohort
from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.models.scales import FamilyError
from tmdscope.params.families import FAMILIES, FamilySearchParams, read_family
from tmdscope.params.reading import read_section
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES
from tmdscope.search.families import (
    FamilyObjective,
    describe_choice,
    describe_method,
    outer_seed,
    predict_unseen,
)
from tmdscope.search.outcome import SearchOutcome, outcome_of
from tmdscope.search.pruning import Steps
from tmdscope.search.storage import open_storage
from tmdscope.search.study import open_search
from tmdscope.search.worker import work

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "pipelines" / "published_features" / "params.yaml"

OWN: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": 16, "learning_rate": 0.01, "dropout": 0.1, "epochs": 20, "batch_size": 16},
    "logistic": {"logistic_c": 1.0, "balanced": True},
    "svc": {"svc_c": 10.0, "gamma": 1.0, "balanced": False},
    "kernel_ridge": {"alpha": 0.1, "gamma": 1.0, "balanced": True},
    "knn": {"neighbours": 3, "votes": "distance"},
    "radius": {"radius": 0.8, "votes": "distance"},
    "ridge": {"ridge_alpha": 10.0},
    "gaussian_process": {"length": 0.7, "amplitude": 4.0},
    "tree": {"criterion": "gini", "split_share": 0.1, "considered": "all"},
    "boosting": {"trees": 30, "rate": 0.2, "depth": 3, "split_images": 4, "considered": "sqrt"},
}
SEARCHED = ("mlp", "logistic", "svc", "kernel_ridge", "knn")
OF_TABLES = [name for name in FAMILIES if name != "cnn"]  # it is of images
PLAIN = {"power": 1.0, "l2": False, "standardise": False}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def table() -> Cohort:
    """Three classes, two images a sample, features above 0 that tell most of them apart."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], 40)
    means = rng.uniform(0, 2, size=(3, 12))
    features = np.abs(means[labels] + rng.normal(scale=0.5, size=(120, 12))).astype(np.float32)
    samples = np.array([f"S{k // 2:04d}" for k in range(120)])
    return make_cohort(features, samples, labels.astype(np.int64), ("a", "b", "c"))


@pytest.fixture(scope="module")
def outer(table: Cohort) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return outer_folds(table.targets, table.sample_ids.tolist(), 4)[1]


def settings(family: str, **changes: Any) -> dict[str, Any]:
    return {**PLAIN, "family": family, **OWN[family], **changes}


def search(trials: int = 6) -> FamilySearchParams:
    """The project's own space and sampler; networks are made small."""
    params = read_section("search", FamilySearchParams, PARAMS)
    small = {"hidden": {"low": 4, "high": 16}, "epochs": {"low": 2, "high": 6}}
    space = {key: entry.model_copy(update=small.get(key, {})) for key, entry in params.space.items()}
    return params.model_copy(update={"trials": trials, "startup": 4, "space": space})


def run_search(folder: Path, table: Cohort, seen: NDArray[np.int64], trials: int = 6) -> SearchOutcome:
    params = search(trials)
    objective = FamilyObjective(params, table, seen, 3)
    storage = open_storage(f"sqlite:///{folder / 'optuna.db'}")
    study = open_search(storage, "families", params, Steps(objective.epochs), {})
    work(study, objective, SilentSearch())
    return outcome_of(study)


def spoilt(table: Cohort, rows: NDArray[np.int64]) -> Cohort:
    """The same table; features of some rows are below 0, their labels and samples are others."""
    features, labels, samples = table.inputs.copy(), table.targets.copy(), table.sample_ids.copy()
    features[rows], labels[rows], samples[rows] = -1e9, (labels[rows] + 1) % 3, "S9999"
    return replace(table, features=features, targets=labels, sample_ids=samples)


@pytest.mark.parametrize("family", OF_TABLES)
def test_every_family_learns_and_repeats(
    family: str, table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    seen, unseen = outer
    predicted = [predict_unseen(read_family(settings(family)), table, seen, unseen, 5) for _ in range(2)]
    np.testing.assert_array_equal(*predicted)
    assert (predicted[0] == table.targets[unseen]).mean() > 0.8


@pytest.mark.parametrize("family", OF_TABLES)
def test_labels_of_unseen_images_are_not_read(
    family: str, table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    seen, unseen = outer
    labels = table.targets.copy()
    labels[unseen] = 0
    chosen = read_family(settings(family, standardise=True))
    np.testing.assert_array_equal(
        predict_unseen(chosen, table, seen, unseen, 5),
        predict_unseen(chosen, replace(table, targets=labels), seen, unseen, 5),
    )


def test_the_outer_fold_is_never_seen_by_its_search(
    tmp_path: Path, table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    seen, unseen = outer
    outcomes = []
    for name, one in (("whole", table), ("spoilt", spoilt(table, unseen))):
        (tmp_path / name).mkdir()
        outcomes.append(run_search(tmp_path / name, one, seen))
    whole, other = outcomes
    assert whole.settings == other.settings
    assert whole.folds == other.folds
    assert whole.trials.equals(other.trials)
    objective = FamilyObjective(search(), table, seen, 3)
    assert not set(objective.table.sample_ids) & set(table.sample_ids[unseen])
    assert not np.shares_memory(objective.table.features, table.features)


def test_inner_folds_share_no_sample(
    table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    objective = FamilyObjective(search(), table, outer[0], 3)
    assert objective.folds == 3
    for train, val in objective.parts:
        samples = objective.table.sample_ids
        assert not set(samples[train]) & set(samples[val])


def test_a_search_that_stopped_goes_on_to_the_same_choice(
    tmp_path: Path, table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    unbroken = run_search(whole, table, outer[0], 8)
    run_search(parts, table, outer[0], 3)
    resumed = run_search(parts, table, outer[0], 8)
    assert resumed.trials.equals(unbroken.trials)
    again = run_search(parts, table, outer[0], 8)
    assert again.trials.equals(unbroken.trials)


def test_the_chosen_family_is_described(
    tmp_path: Path, table: Cohort, outer: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    seen, unseen = outer
    found = run_search(tmp_path, table, seen)
    family = read_family(found.settings)
    predicted = predict_unseen(family, table, seen, unseen, 1)
    choice = describe_choice(found, CLASSES, table.targets[unseen], predicted)
    assert choice["family"] == family.family
    assert read_family({"family": choice["family"], **choice["settings"]}) == family
    assert choice["images"] == len(unseen)
    assert choice["accuracy"] == (predicted == table.targets[unseen]).mean()
    assert sum(choice["trials"].values()) == 6
    method = describe_method(search(), CLASSES.primary, 10, 5, "image")
    assert "10 outer folds" in method
    assert all(name in method for name in SEARCHED)


def test_features_without_a_power_are_refused() -> None:
    features = np.array([[1.0, 2.0], [1.0, -0.1]], np.float32)
    bad = make_cohort(features, ["1", "2"], np.array([0, 1]), ("a", "b"))
    for seen, unseen in ([0], [1]), ([1], [0]):
        with pytest.raises(UserError, match="negative or no number"):
            predict_unseen(read_family(settings("knn", power=0.5)), bad, np.array(seen), np.array(unseen), 1)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("knn", {"neighbours": 5000}, "5000 neighbours"),
        ("mlp", {"power": 4.0}, "mlp: DivergedError"),
        ("kernel_ridge", {"alpha": 1e-300, "gamma": 1e-6}, "kernel_ridge: "),
    ],
)
def test_settings_that_fail_say_so(
    family: str,
    changes: dict[str, Any],
    message: str,
    table: Cohort,
    outer: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    big = replace(table, features=table.features * np.float32(1e15)) if family == "mlp" else table
    with pytest.raises(FamilyError, match=message):
        predict_unseen(read_family(settings(family, **changes)), big, *outer, 5)


def test_a_fit_that_does_not_converge_fails_its_trial(
    tmp_path: Path,
    table: Cohort,
    outer: tuple[NDArray[np.int64], NDArray[np.int64]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tmdscope.models.registry._MAX_ITERATIONS", 1)
    found = run_search(tmp_path, table, outer[0], 12)
    failed = found.trials[found.trials["state"] == "FAIL"]
    assert set(failed["family"]) == {"logistic"}
    assert found.progress.failed == len(failed)
    assert not ((found.trials["family"] == "logistic") & (found.trials["state"] != "FAIL")).any()


def test_every_outer_fold_has_a_seed_of_its_own() -> None:
    seeds = [outer_seed(1, fold) for fold in range(10)]
    assert len(set(seeds)) == 10
    assert max(seeds) < 2**32
