"""Figure 4 of the TMD paper: published scores of sequential transfer, and the measured ones beside them.

Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Figure 4; the values lie in ``paper_figure_4.yaml``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from tmdscope.params.reading import Params
from tmdscope.params.sequential import Encoding, Volume
from tmdscope.report.figures.scores import drawable, panels_of_bars
from tmdscope.report.page import Block, Figure, Paragraph, Table
from tmdscope.report.paper import Pair, PaperPart, printed, read_values
from tmdscope.scores.intervals import tell_interval
from tmdscope.scores.task import Metric
from tmdscope.sequential.plan import Arm
from tmdscope.sequential.record import Point, SequenceRecord, StageSummary

ARMS: dict[Arm, str] = {
    "sequential": "sequential",
    "direct": "direct",
    "direct-equal-budget": "direct, equal budget",
}
"""The arms that are compared at every volume, in words."""

Series = Literal["imagenet", "MtC", "MtL"]

_SERIES: dict[tuple[Arm, Encoding], Series] = {
    ("direct", "multiclass"): "imagenet",
    ("sequential", "multiclass"): "MtC",
    ("sequential", "multilabel"): "MtL",
}
"""Which series was trained as an arm and encoding of ours."""


class PublishedStage(Params):
    """The values after one more material has come, which is the last of the classes."""

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
    """Everything in ``paper_figure_4.yaml``; `metric` is the name of what the values are."""

    metric: str
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


def read_figure_4() -> PublishedFigure4:
    """Read the published values that the package carries."""
    return PublishedFigure4.model_validate(read_values("paper_figure_4.yaml"))


@dataclass(frozen=True)
class Place:
    """Where arms are compared: a stage, not the first, and images of the added class."""

    stage: StageSummary
    encoding: Encoding
    volume: Volume

    @property
    def cells(self) -> list[str]:
        """How a row of a table begins."""
        return [stage_name(self.stage), self.encoding, str(self.volume)]


class Outcome:
    """What sequences gave, looked up by arm and place, with the published values beside.

    `metric` is the primary one of the study's task; published values of another are not shown.
    """

    def __init__(self, record: SequenceRecord, metric: Metric) -> None:
        self.record = record
        self.metric = metric
        self.encodings = [chain.encoding for chain in record.chains]
        volumes = {point.volume for point in record.points}
        self.volumes = sorted(volumes, key=lambda volume: -np.inf if volume == "full" else -volume)
        self._points = {
            (point.arm, point.encoding, point.materials, point.volume): point for point in record.points
        }
        self._figure = read_figure_4()

    def places(self, encodings: Sequence[Encoding] | None = None) -> Iterator[Place]:
        """Give the places of some encodings, or of all, by stage, encoding and falling volume."""
        for stage in self.record.added:
            for encoding in encodings or self.encodings:
                for volume in self.volumes:
                    yield Place(stage, encoding, volume)

    @property
    def has_published(self) -> bool:
        """Whether any published value stands beside a measured one."""
        return any(self.published(arm, place) is not None for place in self.places() for arm in ARMS)

    def point(self, arm: Arm, place: Place) -> Point:
        """Find what was measured."""
        return self._points[arm, place.encoding, len(place.stage.classes), place.volume]

    def score(self, arm: Arm, place: Place) -> float:
        """Find the mean of the test's primary metric."""
        return self.point(arm, place).test[self.metric.name].mean

    def published(self, arm: Arm, place: Place) -> Pair | None:
        """Find what the paper has for it, see `PublishedFigure4.find`."""
        if self._figure.metric != self.metric.name:
            return None
        return self._figure.find(arm, place.encoding, place.stage.classes, place.volume)


def stage_name(stage: StageSummary) -> str:
    """Name a stage, not the first, by its addition and number of materials, such as ``+ WSe2 (3)``."""
    return f"+ {stage.added} ({len(stage.classes)})"


def figure_4_blocks(outcome: Outcome) -> list[Block]:
    """Write Figure 4, under which conditions the paper's values came about, and the numbers of both."""
    one: Encoding = "multiclass" if "multiclass" in outcome.encodings else outcome.encodings[0]
    rows = (
        f"Upper row: sequential against both direct controls, {one}. Lower row: sequential, multiclass "
        "against multilabel."
        if len(outcome.encodings) > 1
        else f"Bars: sequential against both direct controls, {one}."
    )
    diamonds = " Diamonds: the paper's means." if outcome.has_published else ""
    added, metric = ", ".join(stage.added for stage in outcome.record.added), outcome.metric
    return [
        Figure(
            f"Mean test {metric.title} over {outcome.record.members} models with its 95 % interval. Columns: "
            "the added material, with the number of all materials; groups: its images in training and "
            f"validation. {rows}{diamonds}",
            f"Bars of test {metric.title}: a column of panels for each added material ({added}) and in it a "
            f"group of bars for each volume ({', '.join(map(str, outcome.volumes))}). The next table has the "
            "numbers.",
            panels_of_bars(_bars(outcome, one), "Images of the added material", f"Test {metric.title}"),
        ),
        Paragraph(_conditions(outcome)),
        _numbers(outcome),
    ]


