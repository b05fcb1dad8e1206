"""The benchmark on official folds, beside what others have published on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tmdscope.report.page import Block, Claim, Gauge, Note, Paragraph, Reading, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import with_interval
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, estimated, heading, ranged, valued
from tmdscope.studies.property_transfer.benchmark import Benchmark
from tmdscope.studies.property_transfer.rungs import LOOKUP, RUNGS
from tmdscope.studies.property_transfer.sections.words import SIMULATED, verdict

_RECORDS = {
    "dummy": 1.144,
    "random forest on Magpie": 0.446,
    "MODNet": 0.333,
    "CrabNet tuned by SAASBO": 0.331,
    "Darwin, a language model": 0.287,
}
"""Published on the official folds of ``matbench_expt_gap``, eV: matbench.materialsproject.org."""


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
                **({"coverage": {k: vars(v) for k, v in one.coverage.items()}} if one.coverage else {}),
            }
            for rung, one in self.found.rungs.items()
        }
        numbers[LOOKUP][name] = self.found.rungs[LOOKUP].all[name]
        for key, one in self.found.differences.items():
            numbers[key.replace(" ", "_")] = {name: one[name], "ci95": one[f"{name}_ci95"]}
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

    def claim(self) -> Claim | None:
        """Say whether a cheap gap helps on the benchmark, beside every rung."""
        if not self.found.enabled:
            return None
        name, rungs = self.metric.name, {rung: self.found.rungs[rung] for rung in RUNGS}
        known = self.found.differences["dft_known less dft_predicted"]
        word = {"holds": "helps", "fails": "hurts"}.get(
            verdict(known[f"{name}_ci95"]), "is not shown to help"
        )
        readings = [
            Reading(capital(RUNGS[rung]), one.all[name], estimated(self.metric, Estimate.read(one.all)), None)
            for rung, one in rungs.items()
        ]
        highest = max(reading.value for reading in readings) * 1.1
        said = f"On official folds a cheap gap that is known {word} beside one that is predicted."
        return Claim(said, Gauge(0.0, highest, readings, ends=("0", f"{highest:.2g} {self.metric.unit}")))

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
                "Trees whose median is the prediction, with settings that a search chose anew inside every "
                "fold. The cheap gap is predicted by boosting on "
                f"{found.wide} compounds, none of which, nor nearly the same, is in the benchmark; on those "
                f"it errs by {found.cheap_error:.3f} {metric.unit} on average."
            ),
            Table(f"{capital(heading(metric))}, inputs each with those above", header, rows),
            self._steps(),
            self._covered(),
        ]
        if self.simulated:
            blocks.insert(0, Note(SIMULATED))
        else:
            published = [[name, valued(metric, value)] for name, value in _RECORDS.items()]
            blocks.append(Table("Published on the same folds", ["Model", heading(metric)], published))
        return Section("Measured gaps on official folds", blocks)

    def _covered(self) -> Table:
        rows = [
            [
                RUNGS[rung],
                f"{float(level):.0%}",
                with_interval(one.share, one.ci95, percent=True),
                f"{one.width:.2f}",
            ]
            for rung in RUNGS
            for level, one in self.found.rungs[rung].coverage.items()
        ]
        header = ["Inputs", "Promised", "inside (%)", f"mean width ({self.metric.unit})"]
        return Table("Prediction intervals: how many compounds of the folds lie inside", header, rows)

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
