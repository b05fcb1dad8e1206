"""What the report says beside scores: quantities that change, what leaks, images right and wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.report.figures.images import Tile, contact_sheet
from tmdscope.report.page import Block, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import readable, with_interval
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
    images: NDArray[np.uint8]
    table: pd.DataFrame
    predicted: Sequence[str]
    true: Sequence[str]

    def section(self) -> Section:
        """Draw them."""
        right = np.array([said == own for said, own in zip(self.predicted, self.true, strict=True)])
        shown = [*np.flatnonzero(right)[:_SHOWN], *np.flatnonzero(~right)[:_SHOWN]]
        planes, times = self.table["plane"].tolist(), self.table["time_min"].tolist()
        tiles = [
            Tile(
                self.images[row],
                f"{self.true[row]}, {planes[row]}, {times[row]:.0f} min",
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
