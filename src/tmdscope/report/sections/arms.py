"""Arms of sequences, each on from the stage before or trained anew, with published values beside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tmdscope.params.sequential import Encoding, Volume
from tmdscope.report.figures.scores import drawable, panels_of_bars
from tmdscope.report.page import Block, Figure, Paragraph, Table
from tmdscope.report.text import printed
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

_CLAIMS: dict[str, tuple[tuple[Arm, Encoding], tuple[Arm, Encoding]]] = {
    "sequential is not below direct (multiclass)": (("sequential", "multiclass"), ("direct", "multiclass")),
    "multilabel is not below multiclass (sequential)": (
        ("sequential", "multilabel"),
        ("sequential", "multiclass"),
    ),
}
"""What is published as not below what."""


class PublishedSequences(Protocol):
    """Published values of arms, to stand beside measured ones."""

    @property
    def metric(self) -> str:
        """Name of what the values are."""

    @property
    def source(self) -> str:
        """Where they were published."""

    @property
    def conditions(self) -> str:
        """How they came about."""

    def find(
        self, arm: Arm, encoding: Encoding, classes: Sequence[str], volume: Volume
    ) -> Sequence[float] | None:
        """Find mean and standard deviation of the test; None where nothing was published."""


@dataclass(frozen=True)
class Place:
    """Where arms are compared: a stage, not the first, and images of the added class."""

    stage: StageSummary
    encoding: Encoding
    volume: Volume

    @property
    def cells(self) -> dict[str, str]:
        """How a row of a table begins."""
        return {"Stage": stage_name(self.stage), "encoding": self.encoding, "volume": str(self.volume)}


def stage_name(stage: StageSummary) -> str:
    """Name a stage, not the first, by its addition and number of materials, such as ``+ WSe2 (3)``."""
    return f"+ {stage.added} ({len(stage.classes)})"


@dataclass(frozen=True)
class Arms:
    """What sequences gave, looked up by arm and place; published values of another metric are not shown."""

    record: SequenceRecord
    metric: Metric
    values: PublishedSequences | None

    @cached_property
    def encodings(self) -> list[Encoding]:
        """Every one that was trained."""
        return [chain.encoding for chain in self.record.chains]

    @cached_property
    def volumes(self) -> list[Volume]:
        """Every one that was trained, falling."""
        volumes = {point.volume for point in self.record.points}
        return sorted(volumes, key=lambda volume: -np.inf if volume == "full" else -volume)

    @cached_property
    def _points(self) -> dict[tuple[Any, ...], Point]:
        return {(one.arm, one.encoding, one.materials, one.volume): one for one in self.record.points}

    def places(self, encodings: Sequence[Encoding] = ()) -> Iterator[Place]:
        """Give the places of some encodings, or of all, by stage, encoding and falling volume."""
        for stage in self.record.added:
            for encoding in encodings or self.encodings:
                for volume in self.volumes:
                    yield Place(stage, encoding, volume)

    def point(self, arm: Arm, place: Place) -> Point:
        """Find what was measured."""
        return self._points[arm, place.encoding, len(place.stage.classes), place.volume]

    def score(self, arm: Arm, place: Place) -> float:
        """Find the mean of the test's metric."""
        return self.point(arm, place).test[self.metric.name].mean

    def published(self, arm: Arm, place: Place) -> Sequence[float] | None:
        """Find the published mean and standard deviation."""
        if self.values is None or self.values.metric != self.metric.name:
            return None
        return self.values.find(arm, place.encoding, place.stage.classes, place.volume)

    @cached_property
    def has_published(self) -> bool:
        """Whether any published value stands beside a measured one."""
        return any(self.published(arm, place) is not None for place in self.places() for arm in ARMS)

    def compared(self) -> list[Block]:
        """Draw the arms, say how published values came about, and write the numbers of both."""
        one: Encoding = "multiclass" if "multiclass" in self.encodings else self.encodings[0]
        rows = (
            f"Upper row: sequential against both direct controls, {one}. Lower row: sequential, multiclass "
            "against multilabel."
            if len(self.encodings) > 1
            else f"Bars: sequential against both direct controls, {one}."
        )
        diamonds = " Diamonds: the paper's means." if self.has_published else ""
        added, title = ", ".join(stage.added for stage in self.record.added), self.metric.title
        figure = Figure(
            f"Mean test {title} over {self.record.members} models with its 95 % interval. Columns: "
            "the added material, with the number of all materials; groups: its images in training and "
            f"validation. {rows}{diamonds}",
            f"Bars of test {title}: a column of panels for each added material ({added}) and in it a "
            f"group of bars for each volume ({', '.join(map(str, self.volumes))}). The next table has the "
            "numbers.",
            panels_of_bars(self._bars(one), "Images of the added material", f"Test {title}"),
        )
        return [figure, *([] if self.values is None else [self._conditions(self.values)]), self._numbers()]

    def _bars(self, one: Encoding) -> pd.DataFrame:
        """Arrange the bars: arms of one encoding, and below them the encodings of one arm."""
        upper = [(arm, one) for arm in ARMS]
        lower: list[tuple[Arm, Encoding]] = [("sequential", encoding) for encoding in self.encodings]
        return pd.DataFrame(
            [
                {"row": row, **self._bar(arm, place)}
                for row, shown in enumerate([upper, lower] if len(lower) > 1 else [upper])
                for place in self.places()
                for arm, encoding in shown
                if encoding == place.encoding
            ]
        )

    def _bar(self, arm: Arm, place: Place) -> dict[str, Any]:
        published = self.published(arm, place)
        low, high = drawable(self.point(arm, place).ci95)
        return {
            "column": f"{stage_name(place.stage)}, {place.stage.test_images} test images",
            "group": str(place.volume),
            "series": f"{ARMS[arm]}, {place.encoding}",
            "value": self.score(arm, place),
            "low": low,
            "high": high,
            "published": float("nan") if published is None else published[0],
        }

    def _conditions(self, values: PublishedSequences) -> Paragraph:
        """Say how published values came about, and what they amount to at the places measured here."""
        if not self.has_published:
            return Paragraph(
                f"The paper, {values.source}, has no value for these materials, added in this order."
            )
        found = []
        for claim, ((arm, encoding), (other_arm, other)) in _CLAIMS.items():
            pairs = [
                (self.published(arm, place), self.published(other_arm, replace(place, encoding=other)))
                for place in self.places([encoding])
            ]
            gains = [left[0] - right[0] for left, right in pairs if left is not None and right is not None]
            if gains:
                found.append(
                    f"{claim} at {sum(gain >= 0 for gain in gains)} of {len(gains)} points, with a mean "
                    f"difference of {np.mean(gains):+.3f}"
                )
        own = f" In the paper's own values {', and '.join(found)}." if found else ""
        return Paragraph(f"Published: {values.source}, {values.conditions}{own}")

    def _numbers(self) -> Table:
        paper: tuple[Arm, ...] = ("sequential", "direct") if self.has_published else ()
        rows = [
            {
                **place.cells,
                **{words: self._score(arm, place) for arm, words in ARMS.items()},
                **{f"paper, {arm}": printed(self.published(arm, place), 2) for arm in paper},
            }
            for place in self.places()
        ]
        beside = "; paper: mean ± standard deviation over five folds, other conditions" if paper else ""
        return Table.of(f"Test {self.metric.title}: mean over models with 95 % interval{beside}", rows)

    def _score(self, arm: Arm, place: Place) -> str:
        return tell_interval(self.score(arm, place), self.point(arm, place).ci95, self.metric.form)
