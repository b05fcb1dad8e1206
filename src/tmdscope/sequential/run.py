"""Training the stages of a sequence: heads on stored features many at once, networks one after another."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.errors import UserError
from tmdscope.learn.batched import HeadMember, train_heads
from tmdscope.learn.checkpoint import EpochScores
from tmdscope.learn.crossval import FoldResult, cross_validate, fold_seed, score_fold
from tmdscope.learn.experiment import Trainable
from tmdscope.learn.fit import FitResult
from tmdscope.learn.recorder import Recorder
from tmdscope.learn.resume import Checkpoints, Resume
from tmdscope.params.sequential import Encoding
from tmdscope.scores.task import read_task
from tmdscope.sequential.expansion import expand
from tmdscope.sequential.plan import Plan, Training, stage_parts
from tmdscope.vision.features import embed_inputs
from tmdscope.vision.targets import Multilabel, Target, make_target

States = Sequence[Mapping[str, Tensor]]
"""State dict of every fold's kept model."""

_RESULT = "result"
"""Folder of an ended training in an attempt."""


@dataclass(frozen=True)
class Setup:
    """What a sequence is trained with.

    `make`, given an encoding's name and a stage's target, prepares what is trained; its examples are labelled
    in the order of the classes' coming. `heads` on stored features train many at once.
    """

    make: Callable[[Encoding, Target], Trainable]
    folds: Sequence[FoldParts]
    sample_ids: NDArray[Any]
    heads: bool


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
    setup: Setup,
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
    if leaks and plan.params.paper_fold >= len(setup.folds):
        raise UserError(
            f"sequential.paper_fold is {plan.params.paper_fold}, the folds are 0 to {len(setup.folds) - 1}: "
            "name one of them, or set measure_leak to false"
        )
    return _Sequences(plan, setup, recorder, resume, {result.training: result for result in known}).run()


