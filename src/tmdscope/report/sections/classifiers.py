"""Classifiers of stored features over folds, beside a published row."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tmdscope.report.page import Note, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import averaged, capital, digits_of, named, printed
from tmdscope.scores.folds import PARTS
from tmdscope.scores.records import ClassifierScores
from tmdscope.scores.task import Metric, Task


@dataclass(frozen=True)
class Classifiers(Part):
    """Classifiers by how they are called in the record, and in text.

    `published` scores are by what a reader calls them, metric and part; `order` says what the samples' order
    alone explains, where it is known; `test_images` are held out.
    """

    task: Task
    scores: Mapping[str, ClassifierScores]
    called: Mapping[str, str]
    published: Mapping[str, Mapping[str, Mapping[Any, Sequence[float]]]]
    order: str | None
    test_images: int

    @property
    def _shown(self) -> list[tuple[str, Metric]]:
        plain, *others = self.task.metrics
        return [
            *((part, plain) for part in PARTS),
            *((part, metric) for metric in others for part in PARTS[1:]),
        ]

    def metrics(self) -> dict[str, Any]:
        """Collect the scores that are shown, and what is taken for what."""
        keys = [(part, metric.name) for part, metric in self._shown]
        return {
            "classifiers": {
                name: {f"{part}_{key}": asdict(score.mean(part, key)) for part, key in keys}
                for name, score in self.scores.items()
            },
            "confusion": {name: score.confusion for name, score in self.scores.items()},
        }

    def section(self) -> Section:
        """Write scores over the folds beside the published, and what the samples' order alone explains."""
        rows = [
            [
                self.called.get(name, name),
                *(averaged(metric, score.mean(part, metric.name)) for part, metric in self._shown),
            ]
            for name, score in self.scores.items()
        ]
        for name, row in self.published.items():
            cells = [printed(row.get(of.name, {}).get(part), digits_of(of)) for part, of in self._shown]
            rows.append([name, *cells])
        warning = (
            f"{self.order} Ids count up over the years and materials were grown in campaigns: a score on "
            "this split does not by itself prove that a model recognises the material rather than the "
            "campaign."
        )
        return Section(
            "Classifiers, five folds",
            [
                Table(
                    f"{capital(named(self.task.metrics))}, mean ± population standard deviation over five "
                    f"folds; test: {self.test_images} images",
                    ["Classifier", *(f"{part} {metric.title}" for part, metric in self._shown)],
                    rows,
                ),
                *([Note(warning)] if self.order else []),
            ],
        )
