"""What a split alone can explain: the score of a classifier that sees sample numbers and no image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.learn.classical import make_sample_id_classifier
from tmdscope.learn.crossval import FoldParts
from tmdscope.learn.tabular import mean_over_folds, score_parts
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
        As `tmdscope.learn.tabular.mean_over_folds`; None when a sample id carries no number.
    """
    scores = []
    for fold in folds:
        try:
            classifier = make_sample_id_classifier().fit(sample_ids[fold.train], labels[fold.train])
            predicted = classifier.predict(sample_ids)
        except UserError:
            return None
        scores.append(score_parts(labels, predicted, fold))
    return mean_over_folds(scores)
