"""The scores of a study as they lie on disk: of cross-validated networks, pre-training, and classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, TypeAdapter

from tmdscope.record import JsonRecord
from tmdscope.scores.folds import PARTS, MeanStd
from tmdscope.scores.intervals import Bounds, Estimate


@dataclass(frozen=True)
class Pooled:
    """Scores of predictions, and of those of the first of identical images only."""

    all: Estimate
    distinct: Estimate

    def record(self) -> dict[str, Any]:
        """Write it as `tmdscope.scores.cohort.Cohort.pooled` does."""
        return {**self.all.record(), "distinct": self.distinct.record()}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Read what `record` wrote."""
        return cls(Estimate.read(record), Estimate.read(record["distinct"]))


def _pooled(content: Any) -> Pooled:
    try:
        return content if isinstance(content, Pooled) else Pooled.read(content)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no scores with intervals: {error!r}") from error


PooledScores = Annotated[Pooled, PlainValidator(_pooled), PlainSerializer(Pooled.record)]
"""`Pooled` in a record."""

PartScores = dict[str, MeanStd | dict[str, MeanStd]]
"""A part's scores over folds by metric, loss or detail; of a detail of classes by class."""


@dataclass(frozen=True)
class Trust:
    """What an assessment is worth on images that neither training nor `fit_reliability` has seen.

    Calibration error and likelihood are of probabilities as they are and calibrated. `coverage` is the share
    of images whose set holds the true class, `coverage_by_sample` its mean over samples, which the level
    speaks of; `set_size` the mean number of classes; `empty_sets` and `flagged`, called unfamiliar, are
    shares of images.
    """

    images: int
    samples: int
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    coverage: float
    coverage_ci95: Bounds
    coverage_by_sample: float
    set_size: float
    empty_sets: float
    flagged: float
    flagged_ci95: Bounds


@dataclass(frozen=True)
class ExperimentScores(JsonRecord):
    """``scores.json`` of an experiment: `tmdscope.learn.summary.summarise`, and what is shown beside it.

    `selection` has the score by which the best is chosen, by the metric's name, and ``optimism``;
    `test_confusion` mean counts over folds, rows true. The last two are of classes only.
    """

    train: PartScores
    val: PartScores
    test: PartScores
    best_fold: int
    selection: dict[str, float]
    out_of_fold: PooledScores
    ensemble_test: PooledScores
    reliability: Trust | None = None
    test_confusion: list[list[float]] | None = None

    @property
    def parts(self) -> dict[str, PartScores]:
        """Every part's scores over folds."""
        return {part: getattr(self, part) for part in PARTS}

    def mean(self, part: str, name: str) -> MeanStd:
        """Give a score of a part over folds; `KeyError` where there is none of that name."""
        found = self.parts[part][name]
        if not isinstance(found, MeanStd):
            raise KeyError(f"{name} is of each class")
        return found

    def of_class(self, part: str, name: str, label: str) -> MeanStd | None:
        """Give a class's detail over the folds whose part holds some of it; None where none does."""
        found = self.parts[part].get(name, {})
        return None if isinstance(found, MeanStd) else found.get(label)


def _gathered(kind: type, into: str, content: Any) -> Any:
    """Put the keys of a JSON object that are no fields of a class under one of its fields."""
    if not isinstance(content, Mapping):
        return content
    own = {key: content[key] for key in kind.__dataclass_fields__ if key in content}  # type: ignore[attr-defined]
    return {**own, into: {key: value for key, value in content.items() if key not in own}}


def _spread(into: str, content: Any) -> dict[str, Any]:
    """Undo `_gathered`."""
    found = TypeAdapter(type(content)).dump_python(content)
    return {**found.pop(into), **found}


@dataclass(frozen=True)
class ClassifierScores:
    """Scores of a method: over folds by ``PART_METRIC``, pooled over outer folds; of classes, confusion."""

    means: dict[str, MeanStd]
    pooled: PooledScores
    confusion: list[list[int]] | None = None

    def mean(self, part: str, name: str) -> MeanStd:
        """Give a score of a part over folds."""
        return self.means[f"{part}_{name}"]


@dataclass(frozen=True)
class StudyScores(JsonRecord):
    """``scores.json`` of classifiers that one stage scores, by their names."""

    classifiers: dict[
        str,
        Annotated[
            ClassifierScores,
            BeforeValidator(partial(_gathered, ClassifierScores, "means")),
            PlainSerializer(partial(_spread, "means")),
        ],
    ]

    def to_dict(self) -> dict[str, Any]:
        """Give the object to write: classifiers lie beside the version."""
        found = super().to_dict()
        return {**found.pop("classifiers"), **found}

    @classmethod
    def parse(cls, content: Any) -> Self:
        """Take a JSON object that was read, see `JsonRecord.parse`."""
        version = {key: content[key] for key in ("version",) if key in content}
        others = {key: value for key, value in content.items() if key not in version}
        return super().parse({**version, "classifiers": others})


@dataclass(frozen=True)
class Pretraining(JsonRecord):
    """``pretrain.json``: losses epoch by epoch, and R2 of each quantity on images that were held out."""

    data: str
    images: int
    history: list[dict[str, float]]
    r_squared: dict[str, float]


@dataclass(frozen=True)
class Choice:
    """What the search of one outer fold chose by its inner folds, and how that does on the outer fold.

    `numbers` are the metrics there, and ``inner_NAME``, the score that it was chosen by.
    """

    family: str
    settings: dict[str, Any]
    inner_folds: list[float]
    images: int
    trial: int
    trials: dict[str, int]
    numbers: dict[str, float]


@dataclass(frozen=True)
class FamilySearch(JsonRecord):
    """``search.json`` of nested searches over families of classifiers."""

    method: str
    folds: list[
        Annotated[
            Choice,
            BeforeValidator(partial(_gathered, Choice, "numbers")),
            PlainSerializer(partial(_spread, "numbers")),
        ]
    ]
    pooled: PooledScores
