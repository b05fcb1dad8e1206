"""Training the stages of a sequence: heads on stored features many at once, networks one after another."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.errors import UserError
from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.checkpoint import EpochScores
from tmdscope.learn.crossval import FoldParts, FoldResult, cross_validate, fold_seed, score_fold
from tmdscope.learn.fit import Examples, FitResult, FitSettings
from tmdscope.learn.recorder import Recorder, Silent
from tmdscope.learn.resume import Checkpoints, Resume
from tmdscope.params.sequential import Encoding
from tmdscope.sequential.growth import grow
from tmdscope.sequential.plan import Plan, Training, stage_parts
from tmdscope.vision.features import embed_inputs
from tmdscope.vision.targets import Multilabel, Target, make_target

States = Sequence[Mapping[str, Tensor]]
"""State dict of every fold's kept model."""

_RESULT = "result"
"""Folder of an ended training in an attempt."""


class Trainable(Protocol):
    """What a stage trains, as `tmdscope.learn.experiment.Experiment` has it."""

    @property
    def target(self) -> Target:
        """Encoding of the stage's classes."""

    @property
    def examples(self) -> Examples:
        """All examples, labelled in the order of the classes' coming."""

    @property
    def build(self) -> Callable[[], nn.Module]:
        """Makes a fresh model."""

    @property
    def settings(self) -> FitSettings:
        """How one stage is trained."""


@dataclass(frozen=True)
class Heads:
    """Heads on stored features, see `Trainable`."""

    target: Target
    examples: Examples
    build: Callable[[], nn.Module]
    settings: FitSettings


@dataclass(frozen=True)
class Bench:
    """What a sequence is trained with.

    `make`, given an encoding's name and a stage's target, prepares what is trained. `heads` on stored
    features, with `dropout` before the last layer, train many at once.
    """

    make: Callable[[Encoding, Target], Trainable]
    folds: Sequence[FoldParts]
    sample_ids: NDArray[Any]
    heads: bool
    dropout: float = 0.0


@dataclass(frozen=True)
class StageResult:
    """What one training of a sequence gave.

    `parts` are the images it saw, `states` the folds' kept models; empty once nothing starts from them.
    `embeddings` are every example as the folds' models embed it, N x 100; of the first seed at full volume,
    for arms `sequential` and `direct`, else empty.
    """

    training: Training
    parts: Sequence[FoldParts]
    folds: Sequence[FoldResult]
    states: States
    embeddings: Sequence[NDArray[np.float32]] = ()


class SequenceRecorder(Protocol):
    """Listener of a sequence."""

    def stage(self, training: Training) -> AbstractContextManager[Recorder]:
        """Open the listener of the folds of one training."""

    def finished(self, result: StageResult) -> None:
        """Hear what a training gave, inside its context."""


class SilentSequence:
    """A sequence recorder that keeps nothing."""

    def stage(self, training: Training) -> AbstractContextManager[Recorder]:  # noqa: ARG002
        """Open nothing, see `SequenceRecorder.stage`."""
        return nullcontext(Silent())

    def finished(self, result: StageResult) -> None:
        """Forget the result, see `SequenceRecorder.finished`."""


def stage_target(plan: Plan, training: Training) -> Target:
    """Make the encoding of a training's classes.

    Multilabel outputs are the atoms of all classes still to come, from the first stage on; unless the
    head is the paper's, those that are the same for all known classes wait.
    """
    if plan.known is not None and training.stage.number == 0:
        return plan.known.target
    atoms = Multilabel(plan.order).atoms if training.encoding == Multilabel.name else None
    return make_target(training.encoding, training.stage.classes, atoms, wait=plan.params.head == "grow")


def run_sequences(
    plan: Plan,
    bench: Bench,
    recorder: SequenceRecorder,
    resume: Resume | None = None,
    known: Sequence[StageResult] = (),
) -> list[StageResult]:
    """Train all that a plan names, in its order; only models that a stage starts from keep their states.

    `resume` keeps ended trainings, and networks' checkpoints; the result is that of an unbroken run. `known`
    are first stages that were there before (`Plan.known`), with their states. `UserError` where a fold cannot
    give a volume, or `paper_fold` is no fold.
    """
    leaks = plan.params.measure_leak or plan.params.start == "paper"
    if leaks and plan.params.paper_fold >= len(bench.folds):
        raise UserError(
            f"sequential.paper_fold is {plan.params.paper_fold}, the folds are 0 to {len(bench.folds) - 1}: "
            "name one of them, or set measure_leak to false"
        )
    return _Sequences(plan, bench, recorder, resume, known).run()


