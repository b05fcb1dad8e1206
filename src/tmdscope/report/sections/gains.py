"""What pre-trained weights and targets are worth: experiments less their counterparts, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.search import tuned_name
from tmdscope.report.answer import difference
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import decided, readable
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.paired import compare
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import capital, estimated, heading

_IMAGES = {"ensemble_test": "held-out test", "out_of_fold": "out-of-fold"}
_ON = {"ensemble_test": "on the held-out test", "out_of_fold": "out of fold"}


@dataclass(frozen=True)
class Question:
    """What pairs of experiments are asked, and what it says where the first of a pair is better, or worse.

    The two of a pair have the values `first` and `second` of one `setting` and agree in those of `same`;
    `follows` are settings that go with it.
    """

    key: str
    caption: str
    axis: str
    better: str
    worse: str
    setting: str
    first: str
    second: str
    same: frozenset[str]
    follows: frozenset[str] = frozenset()

    def pairs(self, one: ExperimentParams, other: ExperimentParams) -> bool:
        """Say whether two experiments are compared."""
        asked = (getattr(one, self.setting), getattr(other, self.setting)) == (self.first, self.second)
        return asked and all(getattr(one, key) == getattr(other, key) for key in self.same)

    def unequal(self, one: ExperimentParams, other: ExperimentParams) -> tuple[str, ...]:
        """Name the further settings in which two differ."""
        asked = {self.setting, *self.same, *self.follows}
        own = [key for key in ExperimentParams.model_fields if key not in asked]
        return tuple(readable(key) for key in own if getattr(one, key) != getattr(other, key))


PRETRAINING = Question(
    key="pretraining",
    caption="Pre-trained less scratch at equal epochs",
    axis="pre-trained less scratch",
    better="pre-training helps",
    worse="pre-training did harm here",
    setting="strategy",
    first=Strategy.FINETUNE,
    second=Strategy.SCRATCH,
    same=frozenset({"target", "architecture", "epochs"}),
    follows=frozenset({"weights"}),
)
"""Fine-tuned less from scratch: what pre-trained weights are worth."""

TARGETS = Question(
    key="targets",
    caption="Multiclass less multilabel, both read as the most probable material",
    axis="multiclass less multilabel",
    better="multiclass is better",
    worse="multilabel is better here",
    setting="target",
    first="multiclass",
    second="multilabel",
    same=frozenset({"strategy", "weights", "architecture", "epochs"}),
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
    differences: Mapping[str, Estimate]

    @property
    def pair(self) -> str:
        """The two, as a reader names the difference."""
        return f"{self.first} less {self.second}"


def find_gains(
    question: Question,
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    scoring: ScoringParams,
) -> list[Gain]:
    """Compare every two experiments that a question is about."""
    tuned = {tuned_name(name) for name in experiments}
    draws = (scoring.bootstrap, scoring.seed)
    return [
        Gain(
            first=name,
            second=other,
            epochs=entry.epochs,
            unequal=question.unequal(entry, base),
            differences={
                images: found
                for images, found in compare(predictions[name], predictions[other], classes, *draws).items()
                if images == "ensemble_test" or (name in tuned) == (other in tuned)
            },
        )
        for name, entry in experiments.items()
        for other, base in experiments.items()
        if question.pairs(entry, base)
    ]


@dataclass(frozen=True)
class Gains:
    """What the pairs of experiments say to a question; the task's primary metric decides."""

    question: Question
    found: Sequence[Gain]
    task: Task

    @property
    def metric(self) -> Metric:
        """What decides."""
        return self.task.primary

    def metrics(self) -> dict[str, Any]:
        """Collect epochs, and the numbers on both sets of images, of every pair."""
        return {
            self.question.key: {
                gain.pair: {
                    "epochs": gain.epochs,
                    **{name: one.record() for name, one in gain.differences.items()},
                }
                for gain in self.found
            }
        }

    def sentences(self) -> list[str]:
        """Say what each pair says on the held-out test and out of fold."""
        return [self._says(gain) for gain in self.found]

    def _says(self, gain: Gain) -> str:
        better, worse = self.question.better, self.question.worse
        above, below = (better, worse) if self.metric.higher_is_better else (worse, better)
        parts = [
            f"{_ON[name]} {estimated(self.metric, one)}: "
            + decided(one.bounds[self.metric.name], above, below)
            for name, one in gain.differences.items()
        ]
        return f"{gain.pair}, {self.metric.title}: {'; '.join(parts)}."

    def blocks(self, what: str) -> list[Block]:
        """Write table, remarks and figure; none where there is no pair."""
        scored = [(gain, name, found) for gain in self.found for name, found in gain.differences.items()]
        if not scored:
            return []
        title, good = self.metric.title, "Right" if self.metric.higher_is_better else "Left"
        rows = [
            [
                gain.pair,
                str(gain.epochs),
                _IMAGES[name],
                f"{found.images} of {found.samples}",
                *(estimated(metric, found) for metric in self.task.metrics),
                decided(found.bounds[self.metric.name], "above zero", "below zero"),
            ]
            for gain, name, found in scored
        ]
        bars = {
            f"{gain.pair}, {_IMAGES[name]}": (
                found.values[self.metric.name],
                *drawable(found.bounds[self.metric.name]),
            )
            for gain, name, found in scored
        }
        of = [f"{one.title}, points" if one.percent else heading(one) for one in self.task.metrics]
        label = f"{capital(title)}, {self.question.axis}"
        return [
            Table(
                f"{self.question.caption} ({what}): both predict the same images; the test by "
                "fold ensembles, out-of-fold images by the fold that validates on them. 95 % intervals of "
                "the paired difference, bootstrapped by sample. Where a search found the settings of one of "
                "the two, on these very out-of-fold images, only the test is shown",
                ["Experiments", "epochs", "on", "images of samples", *of, f"{title} interval"],
                rows,
            ),
            *(
                Paragraph(f"{gain.first} and {gain.second} also differ in {', '.join(gain.unequal)}.")
                for gain in self.found
                if gain.unequal
            ),
            Figure(
                f"{label}, with 95 % intervals. {good} of zero, {self.question.better}.",
                "Differences and their intervals: " + ", ".join(bars) + ".",
                intervals(bars, label),
            ),
        ]


@dataclass(frozen=True)
class Asked(Part):
    """A question to pairs of experiments, in a section of its own; `what` the images are."""

    gains: Gains
    what: str

    def sentences(self) -> list[str]:
        """Say what each pair says."""
        return self.gains.sentences()

    def claim(self) -> Claim:
        """Say what the first pair says on held-out images."""
        gain, question, metric = self.gains.found[0], self.gains.question, self.gains.metric
        found = gain.differences["ensemble_test"]
        bounds = found.bounds[metric.name]
        sides = (question.better, question.worse)
        says = decided(bounds, *(sides if metric.higher_is_better else sides[::-1]))
        return Claim(
            f"{gain.pair}: {says}.", difference(gain.pair, found.values[metric.name], bounds, metric)
        )

    def section(self) -> Section | None:
        """Write table, remarks and figure."""
        blocks = self.gains.blocks(self.what)
        return Section(self.gains.question.caption, blocks) if blocks else None
