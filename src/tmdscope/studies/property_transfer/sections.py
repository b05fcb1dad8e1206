"""What the report says of learning curves, of the benchmark and of reaction paths."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tmdscope.report.figures.scores import curves_figure, drawable
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import with_interval
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, estimated, heading, in_text, ranged, unit_of, valued
from tmdscope.studies.property_transfer import reactions
from tmdscope.studies.property_transfer.benchmark import LOOKUP, RUNGS, Benchmark
from tmdscope.studies.property_transfer.curves import ALL, COMPARED, Curves
from tmdscope.studies.property_transfer.reactions import Cancelling
from tmdscope.studies.property_transfer.ways import WAYS

SIMULATED = "Simulated compounds: a stand-in with a known truth, not physics."

_FEW = "100"
"""Labels at which ways are compared in words, where a curve has that point."""

_RECORDS = {
    "dummy": 1.144,
    "random forest on Magpie": 0.446,
    "MODNet": 0.333,
    "CrabNet tuned by SAASBO": 0.331,
    "Darwin, a language model": 0.287,
}
"""Published on the official folds of ``matbench_expt_gap``, eV: matbench.materialsproject.org."""


def verdict(bounds: Bounds) -> str:
    """Say in one word whether a claim, that a difference of errors is below 0, holds."""
    if bounds is None:
        return "cannot be told"
    low, high = bounds
    return "holds" if high < 0 else "fails" if low > 0 else "cannot be told"


@dataclass(frozen=True)
class CurvesPart(Part):
    """Errors against the number of dear labels; `key` is where their numbers are kept."""

    cohort: Cohort
    found: Curves
    simulated: bool

    @property
    def _metric(self) -> Metric:
        return self.cohort.task.primary

    @property
    def _few(self) -> str:
        return _FEW if _FEW in self.found.labels else self.found.labels[0]

    def metrics(self) -> dict[str, Any]:
        """Collect every point, and the differences."""
        name, found = self._metric.name, self.found
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
        key = "simulated_gap" if self.simulated else "band_gap"
        return {key: {**points, **differences, "coverage": coverage}}

    def sentences(self) -> list[str]:
        """Say which way is best with few labels and with all, and what of the paper's claims holds."""
        metric, found = self._metric, self.found
        best = min(WAYS, key=lambda way: found.point(way, ALL).values[metric.name])
        point = found.point(best, ALL)
        said = [
            f"{SIMULATED} " * self.simulated + f"With all labels {WAYS[best].title} is best: "
            f"{in_text(metric, estimated(metric, point))}, {point.samples} compounds, each predicted by a "
            f"model that never saw it."
        ]
        for pair, label in ((COMPARED[0], self._few), (COMPARED[3], self._few), (COMPARED[3], ALL)):
            gap = found.difference(pair, label)
            first, second = (WAYS[one].title for one in pair)
            told = ranged(metric, gap.values[metric.name], gap.bounds[metric.name], sign=True)
            said.append(
                f"With {label} labels, {first} less {second}: {in_text(metric, told)}: that the first is "
                f"better {verdict(gap.bounds[metric.name])}."
            )
        return said

    def section(self) -> Section:
        """Draw the curves; tabulate them, the differences, other chemistry, and what intervals cover."""
        metric, found = self._metric, self.found
        drawn = Figure(
            f"{capital(metric.title)} on compounds that were not learnt from, by the number of compounds "
            f"whose dear property is known; mean of {found.draws} draws, 95 % intervals by compound.",
            "A falling line for each way.",
            curves_figure(self._lines(), "compounds with a dear label", heading(metric)),
        )
        blocks: list[Block] = [*([Note(SIMULATED)] if self.simulated else []), drawn, self._points()]
        return Section(
            "How many labels each way needs", [*blocks, self._claims(), self._chemistry(), self._covered()]
        )

    def _lines(self) -> dict[str, pd.DataFrame]:
        metric, found = self._metric, self.found
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
        metric, found = self._metric, self.found
        rows = [
            [WAYS[way].title, *(estimated(metric, found.point(way, label)) for label in found.labels)]
            for way in found.points
        ]
        return Table(
            f"{heading(metric, capital(metric.title))} by number of labels", ["Way", *found.labels], rows
        )

    def _claims(self) -> Table:
        """Hold the first of two ways against the second at every number of labels."""
        metric, found = self._metric, self.found
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
        metric, found = self._metric, self.found
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
        unit = unit_of(self._metric)
        caption = "Prediction intervals of the difference, cheap value known: how many compounds lie inside"
        return Table(caption, ["Promised", "inside (%)", f"mean width ({unit})"], rows)