class _Sequences:
    """The trainings of a plan, batch by batch."""

    def __init__(
        self,
        plan: Plan,
        bench: Bench,
        recorder: SequenceRecorder,
        resume: Resume | None,
        known: Sequence[StageResult],
    ) -> None:
        self.plan = plan
        self.bench = bench
        self.recorder = recorder
        self.resume = resume
        self.results = {result.training: result for result in known}
        self.parents = {plan.parent(training) for training in plan.trainings}

    def run(self) -> list[StageResult]:
        one: Trainable | None = None
        made_for: tuple[Encoding, int] | None = None
        for batch in _batches(self.plan):
            first = batch[0]
            if one is None or made_for != (first.encoding, first.stage.number):
                one = self.bench.make(first.encoding, stage_target(self.plan, first))
                made_for = first.encoding, first.stage.number
            parts = self._parts(batch, one)
            stored = {training: _load(training, parts[training], self.resume) for training in batch}
            if self.bench.heads and None in stored.values():
                stored = dict.fromkeys(batch)  # all of them anew: a smaller batch differs in the last digits
            self.results.update({training: found for training, found in stored.items() if found})
            new = {training: parts[training] for training, found in stored.items() if not found}
            starts = {training: _starts(self.plan, training, one, self.results) for training in new}
            if self.bench.heads:
                for result in _train_heads(self.plan, self.bench, one, new, starts):
                    self.results[result.training] = result
            for training in batch:
                self._record(training, one, new, starts)
        return [self.results[training] for training in self.plan.trainings]

    def _parts(self, batch: Sequence[Training], one: Trainable) -> dict[Training, list[FoldParts]]:
        labels = one.examples.labels.cpu().numpy()
        folds, samples = self.bench.folds, self.bench.sample_ids
        return {
            training: stage_parts(training, folds, labels, samples, self.plan.params) for training in batch
        }

    def _record(
        self,
        training: Training,
        one: Trainable,
        new: Mapping[Training, Sequence[FoldParts]],
        starts: Mapping[Training, States | None],
    ) -> None:
        """Let the recorder hear a training, which is trained now where it is a network, and store it."""
        with self.recorder.stage(training) as listener:
            if training in self.results:
                _tell(self.results[training], listener)
            else:
                self.results[training] = _train_networks(
                    self.plan, training, one, new[training], starts[training], listener, self.resume
                )
            if training in new:
                self.results[training] = self._embedded(self.results[training], one)
            self.recorder.finished(self.results[training])
        if training not in self.parents:
            self.results[training] = replace(self.results[training], states=())
        if training in new:
            _save(self.results[training], self.resume)

    def _embedded(self, result: StageResult, one: Trainable) -> StageResult:
        training = result.training
        first_seed = training.seed == self.plan.params.seeds[0]
        if training.volume == "full" and first_seed and training.arm in ("sequential", "direct"):
            return _embed(result, one)
        return result


def _batches(plan: Plan) -> list[list[Training]]:
    """Trainings of one encoding, stage and number of epochs; a stage comes after the one it starts from."""
    found: dict[tuple[Encoding, int, int], list[Training]] = defaultdict(list)
    for training in plan.trainings:
        found[training.encoding, training.stage.number, plan.epochs(training, 1)].append(training)
    return list(found.values())


def _starts(
    plan: Plan, training: Training, one: Trainable, results: Mapping[Training, StageResult]
) -> list[dict[str, Tensor]] | None:
    """State dicts that the folds start from; None for fresh ones."""
    parent = plan.parent(training)
    if parent is None:
        return None
    known = results[parent]
    redraw = plan.params.head == "paper" and training.encoding == "multiclass"
    outputs = stage_target(plan, parent).output_names
    starts = []
    for number in range(len(known.folds)):
        torch.manual_seed(_seed(training, number))
        fresh = one.build().state_dict()
        state = known.states[plan.starting_fold(training, number)]
        starts.append(grow(state, outputs, fresh, one.target.output_names, redraw))
    return starts


