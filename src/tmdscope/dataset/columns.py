"""Columns of a manifest as numbers: the order of samples, and what should not matter."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tmdscope.doubt import names_of
from tmdscope.errors import UserError
from tmdscope.materials import nearest
from tmdscope.stage import say

Rows = NDArray[np.int64]
Values = NDArray[np.float64]

NO_ORDER = "none"
"""In place of a column's name: nothing is known of the order."""

SAMPLE_ID = "sample_id"
"""The column of samples; as an order, the last number in their names."""


WARNING = "warning_"
"""Beginning of the names of columns of warnings."""


def read_order(manifest: pd.DataFrame, column: str) -> Values | None:
    """Read when each image's sample was grown or measured: numbers as they are, dates in days, float64, (N,).

    ``sample_id`` reads the number in the sample's name; the order is not known (None) where a name has none,
    or for ``none``. Empty cells, or values that are neither number nor date, are a `UserError`.
    """
    if column == NO_ORDER:
        return None
    if column == SAMPLE_ID:
        try:
            return sample_numbers(manifest[SAMPLE_ID].tolist())[:, 0]
        except UserError as error:
            say(f"the order of the samples is not known: {error}")
            return None
    values = _column(manifest, column)
    if values.isna().any():
        raise UserError(
            f"order column {column!r} has {values.isna().sum()} empty cells: fill them, leave such images "
            f"out, or order by another column ({NO_ORDER}: by none)"
        )
    numbers = _measured(values)
    if numbers is None:
        wrong = values[_dates(values).isna() & pd.to_numeric(values, errors="coerce").isna()]
        first = (wrong if len(wrong) else values).iloc[0]
        raise UserError(
            f"order column {column!r}: {first!r} is neither a number nor a date like 2024-05-31; "
            "write all as numbers, or all as dates"
        )
    return np.asarray(numbers, dtype=np.float64)


def sample_numbers(sample_ids: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
    """Read sample ids as numbers, float64, shape (images, 1); the last digits count: ``S0012`` is 12."""
    numbers = []
    for sample in sample_ids:
        digits = re.findall(r"[0-9]+", str(sample))
        if not digits:
            raise UserError(
                f"sample id {str(sample)!r} carries no number, so an order or a baseline "
                "by it has nothing to go by; leave it out for these samples"
            )
        numbers.append(float(digits[-1]))
    return np.array(numbers).reshape(-1, 1)


def read_nuisance(manifest: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame | None:
    """Read what should not matter, a row per image: some columns, and `warning_columns`; None where none is.

    Numbers as they are, dates in days, or text where a column holds any; NaN or None: not known.
    """
    found = dict(warning_columns(manifest))
    for name in columns:
        values = _column(manifest, name)
        numbers = _measured(values.dropna())
        found[name] = values.astype(object) if numbers is None else numbers.reindex(values.index)
    return pd.DataFrame(found).reset_index(drop=True) if found else None


def warning_columns(manifest: pd.DataFrame) -> dict[str, pd.Series]:
    """Say of each image whether it has a warning, ``yes`` or ``no``: those that some images have, not all."""
    if "warnings" not in manifest or manifest.empty:
        return {}
    each = [names_of(told) if isinstance(told, str) else frozenset() for told in manifest["warnings"]]
    some = frozenset[str]().union(*each) - frozenset[str](each[0]).intersection(*each)
    return {
        f"{WARNING}{name}": pd.Series(["yes" if name in told else "no" for told in each], manifest.index)
        for name in sorted(some)
    }


def draw_images(sample_ids: ArrayLike, labels: ArrayLike, most: int, few_samples: int, seed: int) -> Rows:
    """Choose images to audit where there are too many: the first of every sample, as many of each as fit.

    Of more samples than `most` some are drawn, whole: at random by the seed, `few_samples` of every class
    first, then as many of each class as its share. Gives rows, rising; all where they fit.
    """
    names = np.asarray(sample_ids, dtype=object)
    number = pd.Series(names).groupby(names).cumcount().to_numpy()
    firsts = np.cumsum(np.bincount(number))  # images with so many of each sample
    fitting = int((firsts <= most).sum())
    if fitting:
        return np.flatnonzero(number < fitting).astype(np.int64)
    sample, first = pd.factorize(names)[0], np.flatnonzero(number == 0)
    label = pd.factorize(np.asarray(labels, dtype=object)[first])[0]
    order = np.random.default_rng(seed).permutation(len(first))
    rank = np.empty(len(first))
    rank[order] = pd.Series(label[order]).groupby(label[order]).cumcount()
    share = np.where(rank < few_samples, -1 / (rank + 1), rank / np.bincount(label)[label])
    sizes, taken, held = np.bincount(sample), np.zeros(len(first), dtype=bool), 0
    for one in order[np.argsort(share[order], kind="stable")]:
        if held + sizes[one] <= most:
            taken[one], held = True, held + sizes[one]
    return np.flatnonzero(taken[sample]).astype(np.int64)


def _measured(values: pd.Series) -> pd.Series | None:
    """Read all values as numbers, or all as dates, in days since the first; None: they are neither."""
    numbers = pd.to_numeric(values, errors="coerce")
    if not pd.api.types.is_datetime64_any_dtype(values) and not numbers.isna().any():
        return numbers.astype(float)
    dates = _dates(values)
    return None if dates.isna().any() else (dates - dates.min()) / pd.Timedelta(days=1)


def _dates(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)


def _column(manifest: pd.DataFrame, name: str) -> pd.Series:
    if name not in manifest:
        raise UserError(f"the manifest has no column {name!r}; {nearest(name, list(manifest.columns))}")
    return manifest[name]
