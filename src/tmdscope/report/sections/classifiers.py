"""Methods on a table: over folds, pooled, found by searches, and which classes they take for which."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmdscope.report.figures.scores import confusion_matrices
from tmdscope.report.page import Block, Claim, Figure, Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.text import averaged, counted, digits_of, percent, printed, setting, spelled
from tmdscope.scores.folds import PARTS
from tmdscope.scores.records import Choice, ClassifierScores, FamilySearch, Pooled
from tmdscope.scores.task import Metric, Task
from tmdscope.scores.text import capital, estimated, heading, named, plural, valued

PublishedScores = Mapping[str, Mapping[Any, Sequence[float]]]
"""Metric and part to a published mean and standard deviation."""

_TRANSFORMS = ("power", "l2", "standardise")
_ENDS = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class Classifiers(Part):
    """Methods by how they are called in the record, and in text, and published scores to stand beside.

    `order` says what the samples' order alone explains, where it is known; `test_images` of the `rows`,
    as a reader calls them, are held out.
    """

    task: Task
    scores: Mapping[str, ClassifierScores]
    order: str | None
    test_images: int
    folds: int
    rows: str
    called: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, PublishedScores] = field(default_factory=dict)

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

    def claim(self) -> Claim:
        """Say what was cross-validated."""
        return Claim(f"{capital(spelled(len(self.scores)))} methods over {spelled(self.folds)} folds.")

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
            f"{self.order} Where samples come in campaigns, a score on this split does not by itself prove "
            f"that a model recognises the {self.task.stratum} rather than the campaign."
        )
        folds = f"{spelled(self.folds)} folds"
        return Section(
            f"{capital(plural(self.task.method))}, {folds}",
            [
                Table(
                    f"{capital(named(self.task.metrics))}, mean ± population standard deviation over "
                    f"{folds}; test: {self.test_images} {self.rows}",
                    [capital(self.task.method), *(f"{part} {metric.title}" for part, metric in self._shown)],
                    rows,
                ),
                *([Note(warning)] if self.order else []),
            ],
        )


@dataclass(frozen=True)
class PooledPart(Part):
    """Methods, by how they are called in the record, and in text, pooled over outer folds."""

    task: Task
    pooled: Mapping[str, Pooled]
    folds: int
    row: str
    called: Mapping[str, str] = field(default_factory=dict)

    def claim(self) -> Claim:
        """Say how it was predicted."""
        return Claim("Every row predicted by a model that never saw its sample, with intervals.")

    def section(self) -> Section:
        """Write the scores with their intervals."""
        about = f"Every {self.row} predicted by a model that never saw its sample"
        scores = {self.called.get(name, name): found for name, found in self.pooled.items()}
        table = pooled_table(self.task, capital(self.task.method), scores, about, plural(self.row))
        return Section(f"Pooled over {spelled(self.folds)} outer folds", [table])

    def metrics(self) -> dict[str, Any]:
        """Collect all of them."""
        return {"pooled": {name: found.record() for name, found in self.pooled.items()}}


def pooled_table(task: Task, first: str, scores: Mapping[str, Pooled], about: str, rows: str) -> Table:
    """Lay out the metrics of all `rows`, as a reader calls them, and distinct ones; `first` heads names."""
    of = next(iter(scores.values()))
    heads = [heading(metric) for metric in task.metrics]
    return Table(
        f"{about}; 95 % intervals bootstrapped by sample. All: {of.all.images} {rows} of {of.all.samples} "
        f"samples; distinct: {of.distinct.images} {rows}",
        [first, *heads, *(f"{head}, distinct" for head in heads)],
        [
            [name, *(estimated(metric, part) for part in (one.all, one.distinct) for metric in task.metrics)]
            for name, one in scores.items()
        ],
    )


@dataclass(frozen=True)
class Families(Part):
    """Searches over families, and the pooled scores of methods with `fixed` settings, by a reader's words."""

    task: Task
    search: FamilySearch
    fixed: Mapping[str, Pooled]
    rows: str

    @property
    def trials(self) -> dict[str, int]:
        """How many trials of all searches ended how."""
        return {end: sum(fold.trials[end] for fold in self.search.folds) for end in _ENDS}

    def metrics(self) -> dict[str, Any]:
        """Collect pooled scores with intervals, in how many folds each family was chosen, and trials."""
        pooled = self.search.pooled
        scores, distinct = (
            {key: value for key, value in part.record().items() if key not in ("images", "samples")}
            for part in (pooled.all, pooled.distinct)
        )
        families = dict(sorted(Counter(fold.family for fold in self.search.folds).items()))
        return {"search": {**scores, "distinct": distinct, "families": families, "trials": self.trials}}

    def claim(self) -> Claim:
        """Say what was searched, in how many trials."""
        trials, folds = sum(self.trials.values()), spelled(len(self.search.folds))
        return Claim(f"A method chosen anew for each of {folds} outer folds, in {trials} trials.")

    def section(self) -> Section:
        """Write how it was searched, the scores beside those of fixed settings, and what was chosen."""
        compared = {"searched, nested": self.search.pooled, **self.fixed}
        title, metrics = self.task.primary.title, self.task.metrics
        warning = (
            f"The ranges that these searches draw from were set by hand, in sight of the same {self.rows}: "
            "what was chosen inside them is nested, the ranges are not."
        )
        choices = Table(
            "What each search chose, by its inner folds alone, and how that does on the outer fold, "
            f"which it never saw; trials of all searches: {counted(self.trials)}",
            [
                *("Outer fold", "family", "transforms", "settings"),
                *(f"inner {title}", self.rows, *(heading(metric) for metric in metrics)),
            ],
            [self._choice(number, fold) for number, fold in enumerate(self.search.folds)],
        )
        first, about = capital(self.task.method), "Pooled over the outer folds"
        pooled = pooled_table(self.task, first, compared, about, self.rows)
        lead = Paragraph(self.search.method), Note(warning)
        title = f"A search over families of {plural(self.task.method)}"
        return Section(title, [*lead, pooled, choices])

    def _choice(self, number: int, fold: Choice) -> list[str]:
        drawn, primary = fold.settings, self.task.primary
        done = [
            f"power {drawn['power']:.2f}",
            *(["unit length"] if drawn["l2"] else []),
            *(["standardised"] if drawn["standardise"] else []),
        ]
        own = (f"{key} {setting(value)}" for key, value in drawn.items() if key not in _TRANSFORMS)
        return [
            *(str(number), fold.family, ", ".join(done), ", ".join(own)),
            valued(primary, fold.numbers[f"inner_{primary.name}"]),
            str(fold.images),
            *(valued(metric, fold.numbers[metric.name]) for metric in self.task.metrics),
        ]


