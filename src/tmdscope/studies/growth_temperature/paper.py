"""The MoS2 paper's tables as printed, each row beside what is measured here in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from pydantic import Field
from ruamel.yaml import YAML

from tmdscope.params.reading import Params
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Claim, Figure, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.scores.task import ORDERED_CLASSES, Metric, quantity
from tmdscope.scores.text import heading, ranged
from tmdscope.studies.growth_temperature.record import Comparison, Model


class PaperTable(Params):
    """A table or figure: rows of cells as printed, and the model here that stands in their place, if any."""

    name: str
    about: str
    not_run: str = Field(default="", description="why rows without a model are not run")
    numbers: bool = Field(default=False, description="whether errors in the temperature stand beside shares")
    header: list[str]
    rows: list[tuple[list[str], str]]


class PaperTables(Params):
    """The data file ``paper_tables.yaml``."""

    source: str
    tables: list[PaperTable]
    confusion: dict[str, list[list[float]]]


def read_paper() -> PaperTables:
    """Read the data file."""
    text = files(__package__).joinpath("paper_tables.yaml").read_text(encoding="utf-8")
    return PaperTables.model_validate(YAML(typ="safe").load(text), strict=False)


@dataclass(frozen=True)
class PaperPart(Part):
    """The paper's tables beside a comparison."""

    comparison: Comparison
    paper: PaperTables

    def claim(self) -> Claim:
        """Say what stands beside what."""
        rows = [key for table in self.paper.tables for _, key in table.rows]
        run = sum("not run" not in self._measured(key, self._shown(False)) for key in rows)
        return Claim(f"Of {len(rows)} rows of the paper's tables {run} were run here.")

    def section(self) -> Section:
        """Write every table, with measured values or that there are none."""
        found = self.comparison
        told = (
            f"As printed in {self.paper.source}; test columns there are of 27 images, so that their standard "
        )
        told += (
            "deviations over ten models say nothing of how other samples would score; its validation columns "
        )
        told += "rest on features of a network that was trained on most of these images. "
        told += (
            f"Nothing is measured beside it: {found.why_not}."
            if found.why_not
            else f"Measured here: {sum(found.counts)} images, each predicted by a model that never saw its "
            "sample, with a 95 % interval by sample."
        )
        lead = Paragraph(told)
        blocks: list[Block] = [lead, *(self._table(one) for one in self.paper.tables)]
        matrices = {name: np.array(counts) for name, counts in self.paper.confusion.items()}
        drawn = confusion_matrices(
            matrices, found.classes if len(found.classes) == 3 else ["900", "950", "1000"]
        )
        caption = "As published: mean counts of ten models on 27 test images, rows true."
        return Section("Beside the paper", [*blocks, Figure(caption, ", ".join(matrices), drawn)])

    def _table(self, table: PaperTable) -> Table:
        metrics = self._shown(table.numbers)
        heads = [f"here: {heading(metric)}" for metric in metrics]
        rows = [[*cells, *self._measured(model, metrics)] for cells, model in table.rows]
        why = f"; not run: {table.not_run}" if table.not_run else ""
        return Table(f"{table.name}: {table.about}{why}", [*table.header, *heads], rows)

    def _shown(self, numbers: bool) -> list[Metric]:
        """List the plain and the balanced share, and the errors in the temperature."""
        errors = [one for one in quantity(self.comparison.unit, (), ".1f").metrics if one.unit]
        return [*ORDERED_CLASSES.metrics[:2], *(errors if numbers else [])]

    def _measured(self, key: str, metrics: Sequence[Metric]) -> Sequence[str]:
        run = [found_model(self.comparison.models, *one.split(".")) for one in key.split()]
        known = [model for model in run if model is not None]
        if not known:
            return ["not run"] * len(metrics)
        scores = known[0].scores
        values = {**scores.by_number, **scores.by_class}
        return [ranged(one, values[one.name], scores.bounds[one.name]) for one in metrics]


def found_model(models: Mapping[str, Mapping[str, Model]], framing: str, name: str) -> Model | None:
    """Find a model in a framing; None where it was not run."""
    return models.get(framing, {}).get(name)
