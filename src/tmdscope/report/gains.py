"""What pre-trained weights and targets are worth: experiments less their counterparts, image by image."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.search import tuned_name
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Figure, Paragraph, Table, with_interval
from tmdscope.scores.intervals import NO_INTERVAL, Difference
from tmdscope.scores.paired import compare

_IMAGES = {"ensemble_test": "held-out test", "out_of_fold": "out-of-fold"}


@dataclass(frozen=True)
class Question:
    """What pairs of experiments are asked: of what, and what intervals above or below zero say.

    `itself` are the settings in which the two of a pair differ, or must not.
    """

    caption: str
    axis: str
    above: str
    below: str
    itself: frozenset[str]


PRETRAINING = Question(
    caption="Pre-trained less scratch at equal epochs",
    axis="pre-trained less scratch",
    above="pre-training helps",
    below="pre-training did harm here",
    itself=frozenset({"strategy", "weights", "target", "architecture", "epochs"}),
)
"""Fine-tuned less from scratch: what pre-trained weights are worth."""

TARGETS = Question(
    caption="Multiclass less multilabel, both read as the most probable material",
    axis="multiclass less multilabel",
    above="multiclass is better",
    below="multilabel is better here",
    itself=frozenset({"target", "strategy", "weights", "architecture", "epochs"}),
)
"""A class for each material less an output for each atom."""


@dataclass(frozen=True)
class Gain:
    """An experiment less its counterpart; `unequal` are further settings in which the two differ.

    `differences` holds ``ensemble_test`` and ``out_of_fold``; the latter not where a search found the
    settings of one of the two on these very images.
    """

    first: str
    second: str
    epochs: int
    unequal: tuple[str, ...]
    differences: Mapping[str, Difference]

    @property
    def pair(self) -> str:
        """The two, as a reader names the difference."""
        return f"{self.first} less {self.second}"

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form: ``epochs``, then the numbers on both sets of images."""
        differences = {name: asdict(difference) for name, difference in self.differences.items()}
        return {"epochs": self.epochs, **differences}


def pretraining_gains(
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    scoring: ScoringParams,
) -> list[Gain]:
    """Compare every fine-tuned experiment with those from scratch of the same target, network and epochs."""

    def is_pair(first: ExperimentParams, second: ExperimentParams) -> bool:
        return (first.strategy, second.strategy) == (Strategy.FINETUNE, Strategy.SCRATCH) and _alike(
            first, second, PRETRAINING.itself - {"strategy", "weights"}
        )

    return _pairs(experiments, predictions, classes, scoring, PRETRAINING, is_pair)


def target_gains(
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    scoring: ScoringParams,
) -> list[Gain]:
    """Compare every multiclass experiment with multilabel ones of the same network, weights and epochs."""

    def is_pair(first: ExperimentParams, second: ExperimentParams) -> bool:
        return (first.target, second.target) == ("multiclass", "multilabel") and _alike(
            first, second, TARGETS.itself - {"target"}
        )

    return _pairs(experiments, predictions, classes, scoring, TARGETS, is_pair)


def _pairs(
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    scoring: ScoringParams,
    question: Question,
    is_pair: Callable[[ExperimentParams, ExperimentParams], bool],
) -> list[Gain]:
    tuned = {tuned_name(name) for name in experiments}
    return [
        Gain(
            first=name,
            second=other,
            epochs=entry.epochs,
            unequal=_unequal(entry, base, question.itself),
            differences={
                images: found
                for images, found in compare(
                    predictions[name], predictions[other], classes, scoring.bootstrap, scoring.seed
                ).items()
                if images == "ensemble_test" or (name in tuned) == (other in tuned)
            },
        )
        for name, entry in experiments.items()
        for other, base in experiments.items()
        if is_pair(entry, base)
    ]


def _alike(one: ExperimentParams, other: ExperimentParams, keys: Iterable[str]) -> bool:
    return all(getattr(one, key) == getattr(other, key) for key in keys)


def gain_blocks(gains: Sequence[Gain], what: str, question: Question) -> list[Block]:
    """Write what the pairs of experiments say; empty where there is no pair."""
    if not gains:
        return []
    scored = [(gain, name, found) for gain in gains for name, found in gain.differences.items()]
    rows = [
        [
            gain.pair,
            str(gain.epochs),
            _IMAGES[name],
            f"{found.images} of {found.samples}",
            with_interval(found.accuracy, found.accuracy_ci95, percent=True),
            with_interval(found.macro_f1, found.macro_f1_ci95),
            verdict(found.macro_f1_ci95),
        ]
        for gain, name, found in scored
    ]
    bars = {
        f"{gain.pair}, {_IMAGES[name]}": (found.macro_f1, *drawable(found.macro_f1_ci95))
        for gain, name, found in scored
    }
    return [
        Table(
            f"{question.caption} ({what}): both predict the same images; the test by "
            "fold ensembles, out-of-fold images by the fold that validates on them. 95 % intervals of the "
            "paired difference, bootstrapped by sample. Where a search found the settings of one of the "
            "two, on these very out-of-fold images, only the test is shown",
            [
                "Experiments",
                "epochs",
                "on",
                "images of samples",
                "accuracy, points",
                "macro F1",
                "F1 interval",
            ],
            rows,
        ),
        *(Paragraph(sentence) for sentence in _sentences(gains, question)),
        Figure(
            f"Macro F1, {question.axis}, with 95 % intervals. Right of zero, {question.above}.",
            "Differences and their intervals: " + ", ".join(bars) + ".",
            intervals(bars, f"Macro F1, {question.axis}"),
        ),
    ]


def verdict(interval: Sequence[float] | None) -> str:
    """Say whether an interval lies above or below zero or includes it, or that there is none."""
    if interval is None:
        return NO_INTERVAL
    low, high = interval
    return "above zero" if low > 0 else "below zero" if high < 0 else "includes zero"


def _sentences(gains: Sequence[Gain], question: Question) -> list[str]:
    found = []
    for gain in gains:
        pair = f"{gain.first} and {gain.second}"
        for name, difference in gain.differences.items():
            said = verdict(difference.macro_f1_ci95)
            if said == NO_INTERVAL:
                found.append(
                    f"The {_IMAGES[name]} images are of 1 sample: {pair} cannot be told apart there."
                )
            elif said == "includes zero":
                found.append(
                    f"The interval on the {_IMAGES[name]} images includes zero: on {difference.images} "
                    f"images of {difference.samples} samples, {pair} cannot be told apart."
                )
            elif said == "below zero":
                found.append(
                    f"On the {_IMAGES[name]} images {gain.second} is better than {gain.first}: "
                    f"{question.below}."
                )
        if gain.unequal:
            found.append(f"{pair} also differ in {', '.join(gain.unequal)}.")
    return found


def _unequal(one: ExperimentParams, other: ExperimentParams, itself: frozenset[str]) -> tuple[str, ...]:
    return tuple(
        key.replace("_", " ")
        for key in ExperimentParams.model_fields
        if key not in itself and getattr(one, key) != getattr(other, key)
    )
