"""A trial is scored as its experiment would be, without a look at the held-out test."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from torch import Tensor, nn

from tests.search.conftest import IDENTITY, search_of
from tests.search.silent import SilentSearch
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.experiment import Experiment, fit_settings
from tmdscope.learn.fit import Examples, FitResult, fit
from tmdscope.learn.recorder import Silent
from tmdscope.learn.selection import leave_out_each, selection_score
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.reading import ParamsError
from tmdscope.params.search import Categorical, LogUniform, Space, Uniform, Whole
from tmdscope.scores.task import MACRO_F1
from tmdscope.search.experiments import ExperimentObjective, Make, with_settings
from tmdscope.search.outcome import outcome_of
from tmdscope.search.pruning import Steps
from tmdscope.search.storage import PatientStorage
from tmdscope.search.study import open_search
from tmdscope.search.trials import FoldOutcome, Job, Settings
from tmdscope.search.worker import work
from tmdscope.vision.classifier import EnsembleConfig, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multiclass

IMAGES, FEATURES, VERSIONS = 90, 6, 4
BASE = ExperimentParams(
    strategy="features",  # type: ignore[arg-type]
    target="multiclass",
    architecture="resnet18",
    weights="simulated",
    epochs=4,
    batch_size=16,
    learning_rate=1e-2,
    dropout=0.0,
    flips=False,
    checkpoint="improves-both",
    seed=3,
)
NETWORK = with_settings(BASE, {"strategy": "finetune"})
SPACE: Space = {"learning_rate": LogUniform(kind="log-uniform", low=1e-3, high=1e-1)}
TARGET = Multiclass(MATERIALS)
CONFIG = EnsembleConfig("resnet18", "multiclass", MATERIALS, 8, 1, True, GREY_NORMALISATION)


def draw_parts() -> list[FoldParts]:
    """Two folds and the test that both leave out, rows in no order."""
    rows = np.random.default_rng(5).permutation(IMAGES)
    test, one, two = rows[:20], rows[20:50], rows[50:]
    return [FoldParts(one, two, test), FoldParts(two, one, test)]


PARTS = draw_parts()


def draw_examples() -> Examples:
    """Features that tell something of the labels, under some symmetries."""
    generator = torch.Generator().manual_seed(8)
    labels = torch.arange(IMAGES) % len(MATERIALS)
    values = torch.randn(IMAGES, VERSIONS, FEATURES, generator=generator)
    values[:, :, 0] += labels[:, None]
    return Examples(values[:, 0], labels, values)


EXAMPLES = draw_examples()


def maker(examples: Examples = EXAMPLES, faster: float = 1.0) -> Make:
    """Heads for strategy `features`, linear networks for the others; learning rates count so many times."""

    def make(params: ExperimentParams) -> Experiment:
        def build() -> nn.Module:
            if params.strategy == "features":
                return Head(FEATURES, TARGET.outputs, params.dropout)
            return nn.Linear(FEATURES, TARGET.outputs)

        given_ = fit_settings(params, torch.device("cpu"))
        used = replace(given_, learning_rate=given_.learning_rate * faster)
        return Experiment(TARGET, examples, build, used, lambda models: NotImplemented, CONFIG)

    return make


def objective_of(
    make: Make, base: ExperimentParams = BASE, space: Space = SPACE, together: int = 1
) -> ExperimentObjective:
    return ExperimentObjective(search_of(space=space, together=together), base, make, PARTS)


class Listening(SilentSearch, Silent):
    """A recorder of trials and folds that notes the scores it hears."""

    def __init__(self) -> None:
        self.heard: list[Mapping[str, float]] = []
        self.final: list[Mapping[str, float]] = []

    def fold(self, number: int) -> AbstractContextManager[Any]:
        return nullcontext(self)

    def epoch(self, number: int, scores: Mapping[str, float], kept: bool) -> None:
        self.heard.append(scores)

    def history(self, scores: Sequence[Mapping[str, float]]) -> None:
        self.heard += scores

    def finish(self, *given_: Any) -> None:
        self.final += [entry for entry in given_ if isinstance(entry, Mapping)]


def jobs_of(*settings_: Settings) -> list[Job]:
    study = optuna.create_study()
    return [Job(study.ask(), entry, Listening()) for entry in settings_]  # type: ignore[arg-type]


def run(objective: ExperimentObjective, fold: int, *settings_: Settings) -> list[FoldOutcome]:
    jobs = jobs_of(*settings_)
    return objective.run_fold(fold, jobs, [lambda epoch, score: False] * len(jobs))


def alone(
    settings_: Settings, fold: int, base: ExperimentParams = BASE, examples: Examples = EXAMPLES
) -> FitResult:
    """Train one fold as cross-validation does, with all rows there."""
    params = with_settings(base, settings_)
    experiment = maker(examples)(params)
    fitted = replace(experiment.settings, seed=fold_seed(params.seed, fold))
    torch.manual_seed(fitted.seed)
    train, val = (torch.from_numpy(rows) for rows in (PARTS[fold].train, PARTS[fold].val))
    return fit(experiment.build(), TARGET, examples, train, val, fitted, Silent())


def assert_like_alone(
    outcome: FoldOutcome, settings_: Settings, fold: int, base: ExperimentParams = BASE
) -> None:
    wanted = alone(settings_, fold, base)
    assert outcome.ended == "scored"
    assert outcome.score == pytest.approx(wanted.history[wanted.kept_epoch - 1].val_score, abs=1e-5)
    assert outcome.epochs == len(wanted.history)


SETTINGS = st.fixed_dictionaries(
    {
        "learning_rate": st.sampled_from([1e-3, 1e-2, 1e-1]),
        "batch_size": st.sampled_from([7, 16]),
        "weight_decay": st.sampled_from([0.0, 0.1]),
        "epochs": st.sampled_from([2, 3]),
        "optimiser": st.sampled_from(["adam", "adamw"]),
        "schedule": st.sampled_from(["constant", "cosine"]),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "flips": st.booleans(),
        "checkpoint": st.sampled_from(["improves-both", "paper", "last"]),
        "early_stopping": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=12)
@given(st.lists(SETTINGS, min_size=1, max_size=4), st.integers(0, 1))
def test_heads_that_train_together_score_as_each_does_alone(drawn: list[Settings], fold: int) -> None:
    outcomes = run(objective_of(maker(), together=len(drawn)), fold, *drawn)
    for outcome, settings_ in zip(outcomes, drawn, strict=True):
        assert_like_alone(outcome, settings_, fold)


@pytest.mark.parametrize("fold", [0, 1])
def test_a_network_scores_as_it_does_alone(fold: int) -> None:
    settings_ = {"learning_rate": 3e-2, "flips": True}
    (outcome,) = run(objective_of(maker(), NETWORK), fold, settings_)
    assert_like_alone(outcome, settings_, fold, NETWORK)


def test_heads_and_networks_may_be_of_one_search() -> None:
    drawn = [{"strategy": "features"}, {"strategy": "finetune"}, {"strategy": "features", "epochs": 2}]
    for outcome, settings_ in zip(run(objective_of(maker(), together=3), 0, *drawn), drawn, strict=True):
        assert_like_alone(outcome, settings_, 0)


@pytest.mark.parametrize("base", [BASE, NETWORK], ids=["heads", "network"])
def test_a_recorder_hears_every_epoch_and_the_kept_one(base: ExperimentParams) -> None:
    (job,) = jobs_of({})
    objective_of(maker(), base).run_fold(1, [job], [lambda epoch, score: False])
    recorder, wanted = job.recorder, alone({}, 1, base)
    assert isinstance(recorder, Listening)
    assert [entry["val_macro_f1"] for entry in recorder.heard] == pytest.approx(
        [entry.val_score for entry in wanted.history]
    )
    (final,) = recorder.final
    assert final["kept_epoch"] == wanted.kept_epoch
    assert final["val_macro_f1"] == pytest.approx(wanted.history[wanted.kept_epoch - 1].val_score)


def test_dropout_is_the_trials_own() -> None:
    plain, dropped = run(
        objective_of(maker(), together=2), 0, {"checkpoint": "last"}, {"checkpoint": "last", "dropout": 0.9}
    )
    assert_like_alone(plain, {"checkpoint": "last"}, 0)
    assert dropped.score != plain.score


def poisoned(labels: Tensor) -> Examples:
    """The examples with no features and other labels where the test is."""
    test = torch.from_numpy(PARTS[0].test)
    variants = EXAMPLES.variants
    assert variants is not None
    variants, changed = variants.clone(), EXAMPLES.labels.clone()
    variants[test] = float("nan")
    changed[test] = labels
    return Examples(variants[:, 0], changed, variants)


@pytest.mark.parametrize("base", [BASE, NETWORK], ids=["heads", "network"])
def test_the_held_out_test_is_never_touched(base: ExperimentParams) -> None:
    drawn = {"learning_rate": 3e-2, "flips": True}
    labels = torch.randint(0, 5, (20,), generator=torch.Generator().manual_seed(2))
    for fold in range(2):
        clean, poison = (
            run(objective_of(maker(examples), base), fold, drawn) for examples in (EXAMPLES, poisoned(labels))
        )
        assert clean == poison
        assert clean[0].score > 0
    assert set(objective_of(maker(), base).rows) == set(range(IMAGES)) - set(PARTS[0].test)


def test_a_head_that_diverges_fails_its_own_trial_only() -> None:
    """Learning rates count 1e38 times: 1 is too much for single precision, 1e-40 is what others have."""
    drawn = [{"learning_rate": 1e-40}, {"learning_rate": 1.0}, {"learning_rate": 3e-40}]
    one, two, three = run(objective_of(maker(faster=1e38), together=3), 0, *drawn)
    assert two.ended == "failed"
    assert "lower learning_rate 1e+38" in two.error
    assert_like_alone(one, {"learning_rate": 1e-40 * 1e38}, 0)
    assert_like_alone(three, {"learning_rate": 3e-40 * 1e38}, 0)


def test_a_network_that_diverges_fails_and_counts_its_epochs() -> None:
    (outcome,) = run(objective_of(maker(faster=1e38), NETWORK), 0, {"learning_rate": 1.0})
    assert outcome.ended == "failed"
    assert "learning_rate 1e+38" in outcome.error
    broken = Examples(torch.full_like(EXAMPLES.inputs, float("nan")), EXAMPLES.labels)
    (outcome,) = run(objective_of(maker(broken), NETWORK), 0, {})
    assert (outcome.ended, outcome.epochs) == ("failed", 0)
    assert "epoch 1 ended with training loss nan" in outcome.error


def test_a_network_that_is_given_up_ends_early_and_counts_its_epochs() -> None:
    (job,) = jobs_of({})
    asked: list[tuple[int, float]] = []

    def ask(epoch: int, score: float) -> bool:
        asked.append((epoch, score))
        return epoch == 2

    outcomes = objective_of(maker(), NETWORK).run_fold(0, [job], [ask])
    assert outcomes == [FoldOutcome("pruned", epochs=2)]
    wanted = [entry.val_score for entry in alone({}, 0, NETWORK).history[:2]]
    assert asked == [(1, pytest.approx(wanted[0])), (2, pytest.approx(wanted[1]))]
    assert isinstance(job.recorder, Listening)
    assert len(job.recorder.heard) == 2
    assert job.recorder.final == [{"epochs": 2}]


def test_settings_that_do_not_go_together_are_named() -> None:
    with pytest.raises(ParamsError, match=r"settings of a trial: .*rotations go with flips"):
        with_settings(BASE, {"rotations": True})


def test_a_space_is_drawn_in_sight_of_the_experiments_settings() -> None:
    space: Space = {
        "dropout": Uniform(kind="uniform", low=0, high=0.5, when={"strategy": ["features"]}),
        "weight_decay": Uniform(kind="uniform", low=0, high=1, when={"optimiser": ["adamw"]}),
    }
    study = optuna.create_study()
    assert list(objective_of(maker(), BASE, space).settings(study.ask())) == ["dropout"]
    assert list(objective_of(maker(), NETWORK, space).settings(study.ask())) == []


def test_epochs_are_the_most_that_a_trial_may_have() -> None:
    assert objective_of(maker()).epochs == 4
    assert objective_of(maker(), space={"epochs": Whole(kind="int", low=2, high=9)}).epochs == 9
    choices = Categorical(kind="categorical", choices=[7, 3])
    assert objective_of(maker(), space={"epochs": choices}).epochs == 7
    assert objective_of(maker()).folds == 2


def search(storage: PatientStorage, name: str, objective: ExperimentObjective) -> list[Any]:
    """Run a search of six trials and give the trial of every place."""
    study = open_search(storage, name, objective.search, Steps(objective.epochs), IDENTITY)
    work(study, objective, SilentSearch())
    return study.places.ended


def test_how_many_train_together_changes_no_score(storage: PatientStorage) -> None:
    single, triple = (
        search(storage, f"{together} at once", objective_of(maker(), together=together))
        for together in (1, 3)
    )
    assert [trial.params for trial in single] == [trial.params for trial in triple]
    assert [trial.value for trial in single] == pytest.approx([trial.value for trial in triple], abs=1e-5)
    for trial in single:
        wanted = [alone(trial.params, fold) for fold in range(2)]
        kept = [result.history[result.kept_epoch - 1].val_score for result in wanted]
        assert trial.value == pytest.approx(np.mean(kept), abs=1e-5)


def test_a_search_is_scored_by_folds_that_chose_neither_trial_nor_epoch(storage: PatientStorage) -> None:
    objective = objective_of(maker(), together=3)
    study = open_search(storage, "selection", objective.search, Steps(objective.epochs), IDENTITY)
    work(study, objective, SilentSearch())
    candidates = [
        leave_out_each(
            [alone(trial.params, fold).history for fold in range(2)], CheckpointRule.IMPROVES_BOTH, MACRO_F1
        )
        for trial in study.places.ended
    ]
    assert outcome_of(study).selection == pytest.approx(selection_score(candidates, MACRO_F1), abs=1e-5)


@pytest.mark.parametrize("base", [BASE, NETWORK], ids=["heads", "network"])
def test_a_fold_hands_on_all_its_epochs_and_what_chose_among_them(base: ExperimentParams) -> None:
    (outcome,) = run(objective_of(maker(), base), 0, {"checkpoint": "paper"})
    assert [scores.val_score for scores in outcome.history] == pytest.approx(
        [scores.val_score for scores in alone({"checkpoint": "paper"}, 0, base).history]
    )
    assert outcome.rule is CheckpointRule.PAPER


def test_a_search_survives_trials_that_diverge(storage: PatientStorage) -> None:
    space: Space = {"learning_rate": Categorical(kind="categorical", choices=[1e-40, 1.0])}
    ended = search(storage, "diverging", objective_of(maker(faster=1e38), BASE, space, together=3))
    states = {trial.params["learning_rate"]: trial.state for trial in ended}
    assert len(ended) == 6
    assert states == {1e-40: TrialState.COMPLETE, 1.0: TrialState.FAIL}


def test_an_experiment_is_made_once_for_all_folds_of_a_trial(storage: PatientStorage) -> None:
    calls: list[ExperimentParams] = []

    def counted(params: ExperimentParams) -> Experiment:
        calls.append(params)
        return maker()(params)

    search(storage, "counted", objective_of(counted, together=3))
    assert len(calls) == 6


def test_heads_on_different_backbones_train_on_their_own_features() -> None:
    seen = {"resnet18": EXAMPLES, "resnet34": replace_values(EXAMPLES)}

    def make(params: ExperimentParams) -> Experiment:
        return maker(seen[params.architecture])(params)

    space = {"architecture": Categorical(kind="categorical", choices=list(seen))}
    together = objective_of(make, space=space, together=2)
    jobs = jobs_of(*({"architecture": name} for name in seen))
    found = together.run_fold(0, jobs, [lambda *_: False] * 2)
    for outcome, name in zip(found, seen, strict=True):
        alone = objective_of(make, space=space)
        (same,) = alone.run_fold(0, jobs_of({"architecture": name}), [lambda *_: False])
        assert outcome.score == pytest.approx(same.score, abs=1e-6)
    assert found[0].score != found[1].score


def replace_values(examples: Examples) -> Examples:
    """Give other features of the same labels, which tell nothing of them."""
    generator = torch.Generator().manual_seed(9)
    values = torch.randn(IMAGES, VERSIONS, FEATURES, generator=generator)
    return Examples(values[:, 0], examples.labels, values)
