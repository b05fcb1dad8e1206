"""What the search over families of classifiers found, beside the classifiers whose settings were fixed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tmdscope.report.page import Note, Paragraph, Section, Table
from tmdscope.report.part import Part
from tmdscope.report.sections.pooled import pooled_table
from tmdscope.report.text import counted, heading, setting, valued
from tmdscope.scores.records import Choice, FamilySearch, Pooled
from tmdscope.scores.task import Task

_TRANSFORMS = ("power", "l2", "standardise")
_ENDS = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class Families(Part):
    """A search, and the pooled scores of classifiers with fixed settings, by how a reader calls them."""

    task: Task
    search: FamilySearch
    fixed: Mapping[str, Pooled]

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

    def section(self) -> Section:
        """Write how it was searched, the scores beside those of fixed settings, and what was chosen."""
        compared = {"searched, nested": self.search.pooled, **self.fixed}
        title, metrics = self.task.primary.title, self.task.metrics
        return Section(
            "A search over families of classifiers",
            [
                Paragraph(self.search.method),
                Note(
                    "The ranges that these searches draw from were set by hand, in sight of the same images: "
                    "what was chosen inside them is nested, the ranges are not."
                ),
                pooled_table(self.task, "Classifier", compared, "Pooled over the outer folds"),
                Table(
                    "What each search chose, by its inner folds alone, and how that does on the outer fold, "
                    f"which it never saw; trials of all searches: {counted(self.trials, _ENDS)}",
                    [
                        *("Outer fold", "family", "transforms", "settings"),
                        *(f"inner {title}", "images", *(heading(metric) for metric in metrics)),
                    ],
                    [self._choice(number, fold) for number, fold in enumerate(self.search.folds)],
                ),
            ],
        )

    def _choice(self, number: int, fold: Choice) -> list[str]:
        drawn, primary = fold.settings, self.task.primary
        own = {key: value for key, value in drawn.items() if key not in _TRANSFORMS}
        done = [
            f"power {drawn['power']:.2f}",
            *(["unit length"] if drawn["l2"] else []),
            *(["standardised"] if drawn["standardise"] else []),
        ]
        return [
            *(str(number), fold.family, ", ".join(done)),
            ", ".join(f"{key} {setting(value)}" for key, value in own.items()),
            valued(primary, fold.numbers[f"inner_{primary.name}"]),
            str(fold.images),
            *(valued(metric, fold.numbers[metric.name]) for metric in self.task.metrics),
        ]
