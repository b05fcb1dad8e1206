"""Which images train, validate and test: stratified by class, grouped by sample, never shuffled."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tmdscope.dataset.store import rows_of
from tmdscope.errors import UserError
from tmdscope.files import broken
from tmdscope.limits import MAX_SPLIT_BYTES
from tmdscope.record import read_record, write_record

Rows = NDArray[np.int64]

_MANY_SAMPLES = 5000
"""Samples above which folds are cut by our own form of scikit-learn's way, with the same result."""


@dataclass(frozen=True)
class Fold:
    """Image ids of one cross-validation fold, each part in the data set's order."""

    train: tuple[str, ...]
    val: tuple[str, ...]


@dataclass(frozen=True)
class FoldParts:
    """Positions of one fold's parts: row numbers in the data set, int64."""

    train: Rows
    val: Rows
    test: Rows

    def among(self, rows: Rows) -> "FoldParts":
        """Keep some rows (rising) of the data set, and give their positions among these."""
        return FoldParts(*(np.flatnonzero(np.isin(rows, part)) for part in vars(self).values()))


@dataclass(frozen=True)
class Split:
    """The held-out test, in the data set's order, and folds; each other image is in one fold's ``val``."""

    test: tuple[str, ...]
    folds: tuple[Fold, ...]

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Image ids by part: ``test``, ``fold0_train``, ``fold0_val``, ``fold1_train``, ..."""
        named = {"test": self.test}
        for number, fold in enumerate(self.folds):
            named |= {f"fold{number}_train": fold.train, f"fold{number}_val": fold.val}
        return named

    def rows(self, image_ids: Sequence[str]) -> list[FoldParts]:
        """Find the rows of the split's images in a data set of these images, one entry per fold."""
        index = pd.Index(np.array(image_ids, dtype=object))
        test, *parts = (rows_of(index, part) for part in self.parts.values())
        return [FoldParts(train, val, test) for train, val in zip(parts[::2], parts[1::2], strict=True)]

    def write(self, path: Path, data_sha256: str) -> None:
        """Write the split as JSON, with the digest of the data set that it divides."""
        folds = [{"train": fold.train, "val": fold.val} for fold in self.folds]
        write_record(path, {"test": self.test, "folds": folds}, {"data": data_sha256})

    @classmethod
    def read(cls, path: Path, data_sha256: str | None = None) -> Self:
        """Read a split of the data set of a digest; whether it is sound, the audit says."""
        of = None if data_sha256 is None else {"data": data_sha256}
        content = read_record(path, of, most=MAX_SPLIT_BYTES)
        if set(content) != {"test", "folds"} or not isinstance(content["folds"], list):
            raise broken(path, f"must hold 'test' and a list 'folds'; it holds {sorted(content)}")
        folds = content["folds"]
        names: dict[str, str] = {}  # every fold names every image: one text of each is kept
        if not folds or any(not isinstance(fold, dict) or set(fold) != {"train", "val"} for fold in folds):
            raise broken(path, "must hold 'train' and 'val' in every entry of 'folds'")
        return cls(
            test=_ids(path, "test", content["test"], names),
            folds=tuple(
                Fold(*(_ids(path, f"folds[{number}].{part}", fold[part], names) for part in ("train", "val")))
                for number, fold in enumerate(folds)
            ),
        )


def make_split(
    labels: Sequence[int] | Sequence[str] | NDArray[Any],
    sample_ids: Sequence[str],
    image_ids: Sequence[str],
    test_folds: int,
    folds: int,
) -> Split:
    """Hold out a test and split the rest into cross-validation folds; no parts share a sample.

    Fold 0 of `test_folds` is the test; the rest is split into `folds`. Both by scikit-learn's
    `StratifiedGroupKFold` without shuffling, as Moses & Reinhart did (doi:10.5281/zenodo.13961220): the order
    of the images does not matter, whether sample ids are text or numbers does. Sample ids are groups where
    samples share images; image ids all differ; both numbers of folds are at least 2.
    """
    _, test = outer_folds(labels, sample_ids, test_folds)[0]
    held_out = np.zeros(len(sample_ids), dtype=bool)
    held_out[test] = True
    return split_rest(labels, sample_ids, image_ids, held_out, folds)


