"""Stages start from the stage before, see no fold's validation early, and go on after interruptions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tmdscope.learn.crossval as crossval_module
import tmdscope.sequential.run as run_module
from tests.sequential.small import (
    FEATURES,
    FOLDS,
    NAMES,
    ORDER,
    SAMPLE_IDS,
    SETTINGS,
    Heard,
    SilentSequence,
    assert_same,
    by_name,
    folds,
    plan_of,
    setup_of,
)
from tmdscope.errors import UserError
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.crossval import fold_seed
from tmdscope.learn.fit import Examples, FitSettings, fit, predict_logits
from tmdscope.learn.recorder import Silent
from tmdscope.learn.resume import Resume
from tmdscope.sequential.expansion import expand
from tmdscope.sequential.plan import Plan, Training
from tmdscope.sequential.run import Setup, StageResult, run_sequences, stage_target
from tmdscope.vision.classifier import Head

BOTH = ["multiclass", "multilabel"]
STILL = replace(SETTINGS, epochs=1, learning_rate=1e-12, checkpoint=CheckpointRule.LAST)
"""Trains nothing: what is kept is the start."""


def run(plan: Plan, setup: Setup, recorder: Any = None, resume: Resume | None = None) -> list[StageResult]:
    return run_sequences(plan, setup, recorder or SilentSequence(), resume)


def find(results: Sequence[StageResult], name: str, sequence: str = "multiclass-1") -> StageResult:
    return by_name(results)[f"sequential-{sequence}/{name}"]


def resume_in(folder: Path) -> Resume:
    return Resume.open(folder / "attempt", {"data": "1"}, {"threads": "1"}, every_s=0)


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
def test_every_training_gives_a_result_of_its_own_classes(heads: bool) -> None:
    plan = plan_of(encodings=BOTH if heads else BOTH[1:], measure_leak=heads)
    results = run(plan, setup_of(plan, heads))
    assert [result.training for result in results] == list(plan.trainings)
    for result in results:
        known = len(result.training.stage.classes)
        assert [fold.fold for fold in result.folds] == list(range(FOLDS))
        epochs = plan.epochs(result.training, SETTINGS.epochs)
        assert {len(fold.fit.history) for fold in result.folds} == {epochs}
        assert {fold.probabilities.shape for fold in result.folds} == {(len(NAMES), known)}
        recalls = [key for key in result.folds[0].scores if key.startswith("test_recall.")]
        assert recalls == [f"test_recall.{name}" for name in result.training.stage.classes]


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
def test_states_and_embeddings_are_kept_where_they_are_needed(heads: bool) -> None:
    plan = plan_of(seeds=[1, 2], measure_leak=heads)
    results = run(plan, setup_of(plan, heads))
    parents = {plan.parent(training) for training in plan.trainings}
    for result in results:
        training = result.training
        assert len(result.states) == (FOLDS if training in parents else 0)
        full, first = training.volume == "full", training.seed == 1
        shown = full and first and training.arm in ("sequential", "direct")
        assert [entry.shape for entry in result.embeddings] == [(len(NAMES), 100)] * (FOLDS if shown else 0)
    kept = find(results, "3-materials-full")
    weight, bias = (kept.states[1][f"embedding.{name}"] for name in ("weight", "bias"))
    inputs = setup_of(plan).make("multiclass", stage_target(plan, kept.training)).examples.inputs
    np.testing.assert_allclose(kept.embeddings[1], inputs @ weight.T + bias, atol=1e-5)


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
@pytest.mark.parametrize("start", ["fold", "paper"])
def test_without_training_a_stage_is_what_it_started_from(start: Any, heads: bool) -> None:
    plan = plan_of(start=start, encodings=BOTH, volumes=["full", 8] if heads else ["full"])
    heard = Heard()
    run(plan, setup_of(plan, heads, STILL), heard)
    results = {result.training: result for result in heard.of("result")}
    for training, result in results.items():
        parent = plan.parent(training)
        if parent is None:
            continue
        known = len(stage_target(plan, parent).output_names)
        for fold, state in enumerate(result.states):
            before = results[parent].states[plan.starting_fold(training, fold)]
            for name, value in before.items():
                torch.testing.assert_close(state[name][: known if "output" in name else None], value)
    first = results[plan.trainings[0]].states
    for arm in ("direct", "direct-equal-budget"):
        fresh = results[next(t for t in plan.trainings if t.arm == arm)].states
        assert not torch.allclose(fresh[0]["embedding.weight"], first[0]["embedding.weight"], atol=1e-2)


@pytest.mark.parametrize(
    ("encoding", "name"), [("multilabel", "4-materials-8"), ("multiclass", "4-materials-full-other-start")]
)
def test_a_stage_is_the_training_of_the_kept_model_of_the_stage_before(encoding: Any, name: str) -> None:
    plan = plan_of(encodings=[encoding], head="paper")
    heard = Heard()
    setup = setup_of(plan, heads=False)
    run(plan, setup, heard)
    results = {result.training: result for result in heard.of("result")}
    result = next(found for training, found in results.items() if training.name == name)
    training = result.training
    parent = plan.parent(training)
    assert parent is not None
    target, names = stage_target(plan, training), stage_target(plan, parent).output_names
    examples = setup.make(encoding, target).examples
    for fold in range(FOLDS):
        seed = fold_seed(fold_seed(training.seed, training.stage.number), fold)
        torch.manual_seed(seed)
        model = Head(FEATURES, target.outputs)
        before = results[parent].states[plan.starting_fold(training, fold)]
        redraw = encoding == "multiclass"
        model.load_state_dict(expand(before, names, model.state_dict(), target.output_names, redraw))
        train, val = (torch.from_numpy(getattr(result.parts[fold], part)) for part in ("train", "val"))
        fitted = fit(model, target, examples, train, val, replace(SETTINGS, seed=seed), Silent())
        assert fitted == result.folds[fold].fit
        assert all(torch.equal(value, result.states[fold][key]) for key, value in model.state_dict().items())
        with torch.inference_mode():
            wanted = target.probabilities(predict_logits(model, examples.inputs)).numpy()
        np.testing.assert_array_equal(result.folds[fold].probabilities, wanted)


@pytest.mark.parametrize(("start", "head"), [("fold", "grow"), ("paper", "paper")])
def test_heads_trained_at_once_are_networks_trained_one_by_one(start: Any, head: Any) -> None:
    plan = plan_of(start=start, head=head, encodings=BOTH)
    assert_same(run(plan, setup_of(plan, True)), run(plan, setup_of(plan, False)), exact=False)


@dataclass
class Fitted:
    """One network as it was trained: what it began and ended with, and the images that steps were made of."""

    settings: FitSettings
    start: dict[str, Tensor]
    train: set[int]
    kept: Mapping[str, Tensor] = field(default_factory=dict)


class Watched(Examples):
    """Notes the rows of every training step."""

    drawn: set[int]

    def batch(self, positions: Tensor, codes: Tensor | None) -> Tensor:
        DRAWN.update(positions.tolist())
        return super().batch(positions, codes)


DRAWN: set[int] = set()


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Fitted]:
    """Note every network that is trained, whichever way, in the order of training."""
    found: list[Fitted] = []
    true_fit, true_heads = crossval_module.fit_in_turns, run_module.train_heads

    def watched_fit(model: Any, target: Any, examples: Any, train: Tensor, *rest: Any) -> Any:
        DRAWN.clear()
        start = {name: value.clone() for name, value in model.state_dict().items()}
        result = yield from true_fit(model, target, examples, train, *rest)
        found.append(Fitted(rest[1], start, set(DRAWN), model.state_dict()))
        return result

    def watched_heads(members: Sequence[Any], build: Any, *rest: Any) -> Any:
        results = true_heads(members, build, *rest)
        for member, result in zip(members, results, strict=True):
            torch.manual_seed(member.settings.seed)
            start = build().state_dict() if member.start is None else dict(member.start)
            found.append(Fitted(member.settings, start, set(member.train.tolist()), result.state))
        return results

    monkeypatch.setattr(crossval_module, "fit_in_turns", watched_fit)
    monkeypatch.setattr(run_module, "train_heads", watched_heads)
    return found


def came_from(own: Fitted, all_fitted: Sequence[Fitted]) -> list[Fitted]:
    """All networks in a network's past, found by their weights: no plan is asked."""
    past = [own]
    while True:
        start = past[-1].start["embedding.weight"]
        before = [one for one in all_fitted if torch.equal(one.kept["embedding.weight"], start)]
        if not before:
            return past
        past.append(before[0])


