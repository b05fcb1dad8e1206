"""What the comparison of models on one source leaves on disk."""

from dataclasses import dataclass, field
from typing import Any

from tmdscope.record import JsonRecord
from tmdscope.scores.every_pair import Pair
from tmdscope.scores.intervals import Bounds

COMPARISON = "comparison.json"
PREDICTIONS = "predictions.parquet"
LEAK = "leak.json"
UNDERSTANDING = "understanding.json"
VARIANTS = "variants.json"

ABSENT = "absent.json"
"""In place of a source's tables: why there are none."""

PREPARED, DESCRIBED = "prepared", "descriptors.parquet"
"""A source's images, and their descriptors."""

NETWORK = "network"
"""The experiment behind the registered model, and its run."""

IN_TEST = "in_test"
"""Column of the paper's own test images."""

NUISANCE_COLUMNS = ("time_min", "plane")
"""Columns of what should not matter, where a source knows it: growth time and the substrate's plane."""

MAJORITY, CONSTANT, SAMPLE_NUMBER, NUISANCES = "majority", "constant", "sample_number", "nuisances"
"""Baselines: the most frequent class, the mean number, the nearest neighbour by the sample's number, and the
nearest ones by growth time and substrate."""


@dataclass(frozen=True)
class Scores:
    """Scores of predictions by metric, with 95 % intervals by sample, and of which images.

    `by_class` judges classes, `by_number` numbers; `by_label` is the share of each class that is right.
    `invalid` counts images that no class is known of (of NNRank: that its authors would read none from).
    `calibration_error` is of probabilities, softened by a temperature of inner folds; numbers have none.
    """

    images: int
    samples: int
    by_class: dict[str, float]
    by_number: dict[str, float]
    bounds: dict[str, Bounds]
    by_label: dict[str, float]
    confusion: list[list[int]]
    invalid: int = 0
    calibration_error: float | None = None


@dataclass(frozen=True)
class Model:
    """A model in a framing: its scores, those on the paper's test, and what its searches chose by fold."""

    scores: Scores
    test: Scores | None
    run_id: str
    choices: list[dict[str, Any]]
    inner: list[float]
    trials: dict[str, int]


@dataclass(frozen=True)
class Null:
    """What a fixed method scores on the true temperatures, and on permuted ones: mean, most, how likely.

    By metric of classes.
    """

    settings: dict[str, Any]
    permutations: int
    true: dict[str, float]
    mean: dict[str, float]
    most: dict[str, float]
    p_value: dict[str, float]


@dataclass(frozen=True)
class Comparison(JsonRecord):
    """``comparison.json``: models by framing and name; `why_not` says why a source was not run.

    `baselines` see no image; `nuisances` has the first held-out model's scores by growth time and substrate;
    `blocks` are held-out blocks of sample numbers, of models and baselines.
    """

    source: str
    why_not: str = ""
    unit: str = ""
    classes: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    samples: int = 0
    distinct: int = 0
    test_images: int = 0
    models: dict[str, dict[str, Model]] = field(default_factory=dict)
    baselines: dict[str, Scores] = field(default_factory=dict)
    nuisances: dict[str, Scores] = field(default_factory=dict)
    blocks: dict[str, Scores] = field(default_factory=dict)
    block_count: int = 0
    pairs: list[Pair] = field(default_factory=list)
    null: Null | None = None


@dataclass(frozen=True)
class Leak(JsonRecord):
    """``leak.json``: scores of a method on features of one fold's network, of each fold's own, and the lift.

    Of the folds that the one network was trained on; values by metric with 95 % intervals by sample.
    """

    enabled: bool
    leaky: dict[str, float]
    honest: dict[str, float]
    lift: dict[str, float]
    bounds: dict[str, dict[str, Bounds]]
    images: int
    samples: int


@dataclass(frozen=True)
class Change:
    """How a quantity goes with temperature: Pearson's r, 95 % interval by sample, false discovery rate."""

    name: str
    r: float
    bounds: Bounds
    q_value: float
    images: int


@dataclass(frozen=True)
class Understanding(JsonRecord):
    """``understanding.json``: what is measured on images, and what the simulator made them from."""

    measured: list[Change] = field(default_factory=list)
    true: list[Change] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """Scores of one variant of features or training images under a method, and its gain over the reference.

    By metric, with 95 % intervals by sample; the reference is the method's first variant.
    """

    group: str
    name: str
    method: str
    values: dict[str, float]
    bounds: dict[str, Bounds]
    gains: dict[str, float]
    gain_bounds: dict[str, Bounds]


@dataclass(frozen=True)
class Variants(JsonRecord):
    """``variants.json``: every variant, on images of a source."""

    enabled: bool
    found: list[Variant] = field(default_factory=list)
    images: int = 0
    samples: int = 0
    source: str = "simulated"
