"""Scores with intervals bootstrapped by sample, and how many times to draw."""

from dataclasses import dataclass

import numpy as np

from tmdscope.audit.table import AuditTable, Labels, Rows
from tmdscope.scores.intervals import Bounds, Difference, bootstrap_by_sample, paired_difference


@dataclass(frozen=True)
class Score:
    """A score in 0..1 on some images with 95 % intervals bootstrapped by sample.

    Of several models it is that of their mean counts, as in `Difference`; without two samples no interval.
    """

    accuracy: float
    macro_f1: float
    accuracy_ci95: Bounds
    macro_f1_ci95: Bounds
    images: int
    samples: int


@dataclass(frozen=True)
class Scorer:
    """Scores predictions for images of an audited data set."""

    table: AuditTable
    resamples: int
    seed: int

    def score(self, rows: Rows, predicted: Labels) -> Score:
        """Score predictions for M rows, int64, shape (M,), or of several models, shape (models, M)."""
        labels, groups = self.table.labels[rows], self.table.groups[rows]
        found = bootstrap_by_sample(labels, predicted, groups, self.resamples, self.seed)
        return Score(*found.scores, found.accuracy, found.macro_f1, len(rows), found.samples)

    def difference(self, rows: Rows, first: Labels, second: Labels) -> Difference:
        """Compare two predictions of the same images, first less second, shapes as for `score`."""
        labels, groups = self.table.labels[rows], self.table.groups[rows]
        return paired_difference(labels, first, second, groups, self.resamples, self.seed)

    def chance(self, rows: Rows) -> float:
        """Give the accuracy of naming the most frequent class of these images."""
        return float(np.bincount(self.table.labels[rows]).max() / len(rows))
