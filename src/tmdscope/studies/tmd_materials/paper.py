"""What the TMD paper published, and what was measured beside it, under conditions that are named.

Moses & Reinhart (doi:10.1088/2632-2153/ada2da): Tables 2 to 4 and Figure 3 lie in ``paper_tables.yaml``,
Figure 4 (sequential transfer) in ``paper_figure_4.yaml``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from ruamel.yaml import YAML

from tmdscope.dataset.store import Dataset
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.params.reading import Params
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.experiments import Decoded
from tmdscope.report.text import digits_of, printed, readable, setting
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import named, scale_of
from tmdscope.sequential.plan import Arm

PaperPart = Literal["train", "val", "test"]
Pair = list[float]
"""Mean and population standard deviation, as printed."""

Values = TypeVar("Values", bound=Params)

Series = Literal["imagenet", "MtC", "MtL"]
_SERIES: dict[tuple[Arm, Encoding], Series] = {
    ("direct", "multiclass"): "imagenet",
    ("sequential", "multiclass"): "MtC",
    ("sequential", "multilabel"): "MtL",
}
"""Which series of Figure 4 was trained as an arm and encoding of ours."""


class PublishedData(Params):
    """The images behind the published values."""

    record: str
    images: int
    samples: int
    test: str
    folds: int
    size_px: int


class PublishedRow(Params):
    """A row of a table: its scores lie in the file beside its other keys, by the metric's name.

    Shares of images are in %; a part that is absent was not published.
    """

    label: str
    experiment: dict[str, str] = Field(description="settings that make an experiment this row")
    settings: dict[str, Any] = Field(default={}, description="protocol of this row, before that of all rows")
    note: str = Field(default="", description="a difference that no setting removes")
    scores: dict[str, dict[PaperPart, Pair]]

    @model_validator(mode="before")
    @classmethod
    def _gather_scores(cls, row: dict[str, Any]) -> dict[str, Any]:
        own = {key: value for key, value in row.items() if key in cls.model_fields}
        return {"scores": {key: value for key, value in row.items() if key not in own}, **own}

    def score(self, metric: str, part: PaperPart) -> Pair | None:
        """Find a published value; None where the paper gives none."""
        return self.scores.get(metric, {}).get(part)

    def experiments(self, experiments: Mapping[str, ExperimentParams]) -> list[str]:
        """Find the experiments that are this row, whatever their epochs and the like."""
        return [
            name
            for name, params in experiments.items()
            if all(getattr(params, key) == value for key, value in self.experiment.items())
        ]


class PublishedTable(Params):
    """A table of the paper."""

    name: str
    about: str
    rows: list[PublishedRow]


class PublishedConfusion(Params):
    """Mean counts on the test images, rows true, in class order."""

    label: str
    counts: list[list[float]]


class Published(Params):
    """Everything in ``paper_tables.yaml``."""

    data: PublishedData
    settings: dict[str, Any]
    tables: list[PublishedTable]
    confusion: list[PublishedConfusion]

    def row(self, table: str, label: str) -> PublishedRow:
        """Find a row."""
        (found,) = (row for one in self.tables if one.name == table for row in one.rows if row.label == label)
        return found


class PublishedStage(Params):
    """Scores of Figure 4 after one more material has come, which is the last of the classes."""

    classes: list[str]
    volumes: list[int]
    scores: dict[Series, dict[PaperPart, list[Pair]]]

    @model_validator(mode="after")
    def _every_volume_has_a_value(self) -> Self:
        for series, parts in self.scores.items():
            for part, pairs in parts.items():
                if len(pairs) != len(self.volumes):
                    raise ValueError(f"{series} {part}: {len(pairs)} values, {len(self.volumes)} volumes")
        return self


class PublishedFigure4(Params):
    """Everything in ``paper_figure_4.yaml``, see `tmdscope.report.sections.arms.PublishedSequences`."""

    metric: str
    source: str
    conditions: str
    stages: list[PublishedStage]

    def find(
        self, arm: Arm, encoding: Encoding, classes: Sequence[str], volume: Volume, part: PaperPart = "test"
    ) -> Pair | None:
        """Find the published mean and population standard deviation, over five folds, of a measured score.

        `classes` are in the order of their coming, in which only the last must be the paper's; volume `full`
        is the paper's largest. None where the paper has no such training, materials or volume.
        """
        series = _SERIES.get((arm, encoding))
        same = (s for s in self.stages if s.classes[-1] == classes[-1] and set(s.classes) == set(classes))
        stage = next(same, None)
        if series is None or stage is None:
            return None
        wanted = max(stage.volumes) if volume == "full" else volume
        if wanted not in stage.volumes:
            return None
        return stage.scores[series][part][stage.volumes.index(wanted)]


def read_published() -> Published:
    """Read the published Tables 2 to 4 and confusion matrices that the package carries."""
    return _read("paper_tables.yaml", Published)


def read_figure_4() -> PublishedFigure4:
    """Read the published values of Figure 4 that the package carries."""
    return _read("paper_figure_4.yaml", PublishedFigure4)


def _read(name: str, kind: type[Values]) -> Values:
    text = files("tmdscope.studies.tmd_materials").joinpath(name).read_text(encoding="utf-8")
    return kind.model_validate(YAML(typ="safe").load(text))


def settings_that_differ(published: Published, row: PublishedRow, params: ExperimentParams) -> list[str]:
    """Name settings that are not the paper's, such as ``epochs 4, not 60``; the row's note last."""
    found = [
        f"{readable(key)} {setting(getattr(params, key))}, not {setting(value)}"
        for key, value in {**published.settings, **row.settings}.items()
        if value is not None and getattr(params, key) != value
    ]
    return [*found, row.note] if row.note else found


def data_that_differ(
    published: PublishedData, data: DataParams, split: SplitParams, dataset: Dataset
) -> Iterator[str]:
    """Name what sets a study's images apart from the paper's, source first; nothing for the paper's own."""
    images, samples = len(dataset.manifest), dataset.manifest["sample_id"].nunique()
    size = dataset.images.shape[1]
    if data.origin != published.record:
        sources = {"simulated": "simulated images", "folder": "images of a folder"}
        yield sources.get(data.origin, f"images of the archive {data.origin}")
    if data.classes != list(MATERIALS):
        yield f"classes {', '.join(data.classes)}"
    if (images, samples) != (published.images, published.samples):
        yield f"{images} images of {samples} samples, not {published.images} of {published.samples}"
    if size != published.size_px:
        yield f"{size} px, not {published.size_px}"
    if split.test != published.test:
        yield f"test is fold 0 of {split.test_folds}, not the authors' own"
    if split.folds != published.folds:
        yield f"{split.folds} folds, not {published.folds}"


