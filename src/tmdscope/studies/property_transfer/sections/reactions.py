"""Errors that cancel between the barriers of a reaction path."""

from dataclasses import dataclass
from typing import Any

from tmdscope.report.answer import difference
from tmdscope.report.page import Claim, Note, Section, Table
from tmdscope.report.part import Part
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import Metric
from tmdscope.scores.text import capital, estimated, heading, in_text, ranged
from tmdscope.studies.property_transfer.reactions import WAYS, Cancelling
from tmdscope.studies.property_transfer.sections.words import verdict


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
        for name, record in self.found.gains.items():
            gap, (first, second) = Estimate.read(record), (WAYS[way] for way in name.split(" less "))
            told = ranged(metric, gap.values[metric.name], gap.bounds[metric.name], sign=True)
            said.append(
                f"Simulated reaction paths, last barrier less the first, {first} "
                f"less {second}: {in_text(metric, told)}: that errors "
                f"cancel better {verdict(gap.bounds[metric.name])}."
            )
        return said

    def claim(self) -> Claim:
        """Say whether errors cancel in one model of all barriers."""
        (name, record), metric = next(iter(self.found.gains.items())), self.metric
        value, bounds = record[metric.name], record[f"{metric.name}_ci95"]
        word = {"holds": "cancel better", "fails": "cancel worse"}.get(
            verdict(bounds), "do not cancel better for certain"
        )
        said = f"Simulated: errors of one model of all barriers {word} than those of a model for each."
        return Claim(said, difference(name, value, bounds, metric))

    def section(self) -> Section:
        """Tabulate both errors."""
        metric, found = self.metric, self.found
        rows = [
            [
                capital(words),
                *(estimated(metric, Estimate.read(of[way])) for of in (found.single, found.between)),
                f"{found.alike[way]:.2f}",
            ]
            for way, words in WAYS.items()
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
