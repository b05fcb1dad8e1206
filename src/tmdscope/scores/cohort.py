"""The one holder of rows: images, or rows of a table, with their samples and targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.splits import FoldParts, Split, group_samples
from tmdscope.dataset.store import digest_of
from tmdscope.errors import UserError
from tmdscope.files import sha256_array
from tmdscope.params.common import ScoringParams
from tmdscope.scores.intervals import Estimate, difference, estimate
from tmdscope.scores.task import Task

Targets = NDArray[Any]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]

_STRATA = 5
"""Of numbers, equal in samples."""


@dataclass(frozen=True)
class Cohort:
    """What a study is about: N images, or rows of a table, each of a sample and with a target.

    Attributes
    ----------
    task : Task
        By whose metrics predictions are scored.
    image_ids, sample_ids, image_sha256 : numpy.ndarray
        Text, shape (N,); the hash is of the image, or of the row of features. Image ids all differ.
    targets, classes
        Labels of classes, int64, shape (N,), and their names; or numbers, and none.
    features : numpy.ndarray or None
        What a predictor sees of each image, shape (N, F), finite.
    order : numpy.ndarray or None
        When each sample was grown or measured, as a number that rises with time, float64, shape (N,).
    nuisance, statistics : pandas.DataFrame or None
        A row per image: what should not matter (instrument, operator, scan size ...), numbers or text; plain
        statistics (mean, contrast ...), numbers.
    mixed : bool
        Whether a sample holds several classes by nature, as an imaging condition does.
    row : str
        What a reader calls one of them: image, patient, composition ...
    """

    task: Task
    image_ids: NDArray[Any]
    sample_ids: NDArray[Any]
    image_sha256: NDArray[Any]
    targets: Targets
    classes: tuple[str, ...]
    features: NDArray[Any] | None = None
    order: Values | None = None
    nuisance: pd.DataFrame | None = None
    statistics: pd.DataFrame | None = None
    row: str = "row"
    mixed: bool = False

    @classmethod
    def of(
        cls, task: Task, manifest: pd.DataFrame, targets: Targets, classes: Sequence[str], **columns: Any
    ) -> Self:
        """Take ids, samples and hashes of images from a manifest (``image_id, sample_id, image_sha256``)."""
        names = ("image_id", "sample_id", "image_sha256")
        ids, samples, hashes = (manifest[name].to_numpy(dtype=object) for name in names)
        return cls(task, ids, samples, hashes, targets, tuple(classes), row="image", **columns)

    @classmethod
    def of_features(
        cls,
        task: Task,
        features: NDArray[Any],
        targets: Targets,
        sample_ids: Sequence[str],
        classes: Sequence[str] = (),
        **columns: Any,
    ) -> Self:
        """Take rows of features, (N, F): a row's number names it, and equal rows are the same image."""
        ids = np.array([f"{row:04d}" for row in range(len(features))], dtype=object)
        hashes = np.array([sha256_array(row) for row in features], dtype=object)
        samples = np.array([str(sample) for sample in sample_ids], dtype=object)
        return cls(task, ids, samples, hashes, targets, tuple(classes), features=features, **columns)

    def __post_init__(self) -> None:
        """Refuse what does not fit together or cannot be computed with."""
        given = {
            "image ids": self.image_ids,
            "sample ids": self.sample_ids,
            "hashes": self.image_sha256,
            "features": self.features,
            "order": self.order,
            "nuisance columns": self.nuisance,
            "image statistics": self.statistics,
        }
        for name, column in given.items():
            if column is not None and len(column) != len(self):
                raise UserError(f"{len(column)} rows of {name} for {len(self)} images")
        for name, values in {"features": self.features, "order": self.order, "targets": self.targets}.items():
            if values is not None and not np.isfinite(values).all():
                raise UserError(f"a value of {name} is missing or not finite; leave such images out")

    def __len__(self) -> int:
        """Count the images."""
        return len(self.targets)

    def take(self, rows: Rows) -> Self:
        """Copy some rows."""
        arrays = ("image_ids", "sample_ids", "image_sha256", "targets", "features", "order")
        tables = ("nuisance", "statistics")
        known = {name: own for name in (*arrays, *tables) if (own := getattr(self, name)) is not None}
        taken = {name: own.take(rows, axis=0) for name, own in known.items()}
        return replace(self, **{k: v.reset_index(drop=True) if k in tables else v for k, v in taken.items()})

    @property
    def inputs(self) -> NDArray[Any]:
        """`features`, where a predictor needs them."""
        if self.features is None:
            raise UserError("no features are known of these images")
        return self.features

    @property
    def label_names(self) -> NDArray[Any]:
        """Name of each image's class, or its number, shape (N,)."""
        return np.array(self.classes, dtype=object)[self.targets] if self.classes else self.targets

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """A row per image: ``image_id, sample_id, label, image_sha256``."""
        columns = {"image_id": self.image_ids, "sample_id": self.sample_ids, "label": self.label_names}
        return pd.DataFrame({**columns, "image_sha256": self.image_sha256})

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every row's image id, image hash, sample and target, in order."""
        return digest_of(self.manifest)

    @cached_property
    def by_stratum(self) -> pd.DataFrame:
        """The manifest with strata in place of numbers, as a split is judged by."""
        return (
            self.manifest
            if self.classes
            else self.manifest.assign(label=np.array(self.strata, dtype=object)[self.stratum])
        )

    def read_split(self, path: Path) -> Split:
        """Read a split of this cohort, and audit it."""
        return read_split(path, self.digest, self.by_stratum)

    def rows(self, split: Split) -> list[FoldParts]:
        """Give the rows of a split's images, one entry per fold."""
        return split.rows(self.image_ids.tolist())

    @cached_property
    def groups(self) -> NDArray[Any]:
        """Sample of each image, or one name for samples that share an identical image, shape (N,)."""
        named = group_samples([str(sample) for sample in self.sample_ids], self.image_sha256.tolist())
        return np.array(named)

    @cached_property
    def distinct(self) -> NDArray[np.bool_]:
        """True at the first of identical images, shape (N,)."""
        first: NDArray[np.bool_] = ~pd.Series(self.image_sha256).duplicated().to_numpy(dtype=np.bool_)
        return first

    @cached_property
    def group(self) -> Rows:
        """Number of each image's group, int64, shape (N,)."""
        return np.unique(self.groups, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def stratum(self) -> Rows:
        """What folds and controls hold alike of each image, int64, shape (N,): its class, or its fifth.

        Fifths of numbers are equal in groups, whose means are cut; equal numbers stay together.
        """
        if self.classes:
            return self.targets
        means = np.bincount(self.group, self.targets) / np.bincount(self.group)
        fifth = np.unique(cut_blocks(means, _STRATA), return_inverse=True)[1]
        return fifth.astype(np.int64)[self.group]

    @cached_property
    def strata(self) -> tuple[str, ...]:
        """Names of the strata: the classes, or the range of numbers in each."""
        if self.classes:
            return self.classes
        numbers = [self.targets[self.stratum == fifth] for fifth in np.unique(self.stratum)]
        return tuple(f"{own.min():.4g} to {own.max():.4g}" for own in numbers)

    @cached_property
    def group_stratum(self) -> Rows:
        """Stratum of each group: that of its first image, int64, shape (groups,)."""
        return self.stratum[np.unique(self.groups, return_index=True)[1]]

    @cached_property
    def group_order(self) -> Values:
        """Order of each group, the lowest of its images, shape (groups,); `UserError` if not known."""
        if self.order is None:
            raise UserError("audit: no order column, so campaigns cannot be told")
        lowest: Values = pd.Series(self.order).groupby(self.group).min().to_numpy()
        return lowest

    def rows_of(self, groups: Rows) -> Rows:
        """Find the images (rows, rising) of some groups."""
        wanted = np.zeros(len(self.group_stratum), dtype=bool)
        wanted[groups] = True
        return np.flatnonzero(wanted[self.group]).astype(np.int64)

    def rows_without(self, groups: Rows) -> Rows:
        """Find the images (rows, rising) of all groups but some."""
        wanted = np.ones(len(self.group_stratum), dtype=bool)
        wanted[groups] = False
        return np.flatnonzero(wanted[self.group]).astype(np.int64)

    def count(self, rows: Rows) -> dict[str, int]:
        """Count the images of each stratum among some (rows)."""
        counts = np.bincount(self.stratum[rows], minlength=len(self.strata))
        return dict(zip(self.strata, counts.tolist(), strict=True))

    def shared(self, rows: Rows, others: Rows) -> list[str]:
        """List the samples that have images among both."""
        return sorted(set(map(str, self.sample_ids[rows])) & set(map(str, self.sample_ids[others])))

    def score(self, rows: Rows, predicted: Targets) -> float:
        """Score predictions for M rows by the plain metric, shape (M,), or of several models, (models, M)."""
        sums = self.task.counts(self.targets[rows], predicted, np.zeros(len(rows), dtype=np.int64))
        return float(self.task.plain.of(sums[0]))

    def chance(self, rows: Rows) -> float:
        """Score the one prediction for all of these images that is best without looking."""
        return self.score(rows, np.full(len(rows), self.task.naive(self.targets[rows])))

    def estimate(self, rows: Rows, predicted: Targets, scoring: ScoringParams) -> Estimate:
        """Score predictions, shapes as for `score`, with intervals over groups."""
        asked = self.targets[rows], predicted, self.groups[rows]
        return estimate(self.task, *asked, scoring.bootstrap, scoring.seed)

    def difference(self, rows: Rows, first: Targets, second: Targets, scoring: ScoringParams) -> Estimate:
        """Compare two predictions of the same images, first less second, shapes as for `score`."""
        asked = self.targets[rows], first, second, self.groups[rows]
        return difference(self.task, *asked, scoring.bootstrap, scoring.seed)

    def pooled(self, rows: Rows, predicted: Targets, scoring: ScoringParams) -> dict[str, Any]:
        """Score predictions on some images (rows), with 95 % intervals bootstrapped by sample.

        Gives `Estimate.record`, and the same under ``distinct`` on the first of identical images only.
        """
        keep = self.distinct[rows]
        first = self._by_sample(rows[keep], predicted[keep], scoring)
        return {**self._by_sample(rows, predicted, scoring), "distinct": first}

    def _by_sample(self, rows: Rows, predicted: Targets, scoring: ScoringParams) -> dict[str, Any]:
        asked = self.targets[rows], predicted, self.sample_ids[rows]
        return estimate(self.task, *asked, scoring.bootstrap, scoring.seed).record()


def cut_blocks(values: Sequence[float] | NDArray[Any], blocks: int) -> Rows:
    """Cut numbers into blocks, from 0, of equal counts, in their order; equal numbers stay together.

    Some blocks may be empty.
    """
    sequence = np.sort(np.asarray(values, dtype=np.float64))
    rank = np.searchsorted(sequence, values)
    return (rank * blocks // max(1, len(sequence))).astype(np.int64)