def _seed(training: Training, fold: int) -> int:
    """Derive a fold's own seed; arms and volumes of a stage share it: they draw the same numbers."""
    return fold_seed(_stage_seed(training), fold)


def _stage_seed(training: Training) -> int:
    return fold_seed(training.seed, training.stage.number)


def _train_heads(
    plan: Plan,
    bench: Bench,
    one: Trainable,
    wanted: Mapping[Training, Sequence[FoldParts]],
    starts: Mapping[Training, States | None],
) -> list[StageResult]:
    members = [
        HeadMember(
            torch.from_numpy(fold.train),
            torch.from_numpy(fold.val),
            replace(
                one.settings,
                epochs=plan.epochs(training, one.settings.epochs),
                seed=_seed(training, number),
            ),
            bench.dropout,
            None if (begun := starts[training]) is None else begun[number],
        )
        for training, parts in wanted.items()
        for number, fold in enumerate(parts)
    ]
    trained = iter(train_heads(members, one.build, one.target, one.examples))
    found = []
    for training, parts in wanted.items():
        own = [next(trained) for _ in parts]
        folds = [
            score_fold(number, result.fit, result.logits, one.target, one.examples.labels, fold)
            for number, (result, fold) in enumerate(zip(own, parts, strict=True))
        ]
        found.append(StageResult(training, parts, folds, [result.state for result in own]))
    return found


def _tell(result: StageResult, recorder: Recorder) -> None:
    for fold in result.folds:
        with recorder.fold(fold.fold) as listener:
            listener.history([asdict(scores) for scores in fold.fit.history])
            listener.finish(fold.scores, None)


def _train_networks(
    plan: Plan,
    training: Training,
    one: Trainable,
    parts: Sequence[FoldParts],
    starts: States | None,
    recorder: Recorder,
    resume: Resume | None,
) -> StageResult:
    models: list[nn.Module] = []

    def build() -> nn.Module:
        models.append(one.build())
        return models[-1]

    settings = replace(
        one.settings, epochs=plan.epochs(training, one.settings.epochs), seed=_stage_seed(training)
    )
    own = None if resume is None else resume.part(_place(training))
    folds = cross_validate(
        build, one.target, one.examples, parts, settings, recorder, resume=own, starts=starts
    )
    return StageResult(training, parts, folds, [model.state_dict() for model in models])


def _embed(result: StageResult, one: Trainable) -> StageResult:
    model, found = one.build(), []
    for state in result.states:
        model.load_state_dict(dict(state))
        found.append(embed_inputs(model, one.examples.inputs))
    return replace(result, embeddings=found)


def _place(training: Training) -> str:
    return f"{training.sequence}/{training.name}"


def _save(result: StageResult, resume: Resume | None) -> None:
    """Keep an ended training; the checkpoints of its folds are of no more use."""
    if resume is None:
        return
    state = {
        "states": [dict(state) for state in result.states],
        "embeddings": [torch.from_numpy(embedding) for embedding in result.embeddings],
        "folds": [
            {
                "kept_epoch": fold.fit.kept_epoch,
                "history": [asdict(scores) for scores in fold.fit.history],
                "scores": fold.scores,
                "probabilities": torch.from_numpy(fold.probabilities),
                "decoded": torch.from_numpy(fold.decoded),
            }
            for fold in result.folds
        ],
    }
    folder = resume.part(_place(result.training)).folder
    Checkpoints(folder / _RESULT).offer(1, lambda: state, final=True)
    for checkpoints in folder.glob("fold-*"):
        shutil.rmtree(checkpoints)


def _load(training: Training, parts: Sequence[FoldParts], resume: Resume | None) -> StageResult | None:
    state = None if resume is None else Checkpoints(resume.part(_place(training)).folder / _RESULT).load()
    if state is None:
        return None
    folds = [
        FoldResult(
            fold=number,
            fit=FitResult(fold["kept_epoch"], tuple(EpochScores(**scores) for scores in fold["history"])),
            scores=fold["scores"],
            probabilities=fold["probabilities"].numpy(),
            decoded=fold["decoded"].numpy(),
        )
        for number, fold in enumerate(state["folds"])
    ]
    embeddings = [embedding.numpy() for embedding in state["embeddings"]]
    return StageResult(training, parts, folds, state["states"], embeddings)
