"""What pre-training, fine-tuning and targets are worth: experiments less their counterparts, paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from tmdscope.params.architectures import WeightsName
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.search import tuned_name
from tmdscope.report.answer import difference
from tmdscope.report.figures.scores import drawable, intervals
from tmdscope.report.page import Block, Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import decided, readable
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.paired import compare
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import capital, estimated, heading

_IMAGES = {"ensemble_test": "held-out test", "out_of_fold": "out-of-fold"}
_ON = {"ensemble_test": "on the held-out test", "out_of_fold": "out of fold"}


@dataclass(frozen=True)
class Question:
    """What pairs of experiments are asked, and what it says where the first of a pair is better, or worse.

    The two of a pair have one of the values `first`, and `second`, of one `setting` and agree in those of
    `same`; `follows` are settings that go with it.
    """

    key: str
    asks: str
    caption: str
    axis: str
    better: str
    worse: str
    setting: str
    first: frozenset[str]
    second: str
    same: frozenset[str]
    follows: frozenset[str] = frozenset()

    def pairs(self, one: ExperimentParams, other: ExperimentParams) -> bool:
        """Say whether two experiments are compared."""
        asked = getattr(one, self.setting) in self.first and getattr(other, self.setting) == self.second
        return asked and all(getattr(one, key) == getattr(other, key) for key in self.same)

    def unequal(self, one: ExperimentParams, other: ExperimentParams) -> tuple[str, ...]:
        """Name the further settings in which two differ."""
        asked = {self.setting, *self.same, *self.follows}
        own = [key for key in ExperimentParams.model_fields if key not in asked]
        return tuple(readable(key) for key in own if getattr(one, key) != getattr(other, key))


PRETRAINING = Question(
    key="pretraining",
    asks="Did pre-training help?",
    caption="Pre-trained less scratch at equal epochs",
    axis="pre-trained less scratch",
    better="pre-training helps",
    worse="pre-training did harm here",
    setting="strategy",
    first=frozenset({Strategy.FINETUNE}),
    second=Strategy.SCRATCH,
    same=frozenset({"target", "architecture", "epochs"}),
    follows=frozenset({"weights"}),
)
"""Fine-tuned less from scratch: what pre-trained weights are worth."""

_TRAINED = frozenset(get_args(WeightsName)) - {"none"}

FROZEN = Question(
    key="frozen_pretraining",
    asks="Did pre-training help a backbone that stays frozen?",
    caption="Heads on a pre-trained backbone less heads on one of random numbers",
    axis="pre-trained less random, both frozen",
    better="pre-training helps",
    worse="pre-training did harm here",
    setting="weights",
    first=_TRAINED,
    second="none",
    same=frozenset({"strategy", "target", "architecture", "epochs"}),
)
"""What pre-trained weights are worth where only a head is trained."""

SOURCES = Question(
    key="sources",
    asks="Are weights of photographs or micrographs better than those of simulated scans?",
    caption="Published weights less weights `simulated`",
    axis="published less simulated",
    better="published weights are better",
    worse="weights of simulated scans are better here",
    setting="weights",
    first=_TRAINED - {"simulated"},
    second="simulated",
    same=frozenset({"strategy", "target", "architecture", "epochs"}),
)
"""What the backbone was trained on."""

TUNING = Question(
    key="fine_tuning",
    asks="Did fine-tuning help?",
    caption="Fine-tuned less frozen, from the same weights",
    axis="fine-tuned less frozen",
    better="fine-tuning helps",
    worse="the frozen backbone is better here",
    setting="strategy",
    first=frozenset({Strategy.FINETUNE, Strategy.PARTIAL}),
    second=Strategy.FEATURES,
    same=frozenset({"target", "architecture", "weights"}),
)
"""What training the backbone adds to training a head."""

HEADS = Question(
    key="frozen_against_scratch",
    asks="Is a head on a frozen backbone better than a whole network from scratch?",
    caption="Frozen less scratch",
    axis="frozen less scratch",
    better="the frozen backbone is better",
    worse="training from scratch is better here",
    setting="strategy",
    first=frozenset({Strategy.FEATURES}),
    second=Strategy.SCRATCH,
    same=frozenset({"target", "architecture"}),
    follows=frozenset({"weights"}),
)
"""What a frozen backbone is worth."""

TARGETS = Question(
    key="targets",
    asks="Is an output for each material better than one for each atom?",
    caption="Multiclass less multilabel, both read as the most probable material",
    axis="multiclass less multilabel",
    better="multiclass is better",
    worse="multilabel is better here",
    setting="target",
    first=frozenset({"multiclass"}),
    second="multilabel",
    same=frozenset({"strategy", "weights", "architecture", "epochs"}),
)
"""A class for each material less an output for each atom."""

QUESTIONS = (PRETRAINING, FROZEN, SOURCES, TUNING, HEADS, TARGETS)
"""All that pairs of experiments are asked."""


@dataclass(frozen=True)
class Gain:
    """An experiment less its counterpart, with both weights; `unequal` are further settings that differ.

    `differences` holds ``ensemble_test`` and ``out_of_fold``; the latter not where a search found the
    settings of one of the two on these very images.
    """

    first: str
    second: str
    weights: tuple[str, str]
    epochs: int
    unequal: tuple[str, ...]
    differences: Mapping[str, Estimate]

    @property
    def pair(self) -> str:
        """The two, as a reader names the difference."""
        return f"{self.first} less {self.second}"

    @property
    def weighted(self) -> str:
        """The two with what their backbones start from."""
        return " less ".join(
            f"{name} ({'random' if weights == 'none' else weights} weights)"
            for name, weights in zip((self.first, self.second), self.weights, strict=True)
        )


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
            weights=(entry.weights, base.weights),
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
class Gains(Part):
    """What the pairs of experiments say to a question; the task's primary metric decides.

    `what` counts the images.
    """

    question: Question
    found: Sequence[Gain]
    task: Task
    what: str

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
        """Answer in words, and say what each pair says on the held-out test and out of fold."""
        if not self.found:
            return []
        return [" ".join([self.question.asks, self.answer(), *map(self._says, self.found)])]

    def answer(self) -> str:
        """Say what all intervals say together."""
        signs = {
            _sign(one.bounds[self.metric.name]) for gain in self.found for one in gain.differences.values()
        }
        if signs == {0}:
            return "These images do not decide it."
        if len(signs - {0}) > 1:
            return "It depends on the experiment and the images."
        said = "Yes" if (1 in signs) == self.metric.higher_is_better else "No"
        return f"{said}, but not every interval leaves out zero." if 0 in signs else f"{said}."

    def claim(self) -> Claim | None:
        """Answer, beside the first pair's difference on the held-out test."""
        if not self.found:
            return None
        one, metric = self.found[0].differences["ensemble_test"], self.metric
        value, bounds = one.values[metric.name], one.bounds[metric.name]
        said = f"{self.answer()} Beside: {self.found[0].weighted}, held-out test."
        return Claim(said, difference(self.found[0].pair, value, bounds, metric))

    def _says(self, gain: Gain) -> str:
        better, worse = self.question.better, self.question.worse
        above, below = (better, worse) if self.metric.higher_is_better else (worse, better)
        parts = [
            f"{_ON[name]} {estimated(self.metric, one)}: "
            + decided(one.bounds[self.metric.name], above, below)
            for name, one in gain.differences.items()
        ]
        return f"{gain.pair}, {self.metric.title}: {'; '.join(parts)}."

    def section(self) -> Section | None:
        """Write table, remarks and figure; none where there is no pair."""
        scored = [(gain, name, found) for gain in self.found for name, found in gain.differences.items()]
        if not scored:
            return None
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
        blocks: list[Block] = [
            Table(
                f"{self.question.caption} ({self.what}): both predict the same images; the test by "
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
        return Section(self.question.asks, blocks)


def _sign(bounds: Bounds) -> int:
    """Say on which side of zero a whole interval is; 0 where it holds zero or there is none."""
    if bounds is None:
        return 0
    return int(bounds[0] > 0) - int(bounds[1] < 0)
