"""What a split alone can explain: the score of a classifier that sees sample numbers and no image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmdscope.dataset.splits import FoldParts
from tmdscope.errors import UserError
from tmdscope.models.sample_id import make_sample_id_classifier
from tmdscope.models.tabular import mean_over_folds, score_parts
from tmdscope.scores.task import CLASSES


def sample_id_baseline(
    sample_ids: NDArray[Any], labels: NDArray[np.int64], folds: Sequence[FoldParts]
) -> dict[str, dict[str, float]] | None:
    """Give `mean_over_folds` of the nearest neighbour by sample number; None when a sample has none."""
    scores = []
    for fold in folds:
        try:
            classifier = make_sample_id_classifier().fit(sample_ids[fold.train], labels[fold.train])
            predicted = classifier.predict(sample_ids)
        except UserError:
            return None
        scores.append(score_parts(CLASSES, labels, predicted, fold))
    return mean_over_folds(scores)
