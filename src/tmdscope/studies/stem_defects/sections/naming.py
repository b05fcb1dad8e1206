"""How well windows are named, by noise: all classes, two of them merged, and what controls say."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.report.figures.defects import by_noise
from tmdscope.report.page import Claim, Figure, Gauge, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import percent, with_interval
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import StudyScores
from tmdscope.scores.task import CLASSES
from tmdscope.stem.crystal import PRISTINE
from tmdscope.studies.stem_defects.records import BORDER_ONLY
from tmdscope.studies.stem_defects.sections.detection import level

ALIKE = ("SW", "VW")
"""Kinds that noise leaves alike: 7 % of a column between them."""


@dataclass(frozen=True)
class Naming(Part):
    """How well windows are named, by noise: all classes, two of them merged, and what controls say."""

    predictions: pd.DataFrame
    scores: StudyScores
    target_noise: float

    @cached_property
    def by_method(self) -> dict[str, dict[float, dict[str, float]]]:
        """Shares of right names by method and noise: ``six``, ``merged``, ``pair``, ``seven``."""
        return {
            str(name): {float(noise): named(own) for noise, own in of.groupby("noise")}
            for name, of in self.predictions.groupby("method", sort=False)
        }

    @property
    def best(self) -> str:
        """The method that names most of the six right at usual noise."""
        honest = [name for name in self.by_method if name != BORDER_ONLY]
        return max(honest, key=lambda name: self.by_method[name][self.target_noise]["six"])

    def metrics(self) -> dict[str, Any]:
        """Collect those of the best method at usual noise, and all by method and noise."""
        key, own = CLASSES.plain.name, self.by_method[self.best][self.target_noise]
        told = {name: {level(k): one for k, one in of.items()} for name, of in self.by_method.items()}
        best = {name: {key: own[name]} for name in ("six", "merged")}
        return {"classify": {**best, "method": self.best, "noise": self.target_noise, "by_method": told}}

    def claim(self) -> Claim:
        """Say how many are named right."""
        own = self.by_method[self.best][self.target_noise]
        told = f"On conditions never seen {percent(own['six'], 0)} of 100 defects are named right at noise"
        readings = [
            Reading(words, own[key], f"{percent(own[key])} %")
            for key, words in (("six", "six kinds"), ("merged", f"{' and '.join(ALIKE)} as one"))
        ]
        return Claim(f"{told} {self.target_noise:g}.", Gauge(0.0, 1.0, readings))

    def sentences(self) -> list[str]:
        """Say what the best method does."""
        own = self.by_method[self.best][self.target_noise]
        border = self.by_method.get(BORDER_ONLY, {}).get(self.target_noise, {}).get("pair")
        told = f"; the border of the window alone tells these two in {percent(border)} %" if border else ""
        return [
            (
                f"At noise {self.target_noise:g}, on conditions never seen, {self.best} names "
                f"{percent(own['six'])} % of the six kinds right, {percent(own['merged'])} % with "
                f"{' and '.join(ALIKE)} as one{told}."
            )
        ]

    def section(self) -> Section:
        """Write the table, curves and pooled scores."""
        rows = [
            {
                "Method": name,
                "noise": f"{noise:g}",
                "six kinds": percent(own["six"]),
                f"{'+'.join(ALIKE)} merged": percent(own["merged"]),
                f"{' against '.join(ALIKE)}": percent(own["pair"]),
                f"with {PRISTINE}": percent(own["seven"]),
            }
            for name, of in self.by_method.items()
            for noise, own in of.items()
        ]
        pooled = [
            {
                "Method": name,
                **_with_intervals(one.pooled.all),
            }
            for name, one in self.scores.classifiers.items()
        ]
        curve = {name: {k: own["six"] for k, own in of.items()} for name, of in self.by_method.items()}
        return Section(
            "Naming defects",
            [
                Paragraph(
                    "Noise is added before anything is scaled, and the scale is the frame's. A matched "
                    "filter that knows place and probe tells SW from VW in 88.5 % of cases at noise 0.1, "
                    "which bounds six even classes by 96 %; what lies above it is a leak. The border of a "
                    "window tells which sublattice a site is of, and must not tell SW from VW: half is "
                    "chance."
                ),
                Table.of("Per cent named right, by noise, on conditions never seen", rows),
                Table.of("All noises together, with 95 % intervals over conditions", pooled),
                Figure(
                    "Share of the six kinds named right.", "share by noise", by_noise(curve, "share right")
                ),
            ],
        )


def _with_intervals(scores: Estimate) -> dict[str, str]:
    return {m.title: with_interval(scores.values[m.name], scores.bounds.get(m.name)) for m in CLASSES.metrics}


def named(own: pd.DataFrame) -> dict[str, float]:
    """Give shares named right: of six kinds, with two merged, of those two, and of all with pristine."""
    true, said = (own[name].to_numpy(dtype=object) for name in ("label", "predicted"))
    six, pair = true != PRISTINE, np.isin(true.astype(str), ALIKE)
    among = pair & np.isin(said.astype(str), ALIKE)
    same = true == said
    alike = same | among
    return {
        "six": float(same[six].mean()),
        "merged": float(alike[six].mean()),
        "pair": float(same[among].mean()) if among.any() else 0.5,
        "seven": float(same.mean()),
    }
