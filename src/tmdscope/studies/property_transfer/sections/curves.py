"""Learning curves: a figure, tables, and the paper's claims held against them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.report.answer import difference
from tmdscope.report.figures.scores import curves_figure, drawable
from tmdscope.report.page import Block, Claim, Figure, Note, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import with_interval
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, estimated, heading, in_text, ranged, unit_of
from tmdscope.studies.property_transfer.curves import ALL, COMPARED, Curves
from tmdscope.studies.property_transfer.sections.words import SIMULATED, verdict
from tmdscope.studies.property_transfer.ways import WAYS

_FEW = "100"
"""Labels at which ways are compared in words, where a curve has that point."""


@dataclass(frozen=True)
class CurvesPart(Part):
    """Errors against the number of dear labels; `key` is where their numbers are kept."""

    cohort: Cohort
    found: Curves
    simulated: bool
    key: str

    @property
    def metric(self) -> Metric:
        """By which ways are compared."""
        return self.cohort.task.primary

    @property
    def few(self) -> str:
        """A small number of labels that the curves have."""
        return _FEW if _FEW in self.found.labels else self.found.labels[0]

    def metrics(self) -> dict[str, Any]:
        """Collect every point, and the differences."""
        name, found = self.metric.name, self.found
        points = {
            way: {label: {name: found.point(way, label).values[name]} for label in own}
            for way, own in found.points.items()
        }
        differences = {}
        for first, second in COMPARED:
            short = f"{first.removesuffix('_known')}_less_{second.removesuffix('_known')}"
            for label in found.labels:
                gap = found.difference((first, second), label)
                differences[f"{short}_{label}"] = {name: gap.values[name], "ci95": gap.bounds[name]}
        coverage = {level: vars(one) for level, one in found.coverage.items()}
        return {self.key: {**points, **differences, "coverage": coverage}}

    def sentences(self) -> list[str]:
        """Say which way is best with few labels and with all, and what of the paper's claims holds."""
        metric, found = self.metric, self.found
        best = min(WAYS, key=lambda way: found.point(way, ALL).values[metric.name])
        point = found.point(best, ALL)
        first_said = (
            f"With all labels {WAYS[best].title} is best: {in_text(metric, estimated(metric, point))}, "
            f"{point.samples} compounds, each predicted by a model that never saw it."
        )
        said = [first_said]
        told = (COMPARED[0], self.few), (("difference_known", "latent_known"), self.few), (COMPARED[0], ALL)
        for pair, label in told:
            gap = found.difference(pair, label)
            first, second = (WAYS[one].title for one in pair)
            by = ranged(metric, gap.values[metric.name], gap.bounds[metric.name], sign=True)
            said.append(
                f"With {label} labels, {first} less {second}: {in_text(metric, by)}: that the first is "
                f"better {verdict(gap.bounds[metric.name])}."
            )
        return [*said, *self.pays()]

    def pays(self) -> list[str]:
        """Say with how many labels each way is better, or worse, than composition alone."""
        said = []
        for first, second in COMPARED:
            if second != "composition":
                continue
            gaps = {label: self.found.difference((first, second), label) for label in self.found.labels}
            words = {label: verdict(gap.bounds[self.metric.name]) for label, gap in gaps.items()}
            better, worse = ([k for k, w in words.items() if w == asked] for asked in ("holds", "fails"))
            told = f"better with {', '.join(better)} labels" if better else "nowhere better for certain"
            hurts = f", worse with {', '.join(worse)}" if worse else ""
            said.append(f"{capital(WAYS[first].title)}, beside {WAYS[second].title}: {told}{hurts}.")
        return said

    def claim(self) -> Claim:
        """Say what a known cheap value is worth with few labels."""
        metric, pair = self.metric, COMPARED[0]
        gap = self.found.difference(pair, self.few)
        value, bounds = gap.values[metric.name], gap.bounds[metric.name]
        first, second = (WAYS[one].title for one in pair)
        word = {"holds": "is better than", "fails": "is worse than"}.get(verdict(bounds), "is not told from")
        said = f"With {self.few} labels {first} {word} {second}."
        return Claim(said, difference("difference less composition", value, bounds, metric))

    def section(self) -> Section:
        """Draw the curves; tabulate them, the differences, other chemistry, and what intervals cover."""
        metric, found = self.metric, self.found
        drawn = Figure(
            f"{capital(metric.title)} on compounds that were not learnt from, by the number of compounds "
            f"whose dear property is known; mean of draws ({found.draws}, more where labels are few), 95 % "
            "intervals by compound.",
            "A falling line for each way.",
            curves_figure(self._lines(), "compounds with a dear label", heading(metric)),
        )
        blocks: list[Block] = [*([Note(SIMULATED)] if self.simulated else []), drawn, self._points()]
        return Section(
            "How many labels each way needs", [*blocks, self._claims(), self._chemistry(), self._covered()]
        )

    def _lines(self) -> dict[str, pd.DataFrame]:
        metric, found = self.metric, self.found
        most = len(self.cohort)
        x = [most if label == ALL else int(label) for label in found.labels]
        lines = {}
        for way in found.points:
            points = [found.point(way, label) for label in found.labels]
            bounds = np.array([drawable(point.bounds[metric.name]) for point in points])
            values = [point.values[metric.name] for point in points]
            columns = {
                "x": x,
                "label": found.labels,
                "value": values,
                "low": bounds[:, 0],
                "high": bounds[:, 1],
            }
            lines[WAYS[way].title] = pd.DataFrame(columns)
        return lines

    def _points(self) -> Table:
        metric, found = self.metric, self.found
        rows = [
            [WAYS[way].title, *(estimated(metric, found.point(way, label)) for label in found.labels)]
            for way in found.points
        ]
        return Table(
            f"{heading(metric, capital(metric.title))} by number of labels", ["Way", *found.labels], rows
        )

    def _claims(self) -> Table:
        """Hold the first of two ways against the second at every number of labels."""
        metric, found = self.metric, self.found
        rows = []
        for pair in COMPARED:
            gaps = [found.difference(pair, label) for label in found.labels]
            cells = [
                f"{ranged(metric, gap.values[metric.name], gap.bounds[metric.name], sign=True)} "
                f"{verdict(gap.bounds[metric.name])}"
                for gap in gaps
            ]
            rows.append([" less ".join(WAYS[one].title for one in pair), *cells])
        caption = f"Paired differences of {metric.title} ({unit_of(metric)}), and whether the first is better"
        return Table(caption, ["First less second", *found.labels], rows)

    def _chemistry(self) -> Table:
        metric, found = self.metric, self.found
        rows = [
            [
                WAYS[way].title,
                estimated(metric, found.point(way, ALL)),
                estimated(metric, Estimate.read(found.systems[way])),
                estimated(metric, Estimate.read(found.elements[way])),
            ]
            for way in found.systems
        ]
        caption = f"{heading(metric, capital(metric.title))} on less and less familiar chemistry"
        header = ["Way", "other compounds", "other chemical systems", "an element never seen"]
        return Table(caption, header, rows)

    def _covered(self) -> Table:
        rows = [
            [f"{float(level):.0%}", with_interval(one.share, one.ci95, percent=True), f"{one.width:.2f}"]
            for level, one in self.found.coverage.items()
        ]
        unit = unit_of(self.metric)
        caption = "Prediction intervals of the difference, cheap value known: how many compounds lie inside"
        return Table(caption, ["Promised", "inside (%)", f"mean width ({unit})"], rows)


def ways_called() -> Mapping[str, str]:
    """Name every way for a reader."""
    return {name: way.title for name, way in WAYS.items()}
