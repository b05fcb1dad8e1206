"""The baseline that sees no image at all: the nearest neighbour by the number of the sample.

Ids count up over the years and materials were grown in campaigns, so its score shows how much of a result the
split could explain.
"""

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tmdscope.dataset.columns import sample_numbers

SAMPLE_ID_ONLY = "sample_id_only"
"""Name of the baseline."""


def make_sample_id_classifier() -> Pipeline:
    """Make the baseline, unfitted: its inputs are sample ids, shape (images,)."""
    return make_pipeline(FunctionTransformer(sample_numbers), KNeighborsClassifier(n_neighbors=1))
