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

from tmdscope.learn.crossval import FoldParts
from tmdscope.params.sequential import Encoding, SequenceParams, Volume, part_sizes
from tmdscope.stage import UserError
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
    """The classes after one addition.

    Attributes
    ----------
    number : int
        How many additions came before, from 0.
    classes : tuple of str
        Known after it, in the order of their coming.
    added : str
        The class that came with it; empty for the first stage.
    """

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

    Attributes
    ----------
    arm : str
        How its models come about.
    encoding : {"multiclass", "multilabel"}
        Of its targets.
    seed : int
        Of its training and of the drawing of a volume.
    stage : Stage
        Its classes.
    volume : int or "full"
        Images of the added class in training and validation.
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
    """A model that was there before: the first stage is not trained.

    Attributes
    ----------
    target : Target
        Encoding of its classes.
    epochs : int
        How many it was trained for, all its stages together.
    """

    target: Target
    epochs: int


@dataclass(frozen=True)
class Plan:
    """All trainings of a sequence, each after the one that it starts from.

    Attributes
    ----------
    params : SequenceParams
        What was asked for.
    stages : tuple of Stage
        From the first.
    trainings : tuple of Training
        What is to be trained.
    known : Known, optional
        What the first stage already is.
    """

    params: SequenceParams
    stages: tuple[Stage, ...]
    trainings: tuple[Training, ...]
    known: Known | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """All classes, in the order of their coming."""
        return self.stages[-1].classes

    def label(self, classes: Sequence[str]) -> Rows:
        """Give images the numbers of their classes in the order of coming; those of no stage come last.

        Parameters
        ----------
        classes : sequence of str
            Class of each image.

        Returns
        -------
        numpy.ndarray
            int64, shape (N,).
        """
        places = {name: number for number, name in enumerate(self.order)}
        return np.array([places.get(name, len(places)) for name in classes], dtype=np.int64)

    def parent(self, training: Training) -> Training | None:
        """Find what a training starts from.

        Parameters
        ----------
        training : Training
            Of this plan.

        Returns
        -------
        Training or None
            The stage before at full volume; None for the first stage and for controls.
        """
        if training.stage.number == 0 or training.arm.startswith("direct"):
            return None
        before = self.stages[training.stage.number - 1]
        arm: Arm = training.arm if before.number else "sequential"
        return replace(training, arm=arm, stage=before, volume="full")

    def starting_fold(self, training: Training, fold: int) -> int:
        """Say which fold's model a fold starts from.

        Parameters
        ----------
        training : Training
            One with a parent.
        fold : int
            From 0.

        Returns
        -------
        int
            The same fold, or the one fold of the paper's code.
        """
        own = (self.params.start == "fold") == (training.arm != "other-start")
        return fold if own else self.params.paper_fold

    def epochs(self, training: Training, each: int) -> int:
        """Give the epochs of a training.

        Parameters
        ----------
        training : Training
            Of this plan.
        each : int
            Epochs of one stage.

        Returns
        -------
        int
            For the control of equal budget those of all stages so far.
        """
        if training.arm != "direct-equal-budget":
            return each
        return each * training.stage.number + (each if self.known is None else self.known.epochs)


def make_plan(params: SequenceParams, classes: Sequence[str], known: Known | None = None) -> Plan:
    """List what a sequence trains.

    Parameters
    ----------
    params : SequenceParams
        What is asked for.
    classes : sequence of str
        Classes of the data set.
    known : Known, optional
        What the first stage already is.

    Returns
    -------
    Plan
        For every encoding and stage: all seeds, volumes and arms.

    Raises
    ------
    ParamsError
        The order does not suit the data set.
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
    """Say which images a training sees.

    Parameters
    ----------
    training : Training
        Its stage, volume and seed.
    folds : sequence of FoldParts
        Of the whole study.
    labels : numpy.ndarray
        Class of each image in the order of their coming, int64, shape (N,).
    sample_ids : numpy.ndarray
        Sample of each image, shape (N,).
    params : SequenceParams
        How a volume is drawn: in a random order of samples, all images of one before those of the next, or
        in a random order of images; a smaller volume is part of a larger one.

    Returns
    -------
    list of FoldParts
        The classes of the stage only; the test is never reduced.

    Raises
    ------
    UserError
        A fold has fewer images of the added class than the volume.
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