@dataclass
class _Sequences:
    """The trainings of a plan, batch by batch; `one` is what the batch under way trains."""

    plan: Plan
    setup: Setup
    recorder: SequenceRecorder
    resume: Resume | None
    results: dict[Training, StageResult]
    one: Trainable = field(init=False)

    def __post_init__(self) -> None:
        self.parents = {self.plan.parent(training) for training in self.plan.trainings}

    def run(self) -> list[StageResult]:
        made_for: tuple[Encoding, int] | None = None
        for batch in _batches(self.plan):
            first = batch[0]
            if made_for != (first.encoding, first.stage.number):
                self.one = self.setup.make(first.encoding, stage_target(self.plan, first))
                made_for = first.encoding, first.stage.number
            self._run_batch(batch)
        return [self.results[training] for training in self.plan.trainings]

    def _run_batch(self, batch: Sequence[Training]) -> None:
        labels = self.one.examples.labels.cpu().numpy()
        parts = {
            training: stage_parts(training, self.setup.folds, labels, self.setup.sample_ids, self.plan.params)
            for training in batch
        }
        stored = {training: _load(training, parts[training], self.resume) for training in batch}
        if self.setup.heads and None in stored.values():
            stored = dict.fromkeys(batch)  # all of them anew: a smaller batch differs in the last digits
        self.results.update({training: found for training, found in stored.items() if found})
        new = {training: parts[training] for training, found in stored.items() if not found}
        starts = {training: self._starts(training) for training in new}
        if self.setup.heads:
            self._train_heads(new, starts)
        for training in batch:
            with self.recorder.stage(training) as listener:
                if training in self.results:
                    self._replay(training, listener)
                else:
                    self._train_networks(training, new[training], starts[training], listener)
                if training in new and self._is_shown(training):
                    self._embed(training)
                self.recorder.finished(self.results[training])
            if training not in self.parents:
                self.results[training] = replace(self.results[training], states=())
            if training in new:
                _save(self.results[training], self.resume)

    def _starts(self, training: Training) -> list[dict[str, Tensor]] | None:
        """State dicts that the folds start from; None for fresh ones."""
        parent = self.plan.parent(training)
        if parent is None:
            return None
        known, outputs = self.results[parent], stage_target(self.plan, parent).output_names
        redraw = self.plan.params.head == "paper" and training.encoding == "multiclass"
        starts = []
        for number in range(len(known.folds)):
            torch.manual_seed(_seed(training, number))
            fresh = self.one.build().state_dict()
            state = known.states[self.plan.starting_fold(training, number)]
            starts.append(expand(state, outputs, fresh, self.one.target.output_names, redraw))
        return starts

    def _train_heads(
        self, wanted: Mapping[Training, Sequence[FoldParts]], starts: Mapping[Training, States | None]
    ) -> None:
        """Train all folds of some trainings at once."""
        one, members = self.one, []
        for training, parts in wanted.items():
            begun, epochs = starts[training], self.plan.epochs(training, one.settings.epochs)
            for number, fold in enumerate(parts):
                settings = replace(one.settings, epochs=epochs, seed=_seed(training, number))
                members.append(
                    HeadMember(
                        torch.from_numpy(fold.train),
                        torch.from_numpy(fold.val),
                        settings,
                        start=begun[number] if begun else None,
                    )
                )
        trained = iter(train_heads(members, one.build, one.target, one.examples))
        for training, parts in wanted.items():
            own = [next(trained) for _ in parts]
            folds = [
                score_fold(number, result.fit, result.logits, one.target, one.examples.labels, fold)
                for number, (result, fold) in enumerate(zip(own, parts, strict=True))
            ]
            self.results[training] = StageResult(training, parts, folds, [result.state for result in own])

    def _train_networks(
        self, training: Training, parts: Sequence[FoldParts], starts: States | None, recorder: Recorder
    ) -> None:
        """Train the folds of one training, one after another."""
        one, models = self.one, list[nn.Module]()

        def build() -> nn.Module:
            models.append(one.build())
            return models[-1]

        epochs = self.plan.epochs(training, one.settings.epochs)
        settings = replace(one.settings, epochs=epochs, seed=_stage_seed(training))
        own = None if self.resume is None else self.resume.part(_place(training))
        folds = cross_validate(
            build, one.target, one.examples, parts, settings, recorder, resume=own, starts=starts
        )
        states = [model.state_dict() for model in models]
        self.results[training] = StageResult(training, parts, folds, states)

    def _replay(self, training: Training, recorder: Recorder) -> None:
        """Let a recorder hear what was trained before."""
        metric = read_task(self.one.target.task).primary
        for fold in self.results[training].folds:
            with recorder.fold(fold.fold) as listener:
                listener.history([scores.named(metric) for scores in fold.fit.history])
                listener.finish(fold.scores, None)

    def _is_shown(self, training: Training) -> bool:
        first_seed = training.seed == self.plan.params.seeds[0]
        return training.volume == "full" and first_seed and training.arm in ("sequential", "direct")

    def _embed(self, training: Training) -> None:
        model, found = self.one.build(), []
        for state in self.results[training].states:
            model.load_state_dict(dict(state))
            found.append(embed_inputs(model, self.one.examples.inputs))
        self.results[training] = replace(self.results[training], embeddings=found)


def _batches(plan: Plan) -> list[list[Training]]:
    """Trainings of one encoding, stage and number of epochs; a stage comes after the one it starts from."""
    found: dict[tuple[Encoding, int, int], list[Training]] = defaultdict(list)
    for training in plan.trainings:
        found[training.encoding, training.stage.number, plan.epochs(training, 1)].append(training)
    return list(found.values())


def _seed(training: Training, fold: int) -> int:
    """Derive a fold's own seed; arms and volumes of a stage share it: they draw the same numbers."""
    return fold_seed(_stage_seed(training), fold)


def _stage_seed(training: Training) -> int:
    return fold_seed(training.seed, training.stage.number)


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
    Checkpoints(folder / _RESULT).save(1, lambda: state, final=True)
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
