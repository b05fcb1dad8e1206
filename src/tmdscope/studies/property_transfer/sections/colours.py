"""Whether a gap tells a compound's colour, and better than its formula."""

from dataclasses import dataclass
from typing import Any

from tmdscope.report.answer import difference
from tmdscope.report.page import Claim, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import CLASSES
from tmdscope.scores.text import capital, estimated, heading, in_text, ranged, unit_of
from tmdscope.studies.property_transfer.colours import WAYS, Colours
from tmdscope.studies.property_transfer.sections.words import verdict

METRIC = CLASSES.plain


@dataclass(frozen=True)
class ColoursPart(Part):
    """Colours of compounds by their formula, their gap, and both."""

    found: Colours

    def metrics(self) -> dict[str, Any]:
        """Collect the scores of every way, and the differences."""
        if not self.found.ways:
            return {}
        name = METRIC.name
        gains = {
            key.replace(" ", "_"): {name: one[name], "ci95": one[f"{name}_ci95"]}
            for key, one in self.found.differences.items()
        }
        return {"colours": {way: {name: one[name]} for way, one in self.found.ways.items()} | gains}

    def sentences(self) -> list[str]:
        """Say whether the gap helps."""
        said = []
        for name, record in self.found.differences.items():
            gap = Estimate.read(record)
            first, second = (WAYS[part] for part in name.split(" less "))
            bounds = gap.bounds[METRIC.name]
            worse = None if bounds is None else (-bounds[1], -bounds[0])
            told = ranged(METRIC, gap.values[METRIC.name], bounds, sign=True)
            said.append(
                f"Colour of {self.found.compounds} compounds, {first} less {second}: "
                f"{in_text(METRIC, told).removesuffix('%')}points: that the first is better {verdict(worse)}."
            )
        return said

    def claim(self) -> Claim | None:
        """Say whether the gap tells a colour better than the formula does."""
        if not self.found.ways:
            return None
        name, key = METRIC.name, "gap less composition"
        one = self.found.differences[key]
        value, bounds = one[name], one[f"{name}_ci95"]
        worse = None if bounds is None else (-bounds[1], -bounds[0])
        word = {"holds": "better than", "fails": "worse than"}.get(
            verdict(worse), "not for certain better than"
        )
        return Claim(f"A gap tells colours {word} a formula.", difference(key, value, bounds, METRIC))

    def section(self) -> Section | None:
        """Tabulate the ways; nothing where no colour is known."""
        if not self.found.ways:
            return None
        rows = [
            [capital(WAYS[way]), *(estimated(metric, Estimate.read(one)) for metric in CLASSES.metrics)]
            for way, one in self.found.ways.items()
        ]
        counts = ", ".join(f"{count} {name}" for name, count in self.found.counts.items())
        about = (
            f"{self.found.compounds} compounds ({counts}); {self.found.left_out} without a gap, or of "
            "colours that are too rare, are left out. The best that one can do without looking: "
            f"{self.found.chance * 100:.1f} {unit_of(METRIC)}."
        )
        header = ["Inputs", *(heading(metric) for metric in CLASSES.metrics)]
        return Section(
            "Colours", [Paragraph(about), Table("Colours of compounds not learnt from", header, rows)]
        )