_SHOWN: tuple[PaperPart, ...] = ("train", "val", "test")
_LEAD = (
    "Published: Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Tables 2 to 4 as printed; data and "
    "code: doi:10.5281/zenodo.13961220. Measured: this study's experiments of the same strategy, "
    "target, architecture and weights, decoded as in the paper (multilabel by exact match). Every "
    "difference in images and settings is named; a row under other conditions is no reproduction."
)
_WARNING = (
    "The published validation numbers are not clean: the authors' released code carries the backbone "
    "from one fold to the next (not in row ImageNet*), so that every fold but the first starts from "
    "weights that were trained on its own validation images. No fold trains on the test images: the "
    "test column is the honest target. Here every fold starts afresh, and batch normalisation stays "
    "in training mode, which the released code leaves after the first epoch of the first fold."
)


@dataclass(frozen=True)
class PaperTables(Part):
    """Published tables, experiments decoded as in the paper, and how their images differ from the paper's."""

    task: Task
    published: Published
    experiments: Mapping[str, ExperimentParams]
    decoded: Mapping[str, Decoded]
    other_data: Sequence[str]

    def claim(self) -> Claim:
        """Say what stands beside what."""
        return Claim("The TMD paper's Tables 2 to 4 as printed, and the same measured here.")

    def section(self) -> Section:
        """Set the paper's Tables 2 to 4 beside the study: every published row, measured or "not run"."""
        tables = [self._table(table) for table in self.published.tables]
        return Section("Paper beside measured", [Paragraph(_LEAD), Note(_WARNING), *tables])

    @property
    def _columns(self) -> list[tuple[Metric, PaperPart]]:
        return [(metric, part) for metric in self.task.metrics for part in _SHOWN]

    def _table(self, table: PublishedTable) -> Table:
        test = any("test" in parts for row in table.rows for parts in row.scores.values())
        advice = "compare the test column" if test else "it gives no test scores in this table"
        return Table(
            f"{table.name} ({table.about}): {named(self.task.metrics)}, mean ± population standard "
            "deviation over folds. The paper's fine-tuned validation scores carry over between folds; "
            f"{advice}",
            ["Row", *(f"{part} {metric.title}" for metric, part in self._columns), "How it was run"],
            [cells for row in table.rows for cells in self._rows(row)],
            words_last=True,
        )

    def _rows(self, row: PublishedRow) -> list[list[str]]:
        found = row.experiments(self.experiments)
        paper = [printed(row.score(metric.name, part), digits_of(metric)) for metric, part in self._columns]
        how = "published; measured below" if found else "published; not run here"
        return [[row.label, *paper, how], *(self._measured(name, row) for name in found)]

    def _measured(self, name: str, row: PublishedRow) -> list[str]:
        scores = self.decoded[name]
        differences = [
            *self.other_data,
            *settings_that_differ(self.published, row, self.experiments[name]),
        ]
        return [
            f"measured: {name}",
            *(_as_printed(metric, scores[part][metric.name]) for metric, part in self._columns),
            "run under other conditions: " + "; ".join(differences)
            if differences
            else "run on the paper's images under its settings, but for fresh folds (see the note)",
        ]


def published_confusion(
    published: Published,
    experiments: Mapping[str, ExperimentParams],
    decoded: Mapping[str, NDArray[np.float64]],
    classes: Sequence[str],
) -> Figure:
    """Draw the paper's matrices, and those `decoded` of the same rows where the classes are the same."""
    matrices: dict[str, NDArray[np.float64]] = {}
    for matrix in published.confusion:
        matrices[f"published: {matrix.label}"] = np.array(matrix.counts)
        if list(classes) == list(MATERIALS):
            names = published.row("Table 4", matrix.label).experiments(experiments)
            matrices |= {f"measured: {name}": decoded[name] for name in names}
    return Figure(
        "Mean counts over the folds' models on the held-out test and their share of the row, rows true (the "
        "paper's Figure 3: 104 images; 1.6 per multilabel model match no material and are in no column).",
        "Confusion matrices: " + ", ".join(matrices) + ".",
        confusion_matrices(matrices, MATERIALS),
    )


def _as_printed(metric: Metric, score: MeanStd) -> str:
    scale = scale_of(metric)
    return printed([score.mean * scale, score.std * scale], digits_of(metric))
