"""What the TMD paper published, and under which conditions a measured experiment may stand beside it.

Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Tables 2 to 4; the values lie in ``paper_tables.yaml``.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, model_validator
from ruamel.yaml import YAML

from tmdscope.dataset.store import Dataset
from tmdscope.materials import MATERIALS
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.images import DataParams, SplitParams
from tmdscope.params.reading import Params
from tmdscope.report.text import readable, setting
from tmdscope.scores.task import Metric

PaperPart = Literal["train", "val", "test"]
Pair = list[float]
"""Mean and population standard deviation, as printed."""


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


def read_published() -> Published:
    """Read the published Tables 2 to 4 and confusion matrices that the package carries."""
    return Published.model_validate(read_values("paper_tables.yaml"))


def read_values(name: str) -> Any:
    """Read a file of published values that the package carries."""
    text = files("tmdscope.report").joinpath(name).read_text(encoding="utf-8")
    return YAML(typ="safe").load(text)


def find_row(table: str, label: str) -> PublishedRow:
    """Find a published row."""
    (found,) = (one for one in read_published().tables if one.name == table)
    return next(row for row in found.rows if row.label == label)


def experiments_of(row: PublishedRow, experiments: Mapping[str, ExperimentParams]) -> list[str]:
    """Find the experiments that are a row of the paper, whatever their epochs and the like."""
    return [
        name
        for name, params in experiments.items()
        if all(getattr(params, key) == value for key, value in row.experiment.items())
    ]


def settings_that_differ(published: Published, row: PublishedRow, params: ExperimentParams) -> list[str]:
    """Name settings that are not the paper's, such as ``epochs 4, not 60``; the row's note last."""
    wanted = {
        key: value for key, value in {**published.settings, **row.settings}.items() if value is not None
    }
    found = [
        f"{readable(key)} {setting(getattr(params, key))}, not {setting(value)}"
        for key, value in wanted.items()
        if getattr(params, key) != value
    ]
    return [*found, row.note] if row.note else found


def data_that_differ(
    published: PublishedData, data: DataParams, split: SplitParams, dataset: Dataset
) -> list[str]:
    """Name what sets a study's images apart from the paper's, source first; empty for the paper's own."""
    images, samples = len(dataset.manifest), dataset.manifest["sample_id"].nunique()
    size = dataset.images.shape[1]
    record = data.archive.record if data.source == "archive" and data.archive else data.source
    sources = {published.record: "", "simulated": "simulated images", "folder": "images of a folder"}
    found = [
        sources.get(record, f"images of the archive {record}"),
        f"classes {', '.join(data.classes)}" if data.classes != list(MATERIALS) else "",
        f"{images} images of {samples} samples, not {published.images} of {published.samples}"
        if (images, samples) != (published.images, published.samples)
        else "",
        f"{size} px, not {published.size_px}" if size != published.size_px else "",
        f"test is fold 0 of {split.test_folds}, not the authors' own" if split.test != published.test else "",
        f"{split.folds} folds, not {published.folds}" if split.folds != published.folds else "",
    ]
    return [words for words in found if words]


def printed(pair: Sequence[float] | None, digits: int) -> str:
    """Write a published mean and standard deviation, with the paper's digits, or ``not given``."""
    return "not given" if pair is None else f"{pair[0]:.{digits}f} ± {pair[1]:.{digits}f}"


def digits_of(metric: Metric) -> int:
    """Say how many digits the paper prints of a metric."""
    return 1 if metric.percent else 2
