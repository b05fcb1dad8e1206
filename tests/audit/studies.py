"""Small studies of feature vectors whose truth is known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmdscope.params.audit import AuditParams
from tmdscope.params.common import ScoringParams
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import CLASSES as BY_CLASS
from tmdscope.scores.task import Task, quantity

CLASSES = ("A", "B", "C")
EV = quantity("eV")
SCORING = ScoringParams(bootstrap=300, seed=1)
PARAMS = AuditParams(
    folds=5,
    blocks=6,
    gap_quantile=0.7,
    embargo=[4],
    draws=3,
    arrangements=5,
    permutations=99,
    shares=[0.25, 0.5, 0.75, 1.0],
    near_quantile=0.99,
    few_samples=5,
    seed=1,
)


def make_table(
    seed: int,
    samples: int = 60,
    images: int = 2,
    by_class: float = 0.0,
    by_campaign: float = 0.0,
    length: int = 4,
    order: bool = True,
) -> Cohort:
    """Campaigns of one class each; features shift by so many standard deviations with each of the two."""
    rng = np.random.default_rng(seed)
    campaign = np.arange(samples) // length
    count = int(campaign[-1]) + 1
    labels = rng.permutation(np.arange(count) % len(CLASSES))[campaign]
    of_class, of_campaign = rng.normal(size=(len(CLASSES), 12)), rng.normal(size=(count, 12))
    centre = by_class * of_class[labels] + by_campaign * of_campaign[campaign]
    sample = np.repeat(np.arange(samples), images)
    features = 20 + centre[sample] + rng.normal(size=(len(sample), 12))
    times = np.arange(samples) + 50.0 * campaign
    return Cohort(
        task=BY_CLASS,
        features=features,
        image_ids=np.arange(len(sample)).astype(str),
        sample_ids=np.array([f"S{number:04d}" for number in sample]),
        targets=labels[sample].astype(np.int64),
        classes=CLASSES,
        row="image",
        image_sha256=np.array([f"{row:08x}" for row in range(len(sample))]),
        order=times[sample] if order else None,
    )


def make_numbers(seed: int, by_target: float = 0.0, by_campaign: float = 0.0, task: Task = EV) -> Cohort:
    """Campaigns of one number each, as energies; features shift with the number and with the campaign."""
    table = make_table(seed, samples=60, by_campaign=by_campaign)
    rng = np.random.default_rng(seed)
    campaign = np.repeat(np.arange(15), 8)
    numbers = 1.0 + rng.random(15)[campaign]
    features = table.inputs + by_target * numbers[:, None] * rng.normal(size=12)
    return replace(table, task=task, features=features, targets=numbers, classes=())


def with_columns(table: Cohort, nuisance: Mapping[str, NDArray[np.float64]]) -> Cohort:
    return replace(table, nuisance=pd.DataFrame(nuisance))
