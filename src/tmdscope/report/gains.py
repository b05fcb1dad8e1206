"""What pre-trained weights are worth: fine-tuned experiments less those from scratch, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tmdscope.learn.intervals import Difference
from tmdscope.learn.paired import compare
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.report.figures.scores import intervals
from tmdscope.report.page import Block, Figure, Paragraph, Table, with_interval

_EQUAL = ("target", "architecture", "epochs")
_ITSELF = {"strategy", "weights", *_EQUAL}
_IMAGES = {"ensemble_test": "held-out test", "out_of_fold": "out-of-fold"}


@dataclass(frozen=True)
class Gain:
    """A fine-tuned experiment less one from scratch.

    Attributes
    ----------
    pretrained, scratch : str
        The experiments.
    epochs : int
        Of both.
    unequal : tuple of str
        Further settings in which the two differ.
    differences : dict
        ``ensemble_test`` and ``out_of_fold``.
    """

    pretrained: str
    scratch: str
    epochs: int
    unequal: tuple[str, ...]
    differences: Mapping[str, Difference]

    @property
    def pair(self) -> str:
        """The two, as a reader names the difference."""
        return f"{self.pretrained} less {self.scratch}"

    def to_dict(self) -> dict[str, Any]:
        """Give a JSON-like form.

        Returns
        -------
        dict
            ``epochs``, then the numbers on both sets of images.
        """
        differences = {name: asdict(difference) for name, difference in self.differences.items()}
        return {"epochs": self.epochs, **differences}


def pretraining_gains(
    experiments: Mapping[str, ExperimentParams],
    predictions: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    scoring: ScoringParams,
) -> list[Gain]:
    """Compare every fine-tuned experiment with those from scratch of the same target, network and epochs.

    Parameters
    ----------
    experiments : mapping
        Name to settings.
    predictions : mapping
        Name to the content of ``predictions.parquet``.
    classes : sequence of str
        Class names in label order.
    scoring : ScoringParams
        Of the intervals.

    Returns
    -------
    list of Gain
        One per pair; empty where a study has none.
    """
    of = {
        strategy: [(name, entry) for name, entry in experiments.items() if entry.strategy is strategy]
        for strategy in (Strategy.FINETUNE, Strategy.SCRATCH)
    }
    return [
        Gain(
            pretrained=name,
            scratch=other,
            epochs=entry.epochs,
            unequal=_unequal(entry, base),
            differences=compare(
                predictions[name], predictions[other], classes, scoring.bootstrap, scoring.seed
            ),
        )
        for name, entry in of[Strategy.FINETUNE]
        for other, base in of[Strategy.SCRATCH]
        if all(getattr(entry, key) == getattr(base, key) for key in _EQUAL)
    ]


def gain_blocks(gains: Sequence[Gain], what: str) -> list[Block]:
    """Write what pre-trained weights are worth.

    Parameters
    ----------
    gains : sequence of Gain
        The pairs.
    what : str
        The data set in a few words.

    Returns
    -------
    list
        Table, sentences and figure; empty where there is no pair.
    """
    if not gains:
        return []
    scored = [(gain, name, gain.differences[name]) for gain in gains for name in _IMAGES]
    rows = [
        [
            gain.pair,
            str(gain.epochs),
            _IMAGES[name],
            f"{found.images} of {found.samples}",
            with_interval(found.accuracy, found.accuracy_ci95, percent=True),
            with_interval(found.macro_f1, found.macro_f1_ci95),
            _verdict(found.macro_f1_ci95),
        ]
        for gain, name, found in scored
    ]
    bars = {
        f"{gain.pair}, {_IMAGES[name]}": (found.macro_f1, *found.macro_f1_ci95)
        for gain, name, found in scored
    }
    return [
        Table(
            f"Pre-trained less scratch at equal epochs ({what}): both predict the same images; the test by "
            "fold ensembles, out-of-fold images by the fold that validates on them. 95 % intervals of the "
            "paired difference, bootstrapped by sample",
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
        *(Paragraph(sentence) for sentence in _sentences(gains)),
        Figure(
            "Macro F1 of pre-trained less scratch, with 95 % intervals. Right of zero, pre-training helps.",
            "Differences and their intervals: " + ", ".join(bars) + ".",
            intervals(bars, "Macro F1, pre-trained less scratch"),
        ),
    ]


def _sentences(gains: Sequence[Gain]) -> list[str]:
    found = []
    for gain in gains:
        pair = f"{gain.pretrained} and {gain.scratch}"
        for name, difference in gain.differences.items():
            verdict = _verdict(difference.macro_f1_ci95)
            if verdict == "includes zero":
                found.append(
                    f"The interval on the {_IMAGES[name]} images includes zero: on {difference.images} "
                    f"images of {difference.samples} samples, {pair} cannot be told apart."
                )
            elif verdict == "below zero":
                found.append(
                    f"On the {_IMAGES[name]} images {gain.scratch} is better than {gain.pretrained}: "
                    "pre-training did harm here."
                )
        if gain.unequal:
            found.append(f"{pair} also differ in {', '.join(gain.unequal)}.")
    return found


def _verdict(interval: tuple[float, float]) -> str:
    low, high = interval
    return "above zero" if low > 0 else "below zero" if high < 0 else "includes zero"


def _unequal(one: ExperimentParams, other: ExperimentParams) -> tuple[str, ...]:
    return tuple(
        key.replace("_", " ")
        for key in ExperimentParams.model_fields
        if key not in _ITSELF and getattr(one, key) != getattr(other, key)
    )
