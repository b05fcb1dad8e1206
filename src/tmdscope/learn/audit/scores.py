"""Scores with intervals bootstrapped by sample, and how many times to draw."""

from dataclasses import dataclass

import numpy as np

from tmdscope.learn.audit.table import AuditTable, Labels, Rows
from tmdscope.learn.intervals import Bounds, Difference, bootstrap_by_sample, paired_difference


@dataclass(frozen=True)
class Score:
    """A score on some images with 95 % intervals bootstrapped by sample.

    Attributes
    ----------
    accuracy, macro_f1 : float
        In 0..1; of several models those of their mean counts, as in `Difference`.
    accuracy_ci95, macro_f1_ci95 : tuple of float or None
        Lower and upper bound of each; None with fewer than two samples.
    images, samples : int
        What was scored.
    """

    accuracy: float
    macro_f1: float
    accuracy_ci95: Bounds
    macro_f1_ci95: Bounds
    images: int
    samples: int


@dataclass(frozen=True)
class Scorer:
    """Scores predictions for images of an audited data set.

    Attributes
    ----------
    table : AuditTable
        The data set.
    resamples : int
        Bootstrap resamples of an interval.
    seed : int
        Of the bootstrap.
    """

    table: AuditTable
    resamples: int
    seed: int

    def score(self, rows: Rows, predicted: Labels) -> Score:
        """Score predictions.

        Parameters
        ----------
        rows : numpy.ndarray
            Which images, int64, shape (M,).
        predicted : numpy.ndarray
            Their predicted classes, int64, shape (M,), or of several models, shape (models, M).

        Returns
        -------
        Score
            Images of one sample are drawn together (`tmdscope.learn.intervals.bootstrap_by_sample`).
        """
        labels, groups = self.table.labels[rows], self.table.groups[rows]
        found = bootstrap_by_sample(labels, predicted, groups, self.resamples, self.seed)
        return Score(*found.scores, found.accuracy, found.macro_f1, len(rows), found.samples)

    def difference(self, rows: Rows, first: Labels, second: Labels) -> Difference:
        """Compare two predictions of the same images.

        Parameters
        ----------
        rows : numpy.ndarray
            Which images, int64, shape (M,).
        first, second : numpy.ndarray
            Predicted classes, int64, shape (M,), or of several models, shape (models, M).

        Returns
        -------
        Difference
            First less second, paired (`tmdscope.learn.intervals.paired_difference`).
        """
        labels, groups = self.table.labels[rows], self.table.groups[rows]
        return paired_difference(labels, first, second, groups, self.resamples, self.seed)

    def chance(self, rows: Rows) -> float:
        """Give the accuracy of naming the most frequent class of these images.

        Parameters
        ----------
        rows : numpy.ndarray
            Which images, int64.

        Returns
        -------
        float
            In 0..1.
        """
        return float(np.bincount(self.table.labels[rows]).max() / len(rows))
