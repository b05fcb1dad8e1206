"""What an audit found, as ``audit.json`` holds it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from tmdscope.audit.campaigns import Campaigns
from tmdscope.audit.confounds import Confound
from tmdscope.audit.drift import Drift
from tmdscope.audit.duplicates import Duplicates
from tmdscope.audit.folds import FoldHealth
from tmdscope.audit.groups import Groups
from tmdscope.audit.learning_curve import LearningCurve
from tmdscope.files import broken, read_json, write_json
from tmdscope.record import read_record, write_record
from tmdscope.run_record import Origin
from tmdscope.scores.task import Task

VERSION = 1
"""Of the record."""


@dataclass(frozen=True)
class Check:
    """One thing that a study must show before a model of it goes to production; None: the data cannot say."""

    name: str
    passed: bool | None
    finding: str


@dataclass(frozen=True)
class Verdict:
    """The audit in words: what may be claimed or not, what to measure next; `campaign`: `overall_effect`."""

    headline: str
    campaign: str | None
    may: list[str]
    may_not: list[str]
    next: list[str]
    checks: list[Check]

    @property
    def titled(self) -> dict[str, list[str]]:
        """What is claimed, by the title that a reader sees; none that is empty."""
        claims = {
            "May be claimed": self.may,
            "May not be claimed": self.may_not,
            "To measure next": self.next,
        }
        return {title: those for title, those in claims.items() if those}


@dataclass(frozen=True)
class Findings:
    """Everything that a verdict is drawn from; campaigns (blocks over all first) and drift need an order."""

    task: Annotated[InstanceOf[Task], Field(exclude=True)]
    duplicates: Duplicates
    groups: Groups
    confounds: list[Confound]
    campaigns: list[Campaigns]
    drift: list[Drift]
    learning_curve: LearningCurve
    folds: FoldHealth


@dataclass(frozen=True)
class Audit(Findings):
    """Findings, the verdict, and where they come from.

    `images_of` are the images that the audited ones were drawn from, `row` what a reader calls one of them;
    what follows is its run in the store, see `tmdscope.tracking.provenance.whereabouts`, None without a run.
    """

    verdict: Verdict
    failed_checks: list[str]
    images_of: int | None = None
    row: str = "image"
    run_id: str | None = None
    tracking_uri: str | None = None
    experiment_id: str | None = None
    made_at: str | None = None
    provenance: dict[str, str] | None = None

    def write(self, path: Path, of: Mapping[str, str] | None = None) -> None:
        """Write it, as a record where it is said what it is `of`, see `tmdscope.record.write_record`."""
        dumped = _STORED.dump_python(self, mode="json")
        content = {"version": VERSION, **{key: value for key, value in dumped.items() if value is not None}}
        _rename(content, "score", self.task.plain.name)
        if of is None:
            write_json(path, content)
        else:
            write_record(path, content, of)

    @classmethod
    def read(cls, path: Path, task: Task, of: Mapping[str, str] | None = None) -> "Audit":
        """Read one of a study's task; `of` is what it must be of, see `tmdscope.record.read_record`.

        One of another version, or that is none, is a `UserError`.
        """
        content = read_json(path) if of is None else read_record(path, of)
        if content.pop("version", None) != VERSION:
            raise broken(path, f"is no audit of version {VERSION}: another version of this program wrote it")
        try:
            _rename(content, task.plain.name, "score")
            found: Audit = _STORED.validate_python({**content, "task": task})
        except (AttributeError, KeyError, TypeError) as error:
            raise broken(path, f"is no audit of {task.name}: {error!r}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise broken(path, f"is no audit of {task.name}: {place}: {first['msg']}") from error
        return found

    @property
    def is_sampled(self) -> bool:
        """Whether the audited images were drawn from more."""
        return self.images_of is not None and self.duplicates.images < self.images_of

    @property
    def drawn(self) -> str:
        """How many images were audited, and of how many: ``sampled 6,000 of 1,000,000``."""
        if not self.is_sampled:
            return f"{self.duplicates.images} of {self.images_of or self.duplicates.images}"
        return f"sampled {self.duplicates.images:,} of {self.images_of:,}"

    @property
    def origin(self) -> Origin:
        """Where its run is, and what made it; empty without a run."""
        return Origin(
            tracking_uri=self.tracking_uri or "",
            experiment_id=self.experiment_id or "",
            made_at=self.made_at or "",
            provenance=self.provenance or {},
        )

    @property
    def numbers(self) -> dict[str, float]:
        """What a run shows, by dotted name."""
        metric = self.task.plain
        numbers = {f"{item.name}.{metric.name}": item.score.values[metric.name] for item in self.confounds}
        for item in self.campaigns:
            bounds = item.drop.bounds[metric.name]
            numbers |= {
                f"{item.name}.held_out": item.held_out.values[metric.name],
                f"{item.name}.control": item.control.values[metric.name],
                f"{item.name}.drop": item.drop.values[metric.name],
            }
            if bounds is not None:
                numbers |= {f"{item.name}.drop_low": bounds[0], f"{item.name}.drop_high": bounds[1]}
        numbers |= {f"early_late.{item.name}.auc": item.auc for item in self.drift}
        return numbers | {
            "twice_the_samples.gain": self.learning_curve.gain,
            "failed_checks": float(len(self.failed_checks)),
        }


def _by_plain_metric(content: Any) -> Iterator[dict[str, Any]]:
    """Give the parts of a record whose `score` is by the plain metric, and stands under its name."""
    yield content["learning_curve"]
    yield from content["folds"]["outer"]
    if content["folds"]["test"] is not None:
        yield content["folds"]["test"]


def _rename(content: Any, name: str, other: str) -> None:
    for part in _by_plain_metric(content):
        for old, new in ((name, other), (f"{name}_ci95", f"{other}_ci95")):
            if old in part:
                part[new] = part.pop(old)


_STORED = TypeAdapter(Audit)
