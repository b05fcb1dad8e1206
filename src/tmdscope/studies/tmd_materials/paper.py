"""What the TMD paper published, and under which conditions a measured experiment may stand beside it.

Moses & Reinhart (doi:10.1088/2632-2153/ada2da): Tables 2 to 4 and Figure 3 lie in ``paper_tables.yaml``,
Figure 4 (sequential transfer) in ``paper_figure_4.yaml``.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, model_validator
from ruamel.yaml import YAML

from tmdscope.dataset.store import Dataset
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.params.reading import Params
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.report.text import readable, setting
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
