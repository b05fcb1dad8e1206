"""What the report says beside scores: quantities that change, what leaks, images right and wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.store import Dataset
from tmdscope.report.answer import correlation, difference
from tmdscope.report.figures.images import Tile, contact_sheet
from tmdscope.report.page import Block, Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.audit import AuditPart
from tmdscope.report.sections.provenance import Run
from tmdscope.report.text import decided, readable, with_interval
from tmdscope.scores.intervals import tell
from tmdscope.scores.task import ORDERED_CLASSES
from tmdscope.scores.text import points_of, ranged
from tmdscope.studies.growth_temperature.record import Change, Leak, Understanding

_RATE = 0.05
_SHOWN = 8


@dataclass(frozen=True)
class ChangesPart(Part):
    """Which quantities of the surface change with temperature, on a source."""

    source: str
    found: Understanding

    def metrics(self) -> dict[str, Any]:
        """Collect every relation."""
        return {f"changes_{self.source}": {one.name: one.r for one in self.found.measured}}

    def sentences(self) -> list[str]:
        """Say how many are found, and which is strongest."""
        found = [one for one in self.found.measured if one.q_value < _RATE]
        if not self.found.measured:
            return []
        strongest = f": most {readable(found[0].name)}, r {_r(found[0])}" if found else ""
        said = (
            f"{len(found)} of {len(self.found.measured)} surface quantities go with temperature on "
            f"{self.source} data (false discovery rate 5 %){strongest}."
        )
        return [said]

    def claim(self) -> Claim | None:
        """Say how many are found, and draw the strongest."""
        if not self.found.measured:
            return None
        found, most = [one for one in self.found.measured if one.q_value < _RATE], self.found.measured[0]
        said = f"{len(found)} of {len(self.found.measured)} surface quantities go with temperature."
        drawn = None if most.bounds is None else correlation(readable(most.name), most.r, most.bounds)
        return Claim(said, drawn)

    def section(self) -> Section | None:
        """Write measured quantities, and the simulator's own."""
        if not self.found.measured:
            return None
        header = ["Quantity", "r with temperature", "false discovery rate", "images"]
        tables: list[Block] = [
            Table(f"{title}; Pearson's r, 95 % interval by sample", header, [_row(one) for one in changes])
            for title, changes in (
                ("Measured on images", self.found.measured),
                ("What the simulator made them from", self.found.true),
            )
            if changes
        ]
        left = [f"{name}: {why}" for name, why in self.found.left_out.items()]
        if left:
            tables.append(Paragraph("Left out: " + "; ".join(left) + "."))
        return Section(f"Which quantities change with temperature, {self.source} data", tables)


def _r(change: Change) -> str:
    return with_interval(change.r, change.bounds)


def _row(change: Change) -> list[str]:
    return [readable(change.name), _r(change), f"{change.q_value:.3g}", str(change.images)]


@dataclass(frozen=True)
class LeakPart(Part):
    """A warning: features of one fold's network in all folds."""

    found: Leak

    def metrics(self) -> dict[str, Any]:
        """Collect both scores, and the lift."""
        return {"leak": {key: value for key, value in asdict(self.found).items() if key != "version"}}

    def claim(self) -> Claim | None:
        """Say what the slip is worth."""
        if not self.found.enabled:
            return None
        metric = ORDERED_CLASSES.plain
        told = self.found.lift[metric.name], self.found.bounds["lift"][metric.name]
        said = decided(told[1], "lifts scores", "lowers scores")
        return Claim(
            f"One fold's features for all folds: {said}.", difference("leaky less honest", *told, metric)
        )

    def section(self) -> Section | None:
        """Write both scores, and the lift."""
        found = self.found
        if not found.enabled:
            return None
        plain = ORDERED_CLASSES.plain
        rows = [
            [
                name,
                *(
                    ranged(one, values[one.name], found.bounds[key][one.name], key == "lift")
                    for one in _METRICS
                ),
            ]
            for key, name, values in (
                ("leaky", "one fold's network for all folds", found.leaky),
                ("honest", "each fold's own network", found.honest),
                ("lift", "lift", found.lift),
            )
        ]
        told = tell(plain, 100 * found.lift[plain.name], _scaled(found.bounds["lift"][plain.name]), sign=True)
        note = (
            f"The slip of this section is made on purpose, on simulated images. It moves {plain.title} by "
            f"{told} {points_of(plain)}: the paper takes the features of one fold's network for all folds."
        )
        caption = f"A method on 100 values of a network; {found.images} images of {found.samples} samples"
        table = Table(caption, ["Features of", *(one.title for one in _METRICS)], rows)
        return Section("A warning: one fold's features for all folds", [Note(note), table])


_METRICS = ORDERED_CLASSES.metrics


def _scaled(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (100 * bounds[0], 100 * bounds[1])


@dataclass(frozen=True)
class SeenPart(Part):
    """Some images that a model has right and some that it has wrong, with how they were grown (Figure 6)."""

    model: str
    dataset: Dataset
    predicted: Sequence[str]

    @property
    def _right(self) -> NDArray[np.bool_]:
        true = self.dataset.manifest["label"]
        return np.array([said == own for said, own in zip(self.predicted, true, strict=True)])

    def claim(self) -> Claim:
        """Say how many are right."""
        right = self._right
        return Claim(f"{self.model} has {right.sum()} of {len(right)} simulated images right.")

    def section(self) -> Section:
        """Draw them."""
        table = self.dataset.manifest
        true, planes, times = (table[name].tolist() for name in ("label", "plane", "time_min"))
        right = self._right
        shown = [*np.flatnonzero(right)[:_SHOWN], *np.flatnonzero(~right)[:_SHOWN]]
        tiles = [
            Tile(
                np.array(self.dataset.images[row]),
                f"{true[row]}, {planes[row]}, {times[row]:.0f} min",
                [(self.predicted[row], bool(right[row]))],
            )
            for row in shown
        ]
        caption = (
            f"{self.model}: true temperature, plane of the substrate and growth time above, what is "
            "predicted below; simulated images."
        )
        drawn = Figure(caption, "Images with predictions.", contact_sheet(tiles))
        return Section("Images that are right, and wrong", [drawn])


@dataclass(frozen=True)
class SourceAuditPart(AuditPart):
    """What a score on a source is worth."""

    source: str

    @property
    def run(self) -> Run:
        """The audit's run in MLflow."""
        return Run.of(self.found.origin, f"{self.source}.audit", self.found.run_id or "")

    def metrics(self) -> dict[str, Any]:
        """Collect the audit's numbers under the source's name."""
        return {f"{key}_{self.source}": own for key, own in super().metrics().items()}

    def section(self) -> Section:
        """Write the audit's section under the source's name."""
        section = super().section()
        return replace(section, title=f"{section.title}, {self.source} data")
