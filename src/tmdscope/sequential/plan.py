"""What a sequence trains: stages, volumes and controls, and which images each of them sees.

After Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Figure 4: two materials, then one more at each stage.
The volume of the added class counts its images in training and validation; older classes keep all of theirs.
The full-volume stage is what the next stage starts from, whatever that stage's own volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.splits import FoldParts
from tmdscope.errors import UserError
from tmdscope.params.sequential import Encoding, SequenceParams, Volume, part_sizes
from tmdscope.vision.targets import Target

Rows = NDArray[np.int64]

Arm = Literal["sequential", "direct", "direct-equal-budget", "other-start"]
"""How a stage's model comes about.

``sequential`` starts from the stage before; ``direct`` is trained anew for one stage's epochs and
``direct-equal-budget`` for those of all stages so far; ``other-start`` is sequential with the start
(`SequenceParams.start`) that the study does not use.
"""


@dataclass(frozen=True)
class Stage:
    """The classes after one addition, in the order of their coming; `added` is empty for stage 0."""

    number: int
    classes: tuple[str, ...]
    added: str

    @property
    def name(self) -> str:
        """Such as ``2-materials``."""
        return f"{len(self.classes)}-materials"


@dataclass(frozen=True)
class Training:
    """One cross-validation of a sequence.

    `volume` counts images of the added class in training and validation; the seed is also that of its
    drawing.
    """

    arm: Arm
    encoding: Encoding
    seed: int
    stage: Stage
    volume: Volume

    @property
    def name(self) -> str:
        """Such as ``3-materials-16-direct``; of its sequence, which has one encoding and seed."""
        arm = "" if self.arm == "sequential" else f"-{self.arm}"
        return f"{self.stage.name}-{self.volume}{arm}"

    @property
    def sequence(self) -> str:
        """Such as ``sequential-multiclass-1``: encoding and seed."""
        return f"sequential-{self.encoding}-{self.seed}"


@dataclass(frozen=True)
class Known:
    """A model that was there before, trained for so many epochs in all: the first stage is not trained."""

    target: Target
    epochs: int


@dataclass(frozen=True)
class Plan:
    """All trainings of a sequence, each after the one that it starts from."""

    params: SequenceParams
    stages: tuple[Stage, ...]
    trainings: tuple[Training, ...]
    known: Known | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """All classes, in the order of their coming."""
        return self.stages[-1].classes

    def label(self, classes: Sequence[str]) -> Rows:
        """Give images the numbers of their classes in the order of coming; those of no stage come last."""
        places = {name: number for number, name in enumerate(self.order)}
        return np.array([places.get(name, len(places)) for name in classes], dtype=np.int64)

    def parent(self, training: Training) -> Training | None:
        """Find what a training starts from: the stage before at full volume; None: the first, controls."""
        if training.stage.number == 0 or training.arm.startswith("direct"):
            return None
        before = self.stages[training.stage.number - 1]
        arm: Arm = training.arm if before.number else "sequential"
        return replace(training, arm=arm, stage=before, volume="full")

    def starting_fold(self, training: Training, fold: int) -> int:
        """Say which fold's model a fold starts from: the same fold's, or that of the paper's one fold."""
        own = (self.params.start == "fold") == (training.arm != "other-start")
        return fold if own else self.params.paper_fold

    def epochs(self, training: Training, each: int) -> int:
        """Give the epochs of a training; for the control of equal budget those of all stages so far."""
        if training.arm != "direct-equal-budget":
            return each
        return each * training.stage.number + (each if self.known is None else self.known.epochs)


def make_plan(params: SequenceParams, classes: Sequence[str], known: Known | None = None) -> Plan:
    """List what a sequence trains; `ParamsError` where the order does not suit the data set.

    For every encoding and stage: all seeds, volumes and arms.
    """
    order = params.order_of(classes)
    stages = tuple(
        Stage(number, order[: params.first + number], order[params.first + number - 1] if number else "")
        for number in range(len(order) - params.first + 1)
    )
    compared: list[Arm] = ["sequential", "direct", "direct-equal-budget"]
    wanted: list[tuple[Arm, Volume]] = [(arm, volume) for volume in params.volumes for arm in compared]
    if params.measure_leak:
        wanted.append(("other-start", "full"))
    first: list[tuple[Arm, Volume]] = [] if known else [("sequential", "full")]
    return Plan(
        params,
        stages,
        tuple(
            Training(arm, encoding, seed, stage, volume)
            for encoding in params.encodings
            for stage in stages
            for seed in params.seeds
            for arm, volume in (wanted if stage.number else first)
        ),
        known,
    )


def stage_parts(
    training: Training,
    folds: Sequence[FoldParts],
    labels: Rows,
    sample_ids: NDArray[Any],
    params: SequenceParams,
) -> list[FoldParts]:
    """Say which images a training sees: the classes of the stage only; the test is never reduced.

    Labels are in the order of the classes' coming. A volume is drawn in a random order of samples, all images
    of one before those of the next, or in a random order of images; a smaller volume is part of a larger one.
    A fold with fewer images of the added class than the volume is a `UserError`.
    """
    found = []
    for number, fold in enumerate(folds):
        train, val, test = (
            rows[labels[rows] < len(training.stage.classes)] for rows in (fold.train, fold.val, fold.test)
        )
        if training.volume != "full":
            for_train, for_val = part_sizes(training.volume)
            samples = sample_ids if params.reduce_by == "sample" else np.arange(len(labels))
            seed = [params.draw_seed, training.seed, training.stage.number, number]
            train = _reduce(train, for_train, training, labels, samples, [*seed, 0])
            val = _reduce(val, for_val, training, labels, samples, [*seed, 1])
        found.append(FoldParts(train, val, test))
    return found


def _reduce(
    rows: Rows, count: int, training: Training, labels: Rows, samples: NDArray[Any], seed: list[int]
) -> Rows:
    """Keep so many images of the added class, sample by sample."""
    added = labels[rows] == len(training.stage.classes) - 1
    candidates = rows[added]
    if len(candidates) < count:
        part = ("training", "validation")[seed[-1]]
        raise UserError(
            f"volume {training.volume} takes {count} {part} images of {training.stage.added}, of which fold "
            f"{seed[-2]} has {len(candidates)}: lower or remove this volume in sequential.volumes"
        )
    names, sample = np.unique(samples[candidates], return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))
    drawn = candidates[np.argsort(place[sample], kind="stable")[:count]]
    return np.sort(np.concatenate([rows[~added], drawn]))