def split_rest(
    labels: Sequence[int] | Sequence[str] | NDArray[Any],
    sample_ids: Sequence[str],
    image_ids: Sequence[str],
    held_out: NDArray[np.bool_],
    folds: int,
) -> Split:
    """Split what a given test leaves into cross-validation folds that share no sample, see `make_split`.

    `held_out` is bool, shape (N,). Whether a sample is on both sides is the audit's question.
    """
    names, classes, samples = (np.asarray(values, dtype=object) for values in (image_ids, labels, sample_ids))
    rest = np.flatnonzero(~held_out)
    inner = outer_folds(classes[rest].tolist(), samples[rest].tolist(), folds)
    return Split(
        test=tuple(names[held_out]),
        folds=tuple(Fold(tuple(names[rest][train]), tuple(names[rest][val])) for train, val in inner),
    )


def outer_folds(
    labels: Sequence[int] | Sequence[str] | NDArray[Any], sample_ids: Sequence[str], folds: int
) -> list[tuple[Rows, Rows]]:
    """Cut all images into folds, so that every image can be predicted by a model that never saw its sample.

    For each of at least 2 folds the rows to train on and to test on, int64, rising.
    """
    for sample in sample_ids:
        if not isinstance(sample, str):
            raise UserError(
                f"sample_id {sample!r} is a {type(sample).__name__}; sample ids are text: '7' or '007'"
            )
    samples = len(set(sample_ids))
    if samples < folds:
        raise UserError(
            f"{samples} samples cannot fill {folds} folds; "
            "lower split.test_folds or split.folds in params.yaml, or add samples"
        )
    from sklearn.model_selection import (
        StratifiedGroupKFold,
    )  # seconds, for who makes folds alone

    classes, groups = np.asarray(labels), np.asarray(sample_ids, dtype=str)
    if samples > _MANY_SAMPLES:
        fold = _fold_of_each(classes, groups, folds)
        return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            pairs = list(StratifiedGroupKFold(folds).split(np.zeros(len(groups)), classes, groups))
        except ValueError as error:
            raise UserError(f"cannot cut {len(groups)} images into {folds} folds: {error}") from error
    return [(train.astype(np.int64), test.astype(np.int64)) for train, test in pairs]


def _fold_of_each(classes: NDArray[Any], groups: NDArray[np.str_], folds: int) -> Rows:
    """Give the fold of each image as `StratifiedGroupKFold` chooses it, in a twentieth of its time.

    Samples come in the order of how uneven their classes are; each goes where the shares of classes then
    differ least over folds, and of such folds (equal as `numpy.isclose` says) to the one with fewest images.
    """
    _, label = np.unique(classes, return_inverse=True)
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), int(label.max()) + 1))
    np.add.at(counts, (group, label), 1)
    total, held, here = counts.sum(axis=0), np.zeros((folds, counts.shape[1])), np.eye(folds)[:, :, None]
    chosen = np.empty(len(names), np.int64)
    for number in np.argsort(-counts.std(axis=1), kind="stable"):
        uneven = ((held + here * counts[number]) / total).std(axis=1).mean(axis=1).tolist()
        images, best = held.sum(axis=1).tolist(), 0
        for fold in range(1, folds):
            alike = abs(uneven[fold] - uneven[best]) <= 1e-8 + 1e-5 * uneven[best]
            if uneven[fold] < uneven[best] or (alike and images[fold] < images[best]):
                best = fold
        held[best] += counts[number]
        chosen[number] = best
    return chosen[group]


def group_samples(sample_ids: Sequence[str], image_sha256: Sequence[str]) -> list[str]:
    """Name the group of each image: its sample, or one name for samples that share an identical image.

    That name is the first by alphabet of the sample ids that share images, directly or through others.
    """
    sample, samples = pd.factorize(np.array(sample_ids, dtype=object), sort=True)
    image, hashes = pd.factorize(np.array(image_sha256, dtype=object))
    size = len(samples) + len(hashes)
    links = coo_array((np.ones(len(sample)), (sample, len(samples) + image)), shape=(size, size))
    component = connected_components(links, directed=False)[1][: len(samples)]
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    return [str(name) for name in samples[first[group]][sample]]


def _ids(path: Path, where: str, content: Any, names: dict[str, str]) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise broken(path, f"must hold a list of image ids (text) as {where}")
    return tuple(names.setdefault(item, item) for item in content)