@dataclass(frozen=True)
class Confusion(Part):
    """Confusion matrices by name, rows true: what they count, and what is said of the best one's.

    `remarks` stand below the matrices, `beside` at the end.
    """

    matrices: Mapping[str, NDArray[np.float64]]
    classes: Sequence[str]
    about: str
    best: str
    about_best: str
    remarks: Sequence[Block] = ()
    beside: Sequence[Block] = ()

    @classmethod
    def pooled(
        cls,
        task: Task,
        scores: Mapping[str, ClassifierScores],
        classes: Sequence[str],
        folds: int,
        rows: str,
        called: Mapping[str, str] = {},
        never_best: Sequence[str] = (),
    ) -> Self:
        """Show classifiers pooled over outer folds; some of which are `never_best`."""
        ranked = {name: score.pooled.all for name, score in scores.items() if name not in never_best}
        best = max(ranked, key=lambda name: task.primary.gain(ranked[name].values[task.primary.name], 0))
        images = ranked[best].images
        return cls(
            matrices={called.get(name, name): np.array(of.confusion) for name, of in scores.items()},
            classes=classes,
            about=f"Pooled over {spelled(folds)} outer folds: {images} {rows}, rows true, and their share of "
            "the row.",
            best=called.get(best, best),
            about_best=f"{called.get(best, best)}: {images} {rows}, each predicted by a model that never saw "
            "its sample",
        )

    def claim(self) -> Claim:
        """Name the two classes that are taken for one another most."""
        counts = np.asarray(self.matrices[self.best], dtype=np.float64)
        of_row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        np.fill_diagonal(of_row, 0)
        if not of_row.any():
            return Claim(f"{self.best} takes no class for another.")
        true, named = (self.classes[place] for place in np.unravel_index(of_row.argmax(), of_row.shape))
        return Claim(f"{self.best} takes {true} for {named} more than any class for another.")

    def section(self) -> Section:
        """Draw all matrices, and write the best one's counts."""
        drawn = Figure(
            self.about,
            "Confusion matrices of " + ", ".join(self.matrices) + ".",
            confusion_matrices(self.matrices, self.classes),
        )
        counts = confusion_table(
            f"{self.about_best}; a row per true class", self.matrices[self.best], self.classes
        )
        return Section("Confusion matrices", [drawn, *self.remarks, counts, *self.beside])


def confusion_table(caption: str, counts: ArrayLike, classes: Sequence[str]) -> Table:
    """Write a confusion matrix, rows true, shape (classes, classes), and the share of each named rightly."""
    rows = []
    for name, row, hits in zip(classes, np.asarray(counts), np.diagonal(counts), strict=True):
        share = percent(hits / row.sum()) if row.sum() else "-"
        rows.append([name, *(f"{count:.4g}" for count in row), share])
    return Table(caption, ["True class", *classes, "named rightly (%)"], rows)