@pytest.mark.parametrize(
    ("heads", "encoding"), [(True, "multiclass"), (True, "multilabel"), (False, "multilabel")]
)
def test_no_validation_image_of_a_fold_was_trained_on_before(
    heads: bool, encoding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(encodings=[encoding])
    fitted = watch(monkeypatch)
    heard = Heard()
    run(plan, setup_of(plan, heads, replace(SETTINGS, epochs=4), make_examples=Watched), heard)
    assert len(fitted) == len(plan.trainings) * FOLDS
    labels, leaks, of_training = plan.label(NAMES), [], iter(fitted)
    for result in heard.of("result"):
        training = result.training
        for fold, state in enumerate(result.states):
            own = next(of_training)
            assert all(torch.equal(own.kept[key], value) for key, value in state.items())
            past = came_from(own, fitted)
            number = training.stage.number
            assert len(past) == (1 if training.arm.startswith("direct") else number + 1)
            seen = set.union(*(one.train for one in past))
            val = folds()[fold].val
            val, test = (rows[labels[rows] <= number + 1] for rows in (val, folds()[fold].test))
            assert not seen & set(test.tolist())
            assert not {labels[row] for row in seen} - set(range(number + 2))
            if training.arm == "other-start":
                leaks.append((fold, len(seen & set(val.tolist())) / len(val)))
            else:
                assert not seen & set(val.tolist())
                assert not set(SAMPLE_IDS[list(seen)]) & set(SAMPLE_IDS[val])
    assert {fold for fold, share in leaks if share == 0} == {plan.params.paper_fold}
    assert all(share > 0.3 for fold, share in leaks if fold != plan.params.paper_fold)


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
def test_arms_of_a_stage_share_their_images_seeds_and_epochs(
    heads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(seeds=[1, 2], volumes=["full", 8] if heads else ["full"])
    fitted = watch(monkeypatch)
    heard = Heard()
    run(plan, setup_of(plan, heads, STILL, make_examples=Watched), heard)
    seeds: dict[tuple[int, int, int], set[int]] = {}
    of_training = iter(fitted)
    for result in heard.of("result"):
        training = result.training
        for fold, parts in enumerate(result.parts):
            own = next(of_training)
            assert own.train <= set(parts.train.tolist())
            assert own.settings.epochs == plan.epochs(training, 1)
            seeds.setdefault((training.seed, training.stage.number, fold), set()).add(own.settings.seed)
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds) == 2 * 3 * FOLDS
    rows = {result.training: result.parts for result in heard.of("result")}
    for training, parts in rows.items():
        for other, others in rows.items():
            same = (training.stage, training.volume, training.seed)
            if same == (other.stage, other.volume, other.seed):
                for mine, yours in zip(parts, others, strict=True):
                    np.testing.assert_array_equal(mine.train, yours.train)
                    np.testing.assert_array_equal(mine.val, yours.val)


@pytest.mark.parametrize("heads", [True, False], ids=["heads", "networks"])
def test_a_recorder_hears_every_training_after_the_one_it_starts_from(heads: bool) -> None:
    plan = plan_of(encodings=BOTH, seeds=[1, 2], volumes=["full"])
    heard = Heard()
    results = {result.training: result for result in run(plan, setup_of(plan, heads), heard)}
    begun = heard.of("begun")
    assert len(begun) == len(plan.trainings)
    assert set(begun) == set(plan.trainings)
    for place, training in enumerate(begun):
        assert plan.parent(training) in (None, *begun[:place])
    assert heard.of("ended") == [result.training for result in heard.of("result")] == begun
    assert heard.of("fold") == list(range(FOLDS)) * len(begun)
    wanted = [fold.scores for training in begun for fold in results[training].folds]
    assert heard.of("finish") == wanted
    epochs = [plan.epochs(training, SETTINGS.epochs) for training in begun]
    if heads:
        assert heard.of("history") == [count for count in epochs for _ in range(FOLDS)]
    else:
        assert len(heard.of("epoch")) == sum(epochs) * FOLDS
    assert all(result.states for result in heard.of("result"))  # to be packaged


def test_the_order_of_encodings_and_seeds_changes_no_result() -> None:
    plan = plan_of(encodings=BOTH, seeds=[1, 2], volumes=["full"])
    whole = by_name(run(plan, setup_of(plan)))
    alone = plan_of(encodings=["multilabel"], seeds=[2], measure_leak=False, volumes=["full"])
    for name, result in by_name(run(alone, setup_of(alone))).items():
        for mine, yours in zip(result.folds, whole[name].folds, strict=True):
            np.testing.assert_allclose(mine.probabilities, yours.probabilities, atol=1e-4)


def test_a_fold_that_cannot_give_a_volume_ends_the_run_by_name() -> None:
    plan = plan_of(volumes=["full", 64])
    with pytest.raises(UserError, match=f"volume 64 takes 57 training images of {ORDER[2]}, of which fold 0"):
        run(plan, setup_of(plan))


class Stop(BaseException):
    """Stands in for a kill."""


def stop_at(word: int) -> Callable[[tuple[Any, ...]], None]:
    """Raise at a word of the recorder, counted from 0."""
    words = iter(range(10**9))

    def hear(_: tuple[Any, ...]) -> None:
        if next(words) == word:
            raise Stop

    return hear


@cache
def unbroken(heads: bool) -> tuple[Plan, Setup, list[StageResult], int]:
    """A sequence, what it gives in one go, and how many words its recorder hears."""
    plan, heard = plan_of(encodings=["multilabel"], volumes=["full", 8] if heads else ["full"]), Heard()
    setup = setup_of(plan, heads, dropout=0.0 if heads else 0.2)
    return plan, setup, run(plan, setup, heard), len(heard.words)


@pytest.mark.parametrize(
    ("heads", "share"),
    [
        *((True, share) for share in (0.0, 0.03, 0.3, 0.6, 0.97)),
        *((False, share) for share in (0.0, 0.3, 0.97)),
    ],
)
def test_an_interrupted_sequence_ends_like_an_unbroken_one(
    heads: bool, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, setup, wanted, words = unbroken(heads)
    broken = Heard(stop_at(round(share * words)))
    with pytest.raises(Stop):
        run(plan, setup, broken, resume_in(tmp_path))
    ended = [training for training in broken.of("ended") if training is not broken.training]
    torch.manual_seed(99)
    fitted, heard = watch(monkeypatch), Heard()
    again = run(plan, setup, heard, resume_in(tmp_path))
    assert_same(again, wanted)
    assert set(heard.of("begun")) == set(plan.trainings)
    if heads:  # a batch of which one has not ended trains as a whole, or last digits would differ
        batches = {(training.stage.number, plan.epochs(training, 1)) for training in ended}
        alone = [t for t in plan.trainings if (t.stage.number, plan.epochs(t, 1)) not in batches]
        assert FOLDS * len(alone) <= len(fitted) <= FOLDS * len(plan.trainings)
    else:
        assert not epochs_of(heard) & set(ended)
    fitted.clear()
    assert_same(run(plan, setup, None, resume_in(tmp_path)), again)
    assert not fitted


def test_heads_with_dropout_end_the_same_after_an_interruption(tmp_path: Path) -> None:
    plan = plan_of(measure_leak=False)
    setup = setup_of(plan, dropout=0.2)
    wanted, reduced = run(plan, setup), next(t for t in plan.trainings if t.volume == 8)

    def hear(word: tuple[Any, ...]) -> None:
        if word == ("begun", reduced):  # those at full volume, trained in the same batch, are stored
            raise Stop

    with pytest.raises(Stop):
        run(plan, setup, Heard(hear), resume_in(tmp_path))
    assert_same(run(plan, setup, None, resume_in(tmp_path)), wanted)


def epochs_of(heard: Heard) -> set[Training]:
    """The trainings that epochs were heard of."""
    found: set[Training] = set()
    training: Training | None = None
    for kind, value in heard.words:
        if kind == "begun":
            training = value
        elif kind == "epoch":
            assert training is not None
            found.add(training)
    return found


class StopsInEpoch(Heard):
    """Raises when it hears an epoch of one fold of a training."""

    def __init__(self, training: Training, fold: int, epoch: int) -> None:
        super().__init__()
        self.last = training, fold, "epoch", epoch

    def hear(self, *word: Any) -> None:
        super().hear(*word)
        if (self.training, self.fold, *word) == self.last:
            raise Stop


def test_a_network_goes_on_inside_an_epoch_of_a_stage(tmp_path: Path) -> None:
    plan = plan_of(volumes=["full"], measure_leak=False)
    setup = setup_of(plan, False, replace(SETTINGS, epochs=4), dropout=0.3)
    wanted, second = run(plan, setup), plan.trainings[1]
    folder = tmp_path / "attempt" / "sequential-multiclass-1" / second.name
    for fold, epoch in ((0, 2), (1, 1), (1, 3)):  # the last word of an epoch, before its checkpoint
        torch.manual_seed(epoch)

        with pytest.raises(Stop):
            run(plan, setup, StopsInEpoch(second, fold, epoch), resume_in(tmp_path))
        assert (folder / f"fold-{fold}" / f"{epoch - 1:06d}.ckpt").exists() == (epoch > 1)
    torch.manual_seed(0)
    heard = Heard()
    assert_same(run(plan, setup, heard, resume_in(tmp_path)), wanted)
    own = heard.words[heard.words.index(("begun", second)) : heard.words.index(("ended", second))]
    epochs = [value for kind, value in own if kind == "epoch"]
    assert epochs == [3, 4, 1, 2, 3, 4]  # two of fold 1 were done, fold 2 begins


def test_ended_trainings_leave_no_checkpoints_of_their_folds(tmp_path: Path) -> None:
    plan = plan_of(volumes=["full"])
    run(plan, setup_of(plan, False), None, resume_in(tmp_path))
    folder = tmp_path / "attempt" / "sequential-multiclass-1"
    assert {path.name for path in folder.iterdir()} == {training.name for training in plan.trainings}
    assert {path.name for path in folder.glob("*/*")} == {"result"}


@pytest.mark.parametrize(
    ("heads", "name"),
    [(True, "3-materials-full"), (True, "4-materials-8-direct"), (False, "3-materials-full")],
)
def test_a_damaged_result_is_trained_again(
    heads: bool,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = plan_of(volumes=["full", 8] if heads else ["full"])
    setup = setup_of(plan, heads)
    whole = run(plan, setup, None, resume_in(tmp_path))
    (stored,) = (tmp_path / "attempt" / "sequential-multiclass-1" / name / "result").glob("*.ckpt")
    stored.write_bytes(stored.read_bytes()[:-9])
    fitted = watch(monkeypatch)
    assert_same(run(plan, setup, None, resume_in(tmp_path)), whole)
    mine = next(training for training in plan.trainings if training.name == name)
    alike = [t for t in plan.trainings if t.stage == mine.stage and plan.epochs(t, 1) == plan.epochs(mine, 1)]
    trained = FOLDS * (len(alike) if heads else 1)
    assert len(fitted) == trained
    assert f"{stored} is damaged" in capsys.readouterr().err
    run(plan, setup, None, resume_in(tmp_path))
    assert len(fitted) == trained  # stored anew