@dataclass(frozen=True)
class BenchmarkPart(Part):
    """Three rungs of inputs on official folds."""

    metric: Metric
    found: Benchmark
    simulated: bool

    def metrics(self) -> dict[str, Any]:
        """Collect mean over folds and every fold, by rung."""
        if not self.found.enabled:
            return {}
        name = self.metric.name
        numbers: dict[str, Any] = {
            rung: {
                name: float(np.mean(one.folds)),
                f"{name}_per_fold": one.folds,
                **({} if one.systems is None else {f"systems_{name}": one.systems[name]}),
            }
            for rung, one in self.found.rungs.items()
        }
        numbers[LOOKUP][name] = self.found.rungs[LOOKUP].all[name]
        return {"simulated_benchmark" if self.simulated else "matbench_expt_gap": numbers}

    def sentences(self) -> list[str]:
        """Say what each rung gives."""
        if not self.found.enabled:
            return []
        told = [
            f"{words} {valued(self.metric, float(np.mean(self.found.rungs[rung].folds)))}"
            for rung, words in RUNGS.items()
        ]
        what = "simulated benchmark" if self.simulated else "matbench_expt_gap, official folds"
        return [f"{capital(what)}, mean {heading(self.metric)} over folds: {', '.join(told)}."]

    def section(self) -> Section | None:
        """Tabulate rungs fold by fold, their differences, other chemistry, and published records."""
        if not self.found.enabled:
            return None
        metric, found = self.metric, self.found
        folds = [f"fold {number}" for number in range(len(found.rungs["composition"].folds))]
        rows = [
            [
                RUNGS.get(rung, "lowest cheap gap, where known"),
                valued(metric, float(np.mean(one.folds))),
                *(valued(metric, value) for value in one.folds),
                estimated(metric, Estimate.read(one.all)),
                "-" if one.systems is None else estimated(metric, Estimate.read(one.systems)),
            ]
            for rung, one in found.rungs.items()
        ]
        header = ["Inputs", "mean over folds", *folds, "all compounds", "other chemical systems"]
        blocks: list[Block] = [
            Paragraph(
                f"Trees whose median is the prediction. The cheap gap is predicted by boosting on {found.wide} "
                "compounds, none of which, nor nearly the same, is in the benchmark; on those it errs by "
                f"{found.cheap_error:.3f} {metric.unit} on average."
            ),
            Table(f"{capital(heading(metric))}, inputs each with those above", header, rows),
            self._steps(),
        ]
        if self.simulated:
            blocks.insert(0, Note(SIMULATED))
        else:
            published = [[name, valued(metric, value)] for name, value in _RECORDS.items()]
            blocks.append(Table("Published on the same folds", ["Model", heading(metric)], published))
        return Section("Measured gaps on official folds", blocks)

    def _steps(self) -> Table:
        metric = self.metric
        rows = []
        for name, record in self.found.differences.items():
            gap = Estimate.read(record)
            bounds = gap.bounds[metric.name]
            later, first = (RUNGS[part] for part in name.split(" less "))
            told = ranged(metric, gap.values[metric.name], bounds, sign=True)
            rows.append([f"{later}, less {first}", told, verdict(bounds)])
        return Table(
            "What each further input gives, paired by compound", ["Step", heading(metric), "better?"], rows
        )


@dataclass(frozen=True)
class ReactionsPart(Part):
    """Errors of barriers that cancel, simulated."""

    metric: Metric
    found: Cancelling

    def metrics(self) -> dict[str, Any]:
        """Collect the errors of single barriers and of differences, and how alike errors are."""
        name, found = self.metric.name, self.found
        return {
            "simulated_reactions": {
                way: {
                    f"single_{name}": found.single[way][name],
                    f"between_{name}": found.between[way][name],
                    "alike": found.alike[way],
                }
                for way in found.single
            }
        }

    def sentences(self) -> list[str]:
        """Say whether errors cancel."""
        metric, said = self.metric, []
        for way, record in self.found.gains.items():
            gap = Estimate.read(record)
            told = ranged(metric, gap.values[metric.name], gap.bounds[metric.name], sign=True)
            said.append(
                f"Simulated reaction paths, last barrier less the first, {reactions.WAYS[way]} "
                f"less {reactions.WAYS[reactions.INDEPENDENT]}: {in_text(metric, told)}: that errors "
                f"cancel better {verdict(gap.bounds[metric.name])}."
            )
        return said

    def section(self) -> Section:
        """Tabulate both errors."""
        metric, found = self.metric, self.found
        rows = [
            [
                capital(words),
                *(estimated(metric, Estimate.read(of[way])) for of in (found.single, found.between)),
                f"{found.alike[way]:.2f}",
            ]
            for way, words in reactions.WAYS.items()
        ]
        header = ["Way", "a barrier", "last less first", "correlation of both errors"]
        about = (
            "Simulated barriers: linear scaling with two shared binding energies, of which the inputs tell a "
            "part, and scatter that the barriers of a path share. The NO-reduction barriers of the paper are "
            "not to be had."
        )
        return Section(
            "Errors that cancel", [Note(about), Table(heading(metric, capital(metric.title)), header, rows)]
        )


def ways_called() -> Mapping[str, str]:
    """Name every way for a reader."""
    return {name: way.title for name, way in WAYS.items()}
