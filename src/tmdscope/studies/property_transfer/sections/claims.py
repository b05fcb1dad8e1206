"""The paper's claims, each with a paired interval and one word."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tmdscope.report.answer import difference
from tmdscope.report.page import Claim, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.scores.intervals import Bounds, Estimate
from tmdscope.scores.task import CLASSES, Metric
from tmdscope.scores.text import in_text, ranged
from tmdscope.studies.property_transfer.curves import ALL
from tmdscope.studies.property_transfer.sections.colours import ColoursPart
from tmdscope.studies.property_transfer.sections.curves import CurvesPart
from tmdscope.studies.property_transfer.sections.reactions import ReactionsPart
from tmdscope.studies.property_transfer.sections.words import verdict


@dataclass(frozen=True)
class Tested:
    """A claim: that the first of two is better; their difference by a metric, first less second."""

    key: str
    claim: str
    compared: str
    metric: Metric
    value: float
    bounds: Bounds

    @property
    def word(self) -> str:
        """Whether the claim holds."""
        bounds = self.bounds
        if bounds is not None and self.metric.higher_is_better:
            bounds = -bounds[1], -bounds[0]
        return verdict(bounds)


@dataclass(frozen=True)
class ClaimsPart(Part):
    """What Hutchinson et al. 2017 (arXiv:1711.05099) say, held to these data."""

    curves: CurvesPart
    colours: ColoursPart
    reactions: ReactionsPart

    def tested(self) -> Iterator[Tested]:
        """Test every claim of which there are data."""
        found, metric = self.curves.found, self.curves.metric
        for label in dict.fromkeys((self.curves.few, ALL)):
            for other in ("composition", "latent_known", "multitask_known"):
                gap = found.difference(("difference_known", other), label)
                named = other.removesuffix("_known")
                yield Tested(
                    f"difference_best.{named}_{label}",
                    "the difference is the best way to use a cheap value",
                    f"difference less {named}, cheap value known, {label} labels",
                    metric,
                    gap.values[metric.name],
                    gap.bounds[metric.name],
                )
        for other in ("composition", "latent_predicted"):
            if self.colours.found.ways:
                gap = Estimate.read(self.colours.found.differences[f"multitask less {other}"])
                yield Tested(
                    f"multitask_colour.{other}",
                    "multi-task learning helps colours most",
                    f"multi-task less {other.replace('_', ', ')}",
                    CLASSES.plain,
                    gap.values[CLASSES.plain.name],
                    gap.bounds[CLASSES.plain.name],
                )
        for name, record in self.reactions.found.gains.items():
            if name.startswith("latent less "):
                gap, own = Estimate.read(record), self.reactions.metric
                yield Tested(
                    f"latent_barriers.{name.rpartition(' ')[2]}",
                    "the latent variable is best where errors of barriers cancel",
                    f"{name}, last barrier less the first, simulated",
                    own,
                    gap.values[own.name],
                    gap.bounds[own.name],
                )

    def metrics(self) -> dict[str, Any]:
        """Collect every claim's difference, interval and word."""
        numbers: dict[str, Any] = {}
        for one in self.tested():
            claim, _, key = one.key.partition(".")
            entry = {one.metric.name: one.value, "ci95": one.bounds, "word": one.word}
            numbers.setdefault(claim, {})[key] = entry
        return {"claims": numbers}

    def sentences(self) -> list[str]:
        """Say each claim's word."""
        return [
            f"That {one.claim} ({one.compared}) {one.word}: "
            f"{in_text(one.metric, ranged(one.metric, one.value, one.bounds, sign=True))}."
            for one in self.tested()
        ]

    def claim(self) -> Claim:
        """Say how many hold, beside the first."""
        tested = list(self.tested())
        counts = {
            word: sum(one.word == word for one in tested) for word in ("holds", "fails", "cannot be told")
        }
        told = (
            f"Of {len(tested)} comparisons that the paper's claims rest on, {counts['holds']} hold, "
            f"{counts['fails']} fail, {counts['cannot be told']} cannot be told; beside, the first."
        )
        first = tested[0]
        return Claim(told, difference(first.compared, first.value, first.bounds, first.metric))

    def section(self) -> Section:
        """Tabulate the claims."""
        rows = [
            [
                one.claim,
                one.compared,
                in_text(one.metric, ranged(one.metric, one.value, one.bounds, sign=True)),
                one.word,
            ]
            for one in self.tested()
        ]
        about = (
            "Hutchinson et al. 2017, Overcoming data scarcity with transfer learning (arXiv:1711.05099). "
            "Their tables are not at hand: each claim is held to the data of this study, paired by compound, "
            "with 95 % intervals. Barriers are simulated."
        )
        table = Table(
            "Claims of the paper", ["Claim", "Compared, first less second", "Difference", "It"], rows
        )
        return Section("The paper's claims", [Paragraph(about), table])
