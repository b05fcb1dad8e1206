"""What sequences amount to, as it lies on disk: that of a study, and that of a user's own addition.

Keys are the attributes' names, but for those that name a metric: see `_NAMED`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pandas as pd
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tmdscope.files import broken, read_json, read_table, write_json, write_table, write_text
from tmdscope.params.sequential import Encoding, SequenceParams, Volume
from tmdscope.record import read_record, write_record
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import Bounds
from tmdscope.scores.paired import PER_CLASS
from tmdscope.scores.task import Metric
from tmdscope.sequential.plan import Arm

VERSION = 1
"""Of both records; others are refused."""

PANEL_COLUMNS = ("encoding", "materials", "image_id", "label", "PC1", "PC2")
"""Columns of the latent panels, see `tmdscope.sequential.drift.latent_panels`."""

ClaimState = Literal["holds", "fails", "undecided"]
Shares = dict[str, float]
"""Class to the share of its test images that are named rightly, mean over members."""

_NAMED = {
    "points": {"ci95": "test_{metric}_ci95", "shares": PER_CLASS[0].name},
    "chains": {"shares": PER_CLASS[0].name},
    "leak": {"val": "val_{metric}", "test": "test_{metric}", "ci95": "test_{metric}_ci95"},
}
"""Attributes whose key on disk is another, by the list that they stand in."""


@dataclass(frozen=True)
class StageSummary:
    """The classes after one addition, in the order of their coming; `added` is empty for the first stage."""

    classes: list[str]
    added: str
    test_images: int


@dataclass(frozen=True)
class Changed:
    """What an addition changed: mean change of the older classes' shares, and the added class's share.

    None at the first stage, and where the added class has no test images.
    """

    old: float | None = None
    added: float | None = None


@dataclass(frozen=True)
class Point:
    """Scores of one arm, encoding, stage (its number of materials) and volume.

    `train`, `val` and `test` are by metric; `ci95` is of the test's primary metric.
    """

    arm: Arm
    encoding: Encoding
    materials: int
    volume: Volume
    train: dict[str, MeanStd]
    val: dict[str, MeanStd]
    test: dict[str, MeanStd]
    ci95: Bounds
    shares: Shares
    changed: Changed


@dataclass(frozen=True)
class Transfer:
    """What later stages did to a class: won since it came, and lost since it was known best."""

    backward_transfer: float
    forgetting: float


@dataclass(frozen=True)
class Chain:
    """Shares after every stage of a whole sequence at full volume, and what became of the older classes."""

    encoding: Encoding
    shares: list[Shares]
    classes: dict[str, Transfer]
    backward_transfer: float
    forgetting: float


@dataclass(frozen=True)
class PointDifference:
    """A paired difference at one stage and volume; above zero the first is better."""

    materials: int
    volume: Volume
    difference: float
    ci95: Bounds


@dataclass(frozen=True)
class Together:
    """The mean of paired differences over points; `verdict` is on the claim that it is not below zero."""

    difference: float
    ci95: Bounds
    verdict: ClaimState
    points: int
    points_not_below: int


@dataclass(frozen=True)
class Differences:
    """Paired differences in the test's primary metric, over all volumes and over the small ones.

    `encoding` is None where encodings are compared.
    """

    question: str
    points: list[PointDifference]
    all: Together
    small: Together | None = None
    encoding: Encoding | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """What is compared: arms, or encodings."""
        first, second = self.question.split(" - ")
        return first, second

    @property
    def groups(self) -> dict[str, Together]:
        """Those that there are, ``all`` first."""
        return {"all": self.all, **({} if self.small is None else {"small": self.small})}


@dataclass(frozen=True)
class Leak:
    """What starting every fold from one fold's model changes: gains in the primary metric.

    `seen` is the share of validation images that the one model was trained on.
    """

    encoding: Encoding
    materials: int
    seen: float
    val: float
    test: float
    ci95: Bounds


@dataclass(frozen=True)
class Moved(MeanStd):
    """Over folds, how far classes have moved in the mean, and each of them."""

    classes: dict[str, float]


@dataclass(frozen=True)
class LatentDrift:
    """Movement since the sequence's stage before, of the sequence and of a model trained anew."""

    encoding: Encoding
    materials: int
    sequential: Moved
    direct: Moved


