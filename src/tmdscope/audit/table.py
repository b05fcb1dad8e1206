"""The data set that is audited: what is known of every image beside its class."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.dataset.splits import group_samples
from tmdscope.errors import UserError

Labels = NDArray[np.int64]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]

MOST_IMAGES = 6000
"""Images that are audited at most: the kernel between all of them is held in memory (3 x 288 MB)."""


@dataclass(frozen=True)
class AuditTable:
    """A data set with a sample and a class for every image.

    Attributes
    ----------
    features : numpy.ndarray
        What a classifier sees of each image, shape (N, F), finite.
    classes : tuple of str
        In label order.
    image_sha256 : numpy.ndarray
        Hash of each image, or of its row of features.
    order : numpy.ndarray or None
        When each image's sample was grown or measured, as a number that rises with time (sample number,
        days), float64, shape (N,); None where it is not known.
    nuisance : pandas.DataFrame or None
        What should not matter (instrument, operator, scan size ...), a row per image, numbers or text.
    statistics : pandas.DataFrame or None
        Plain statistics of each image (mean, contrast ...), numbers, a row per image.
    """

    features: NDArray[Any]
    sample_ids: NDArray[Any]
    labels: Labels
    classes: tuple[str, ...]
    image_sha256: NDArray[Any]
    order: Values | None = None
    nuisance: pd.DataFrame | None = None
    statistics: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together or cannot be computed with."""
        given = {
            "features": self.features,
            "sample ids": self.sample_ids,
            "hashes": self.image_sha256,
            "order": self.order,
            "nuisance columns": self.nuisance,
            "image statistics": self.statistics,
        }
        for name, column in given.items():
            if column is not None and len(column) != len(self.labels):
                raise UserError(f"audit: {len(column)} rows of {name} for {len(self.labels)} images")
        for name in ("features", "order"):
            column = given[name]
            if column is not None and not np.isfinite(column).all():
                raise UserError(f"audit: a value of {name} is missing or not finite; leave such images out")
        if len(self.labels) > MOST_IMAGES:
            raise UserError(
                f"audit: {len(self.labels)} images, {MOST_IMAGES} can be audited at most; "
                "draw some images of every sample"
            )

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
    def group_class(self) -> Labels:
        """Class of each group: that of its first image, int64, shape (groups,)."""
        first = np.unique(self.groups, return_index=True)[1]
        return self.labels[first]

    @cached_property
    def group_order(self) -> Values:
        """Order of each group, the lowest of its images, shape (groups,); `UserError` if not known."""
        if self.order is None:
            raise UserError("audit: no order column, so campaigns cannot be told")
        lowest = np.full(len(self.group_class), np.inf)
        np.minimum.at(lowest, self.group, self.order)
        return lowest

    def rows_of(self, groups: Rows) -> Rows:
        """Find the images (rows, rising) of some groups."""
        wanted = np.zeros(len(self.group_class), dtype=bool)
        wanted[groups] = True
        return np.flatnonzero(wanted[self.group]).astype(np.int64)
