"""A small study of made compounds, fast to learn."""

import numpy as np

from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import quantity
from tmdscope.studies.property_transfer.params import (
    BenchmarkParams,
    CurvesParams,
    SimulatedParams,
    WaysParams,
)

SIMULATED = SimulatedParams(compounds=80, wide=60, scatter=0.5, noise=0.2, seed=1)
WAYS = WaysParams(regressor="ridge", tables=["magpie"], folds=2, seed=1)
CURVES = CurvesParams(labels=[10, 20, 100], draws=2, folds=3, seed=1)
BENCHMARK = BenchmarkParams.model_validate(
    {
        "enabled": True,
        "trees": 10,
        "inner_trees": 10,
        "inner_folds": 2,
        "rounds": 10,
        "seed": 1,
        "search": {
            "trials": 1,
            "sampler": "tpe",
            "startup": 1,
            "seed": 1,
            "prune_folds": 0.0,
            "space": {"min_samples_leaf": {"kind": "int", "low": 1, "high": 2}},
        },
    }
)
SCORING = ScoringParams(bootstrap=100, seed=1)


def compounds(rows: int = 60, seed: int = 1) -> Cohort:
    """Rows of four inputs and a cheap property that they tell nothing of, which the dear one follows."""
    rng = np.random.default_rng(seed)
    inputs, cheap = rng.normal(size=(rows, 4)), rng.normal(size=rows)
    dear = cheap + 0.3 * inputs[:, 0] + 0.05 * rng.normal(size=rows)
    names = [f"compound-{row}" for row in range(rows)]
    return Cohort.of_features(quantity("eV"), np.column_stack([inputs, cheap]), dear, names, row="compound")