def _bars(outcome: Outcome, one: Encoding) -> pd.DataFrame:
    """Arrange the bars: arms of one encoding, and below them the encodings of one arm."""
    upper = [(arm, one) for arm in ARMS]
    lower: list[tuple[Arm, Encoding]] = [("sequential", encoding) for encoding in outcome.encodings]
    return pd.DataFrame(
        [
            _bar(outcome, arm, place) | {"row": row}
            for row, shown in enumerate([upper, lower] if len(lower) > 1 else [upper])
            for place in outcome.places()
            for arm, encoding in shown
            if encoding == place.encoding
        ]
    )


def _bar(outcome: Outcome, arm: Arm, place: Place) -> dict[str, Any]:
    published = outcome.published(arm, place)
    low, high = drawable(outcome.point(arm, place).ci95)
    return {
        "column": f"{stage_name(place.stage)}, {place.stage.test_images} test images",
        "group": str(place.volume),
        "series": f"{ARMS[arm]}, {place.encoding}",
        "value": outcome.score(arm, place),
        "low": low,
        "high": high,
        "published": float("nan") if published is None else published[0],
    }


def _conditions(outcome: Outcome) -> str:
    source = "Moses & Reinhart (doi:10.1088/2632-2153/ada2da), Figure 4"
    if not outcome.has_published:
        return f"The paper, {source}, has no value for these materials, added in this order."
    return (
        f"Published: {source}, from file ImageNet_Sequential.json of the data "
        "(doi:10.5281/zenodo.13961220): series imagenet (direct), MtC and MtL (sequential, multiclass and "
        "multilabel); `full` is the paper's largest volume. These values are no target, as they come from "
        "other conditions: a ResNet152 fine-tuned on the images for 59 epochs a stage, all folds of a stage "
        "started from the model of fold 2, layers of the direct control carried over from fold to fold, "
        "volumes of images drawn one by one, five folds run once, and no control at equal budget. Here a "
        "prediction is the most probable material; the paper's multilabel scores count atoms that fit no "
        f"material as wrong.{_published_gains(outcome)}"
    )


def _published_gains(outcome: Outcome) -> str:
    """Say what the paper's own means amount to at the stages and volumes measured here."""
    claims: dict[str, tuple[tuple[Arm, Encoding], tuple[Arm, Encoding]]] = {
        "sequential is not below direct (multiclass)": (
            ("sequential", "multiclass"),
            ("direct", "multiclass"),
        ),
        "multilabel is not below multiclass (sequential)": (
            ("sequential", "multilabel"),
            ("sequential", "multiclass"),
        ),
    }
    found = []
    for claim, (left, right) in claims.items():
        (arm, encoding), (other_arm, other_encoding) = left, right
        pairs = [
            (
                outcome.published(arm, place),
                outcome.published(other_arm, replace(place, encoding=other_encoding)),
            )
            for place in outcome.places([encoding])
        ]
        gains = [one[0] - other[0] for one, other in pairs if one is not None and other is not None]
        if gains:
            found.append(
                f"{claim} at {sum(gain >= 0 for gain in gains)} of {len(gains)} points, with a mean "
                f"difference of {np.mean(gains):+.3f}"
            )
    return f" In the paper's own values {', and '.join(found)}." if found else ""


def _numbers(outcome: Outcome) -> Table:
    paper: tuple[Arm, ...] = ("sequential", "direct") if outcome.has_published else ()
    rows = [
        [
            *place.cells,
            *(_score(outcome, arm, place) for arm in ARMS),
            *(printed(outcome.published(arm, place), 2) for arm in paper),
        ]
        for place in outcome.places()
    ]
    beside = "; paper: mean ± standard deviation over five folds, other conditions" if paper else ""
    return Table(
        f"Test {outcome.metric.title}: mean over models with 95 % interval{beside}",
        ["Stage", "encoding", "volume", *ARMS.values(), *(f"paper, {arm}" for arm in paper)],
        rows,
    )


def _score(outcome: Outcome, arm: Arm, place: Place) -> str:
    return tell_interval(outcome.score(arm, place), outcome.point(arm, place).ci95, outcome.metric.form)
