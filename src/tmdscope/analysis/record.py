"""What the analyses of a trained network found, as it lies on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tmdscope.files import broken
from tmdscope.params.common import LatentAnalysisParams
from tmdscope.record import JsonRecord
from tmdscope.scores.bootstrap import Interval

_VARIANCE = "cumulative_explained_variance"


@dataclass(frozen=True)
class Extreme:
    """Pearson's r of a descriptor with a component, the components counted from 1."""

    r: float
    component: int


@dataclass(frozen=True)
class Strongest(Extreme):
    """The r farthest from 0, its q-value, and the share of the embedding's variance of its component."""

    r_ci95: tuple[float, float]
    q: float
    variance: float


@dataclass(frozen=True)
class Described:
    """What components say about one descriptor, see `Relation`; `discoveries` pass the discovery rate."""

    negative: Extreme
    positive: Extreme
    strongest: Strongest
    regression_r: float
    regression_r_cv: float
    shared_variance: float
    discoveries: int
    images: int


@dataclass(frozen=True)
class Silhouette:
    """Of materials over all and over held-out images; None where there are too few."""

    all: float | None
    test: float | None


@dataclass(frozen=True)
class Readout:
    """Share that a fit has right of its own images, of held-out ones, and of these the majority's share."""

    fitted: float
    test: Interval
    test_majority: float | None


@dataclass(frozen=True)
class Separation:
    """How far apart materials lie, see `tmdscope.analysis.separation.separation`."""

    silhouette: Silhouette
    linear: dict[str, Readout]


@dataclass(frozen=True)
class Latent(JsonRecord):
    """``latent.json``; `descriptors` and `regression_cosine` are a text where a study has none, saying why.

    `separation` is by space (``trained``, ``before``) and part of it (``plane``, ``components``); `lines` by
    space and division.
    """

    settings: LatentAnalysisParams
    explained_variance: dict[str, float]
    cumulative_explained_variance: float
    descriptors: dict[str, Described] | str
    regression_cosine: dict[str, dict[str, float]] | str
    left_out: dict[str, str]
    separation: dict[str, dict[str, Separation]]
    lines: dict[str, dict[str, tuple[float, float, float]]]

    @property
    def described(self) -> Mapping[str, Described]:
        """Descriptors that were related; empty where a study has none."""
        return {} if isinstance(self.descriptors, str) else self.descriptors

    @property
    def measured(self) -> Mapping[str, Described]:
        """Descriptors that were measured on images, not the simulator's truth."""
        return {name: item for name, item in self.described.items() if not name.startswith("true_")}

    def to_dict(self) -> dict[str, Any]:
        """Give the object to write; the key of the variance says of how many components it is."""
        found = super().to_dict()
        found[f"{_VARIANCE}_{len(self.explained_variance)}"] = found.pop(_VARIANCE)
        return found

    @classmethod
    def parse(cls, content: Any) -> Self:
        """Take a JSON object that was read, see `JsonRecord.parse`."""
        if isinstance(content, Mapping):
            content = {_VARIANCE if key.startswith(_VARIANCE) else key: item for key, item in content.items()}
        return super().parse(content)


@dataclass(frozen=True)
class ExplainedModel:
    """The registered model that was explained, and which of its folds."""

    name: str
    version: int
    alias: str
    fold: int


@dataclass(frozen=True)
class LatentModel(ExplainedModel):
    """The registered model whose embedding it is; `after_relu` says where in the head."""

    experiment: str
    after_relu: bool


@dataclass(frozen=True)
class Before:
    """The network that was not trained on the images."""

    architecture: str
    weights: str


@dataclass(frozen=True)
class ModelLatent(Latent):
    """``latent.json`` of a registered model."""

    model: LatentModel
    before: Before


@dataclass(frozen=True)
class Agreement(Interval):
    """Rank correlation of two methods' maps, and of maps of different images."""

    other_image: float | None


@dataclass(frozen=True)
class OnTruth:
    """How maps lie on a feature that is there, see `tmdscope.analysis.attribution.checks.pointing`."""

    mass: float | None
    area: float | None
    gain: Interval
    hit: Interval


@dataclass(frozen=True)
class AttributionSettings:
    """Settings that a reader of the numbers must know."""

    layer: str
    images_per_class: int
    patch_px: int
    stride_px: int
    grey: int
    tolerance_px: int


@dataclass(frozen=True)
class Attribution(JsonRecord):
    """``attribution.json``: `images` held out, `correct` of them, `shown` of those; `map_px` of the layer.

    `agreement` is by ``METHOD-METHOD``, `sanity` by method and part drawn anew last, `truth` by feature and
    method.
    """

    model: ExplainedModel
    settings: AttributionSettings
    images: int
    correct: int
    shown: int
    map_px: int
    agreement: dict[str, Agreement]
    sanity: dict[str, dict[str, Interval]]
    truth: dict[str, dict[str, OnTruth]]


def read_maps(path: Path) -> dict[str, NDArray[Any]]:
    """Read attribution maps from an ``.npz``: ``image_ids``, and method to maps."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, BadZipFile) as error:
        raise broken(path, f"is no archive of arrays ({error})") from error
