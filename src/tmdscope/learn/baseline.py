"""What a split alone can explain: the score of a classifier that sees sample numbers and no image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.learn.classical import make_sample_id_classifier
from tmdscope.learn.crossval import FoldParts
from tmdscope.learn.metrics import accuracy, macro_f1, mean_std
from tmdscope.stage import UserError


def sample_id_baseline(
    sample_ids: NDArray[Any], labels: NDArray[np.int64], folds: Sequence[FoldParts]
) -> dict[str, dict[str, float]] | None:
    """Score the nearest neighbour by sample number under a split.

    Parameters
    ----------
    sample_ids : numpy.ndarray
        Sample of each image, text, shape (N,).
    labels : numpy.ndarray
        Class of each image, int64, shape (N,).
    folds : sequence of FoldParts
        The folds.

    Returns
    -------
    dict or None
        ``val_accuracy, val_macro_f1, test_accuracy, test_macro_f1``, each with the mean and population
        standard deviation over folds; None when a sample id carries no number.
    """
    scores: dict[str, list[float]] = {}
    for fold in folds:
        try:
            classifier = make_sample_id_classifier().fit(sample_ids[fold.train], labels[fold.train])
            predicted = classifier.predict(sample_ids)
        except UserError:
            return None
        for part, rows in (("val", fold.val), ("test", fold.test)):
            scores.setdefault(f"{part}_accuracy", []).append(accuracy(labels[rows], predicted[rows]))
            scores.setdefault(f"{part}_macro_f1", []).append(macro_f1(labels[rows], predicted[rows]))
    return {name: mean_std(values) for name, values in scores.items()}