@dataclass(frozen=True)
class StageVersion:
    """A stage's registered model."""

    name: str
    number: int
    encoding: Encoding
    materials: int
    volume: Volume
    seed: int


class SequenceSettings(SequenceParams):
    """How a sequence was made: what all sequences have, and what the study's own has beside."""

    model_config = ConfigDict(extra="allow")

    epochs: int


@dataclass(frozen=True)
class Summary:
    """What `tmdscope.sequential.outcome.summarise` finds; `members` are the folds of all seeds."""

    stages: list[StageSummary]
    members: int
    points: list[Point]
    chains: list[Chain]
    comparisons: list[Differences]
    leak: list[Leak]
    drift: list[LatentDrift]

    @property
    def added(self) -> list[StageSummary]:
        """The stages but for the first."""
        return self.stages[1:]


@dataclass(frozen=True)
class SequenceRecord(Summary):
    """A study's sequences; `seconds` is what all trainings took."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    versions: list[StageVersion]
    settings: SequenceSettings
    seconds: float
    panels: Annotated[pd.DataFrame, Field(exclude=True)] = field(compare=False)

    def write(self, path: Path, panels: Path, of: Mapping[str, str], metric: Metric) -> None:
        """Write the record and, beside it, the panels; `of` is ``data`` and ``split`` to a SHA-256."""
        write_table(panels, self.panels)
        write_record(path, {"enabled": True, **_to_json(self, metric)}, of, [panels])

    @classmethod
    def read(cls, path: Path, panels: Path, of: Mapping[str, str], metric: Metric) -> Self | None:
        """Read what `write`, or `write_left_out`, left; None where sequences are left out."""
        content = read_record(path, of, [panels])
        if not _take_version(path, content).pop("enabled", None):
            return None
        return _from_json(cls, path, {**content, "panels": read_table(panels, PANEL_COLUMNS)}, metric)


@dataclass(frozen=True)
class AddedRecord(Summary):
    """A class that was added to a registered `model`."""

    model: str
    versions: list[StageVersion]

    def write(self, path: Path, metric: Metric) -> None:
        """Write the record, for a person: nothing is made of it."""
        write_json(path, _to_json(self, metric))

    @classmethod
    def read(cls, path: Path, metric: Metric) -> Self:
        """Read what `write` left."""
        return _from_json(cls, path, _take_version(path, read_json(path)), metric)


Kind = TypeVar("Kind", bound=Summary)


def write_left_out(path: Path, panels: Path, of: Mapping[str, str]) -> None:
    """Say that sequences are left out; both files are written, as a stage must have its outputs."""
    write_text(panels, "")
    write_record(path, {"version": VERSION, "enabled": False}, of, [panels])


def _take_version(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    found = content.pop("version", VERSION)  # before there were versions, it was as the first
    if found != VERSION:
        raise broken(path, f"is of version {found!r}, this tmdscope reads version {VERSION}")
    return content


def _to_json(content: Summary, metric: Metric) -> dict[str, Any]:
    shown = TypeAdapter(type(content)).dump_python(content, exclude_defaults=True)
    return {"version": VERSION, **_renamed(shown, metric)}


def _from_json(kind: type[Kind], path: Path, content: dict[str, Any], metric: Metric) -> Kind:
    try:
        return TypeAdapter(kind).validate_python(_renamed(content, metric, back=True))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise broken(path, f"is no record of sequences: {where}: {first['msg']}") from error


def _renamed(content: Mapping[str, Any], metric: Metric, back: bool = False) -> dict[str, Any]:
    """Give entries of lists the keys of `_NAMED`; what is no list of objects the types refuse."""
    renamed = dict(content)
    for group, named in _NAMED.items():
        pairs = [(name, key.format(metric=metric.name)) for name, key in named.items()]
        names = {key: name for name, key in pairs} if back else dict(pairs)
        if isinstance(entries := content.get(group), list):
            renamed[group] = [
                {names.get(key, key): value for key, value in entry.items()}
                if isinstance(entry, Mapping)
                else entry
                for entry in entries
            ]
    return renamed
