"""What is known of a cross-validated model: its data, split, settings and scores, as its run keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from tmdscope.dataset.audit import SplitAudit
from tmdscope.record import JsonRecord
from tmdscope.scores.folds import MeanStd
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.records import Trust
from tmdscope.scores.task import CLASSES, Metric, Task, read_task

Counts = Mapping[str, int]


@dataclass(frozen=True)
class DataFacts:
    """The images that a model was made of; repetitions are of images that are there already."""

    source: str
    sha256: str
    images: int
    samples: int
    images_of_class: Counts
    samples_of_class: Counts
    repeated_images: int


@dataclass(frozen=True)
class SplitFacts:
    """How its images were cut."""

    folds: int
    test_images: int
    test_samples: int


@dataclass(frozen=True)
class Facts(JsonRecord):
    """The facts of a model that a card, a listing and a gate are written from.

    `scores` are those of `tmdscope.learn.summary.summarise`, with ``selection`` as of `describe_selection`;
    `baseline` has ``PART_METRIC`` of a classifier that sees the sample's number alone, None without numbers.
    `not_trained` are classes and atoms that training could not tell. Facts without a task are of classes.
    """

    classes: list[str]
    encoding: str
    architecture: str
    settings: dict[str, Any]
    data: DataFacts
    split: SplitFacts
    audit: SplitAudit
    scores: dict[str, Any]
    baseline: dict[str, MeanStd] | None
    reliability: Trust
    not_trained: list[str] = field(default_factory=list)
    task: Annotated[Task, PlainValidator(read_task), PlainSerializer(Task.record)] = CLASSES

    @property
    def out_of_fold(self) -> Estimate:
        """Scores of all folds' validation images, each by the fold that held it out."""
        return Estimate.read(self.scores["out_of_fold"])

    @property
    def ensemble_test(self) -> Estimate:
        """Scores of the folds' mean on the held-out test."""
        return Estimate.read(self.scores["ensemble_test"])

    @property
    def distinct_test(self) -> Estimate:
        """The same on the first of identical images."""
        return Estimate.read(self.scores["ensemble_test"]["distinct"])

    @property
    def best_fold(self) -> int:
        """The fold with the best validation score."""
        return int(self.scores["best_fold"])

    @property
    def selection(self) -> float:
        """The score by which the best experiment is chosen."""
        return float(self.scores["selection"][self.task.primary.name])

    @property
    def optimism(self) -> float:
        """How much better the mean validation score is."""
        return float(self.scores["selection"]["optimism"])

    def over_folds(self, part: str, metric: Metric) -> MeanStd:
        """Give a score of all folds' ``train``, ``val`` or ``test``."""
        return MeanStd(**self.scores[part][metric.name])
