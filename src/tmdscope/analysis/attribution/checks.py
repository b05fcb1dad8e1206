"""How far attribution maps can be trusted: agreement, weights at random, what is really there."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn

from tmdscope.analysis.attribution.maps import Maps
from tmdscope.vision.classifier import Classifier

Values = NDArray[np.float64]

STEPS = ("output", "embedding", "layer4", "layer3", "layer2", "layer1", "conv1")
"""Parts of a network from the top down, in the order in which they lose what they learnt."""

_HEAD = ("output", "embedding")


def rank_correlation(first: Maps, second: Maps) -> Values:
    """Give Spearman's rank correlation of each image's two maps, shape (N,); NaN where one is constant."""
    ranks = [rankdata(_flat(maps), axis=1) for maps in (first, second)]
    a, b = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: Values = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return correlation


def randomised(classifier: Classifier, seed: int) -> Iterator[tuple[str, Classifier]]:
    """Take from a copy of a network what it learnt, part by part from the top down.

    Cascading randomisation (Adebayo et al. 2018, arXiv:1810.03292). Yields the part of `STEPS` that was drawn
    anew last, and the network, which goes on being changed.
    """
    changed = copy.deepcopy(classifier).eval()
    network = changed.backbone.network
    for number, step in enumerate(STEPS):
        part = changed.head.get_submodule(step) if step in _HEAD else network.get_submodule(step)
        with torch.random.fork_rng():
            torch.manual_seed(seed + number)
            parts = [part, network.get_submodule("bn1")] if step == "conv1" else [part]
            for module in (inner for outer in parts for inner in outer.modules()):
                if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                    module.reset_parameters()
        yield step, changed


def pointing(maps: Maps, masks: NDArray[np.bool_]) -> pd.DataFrame:
    """Measure how much of a map (N x S x S, only what is above 0) lies on what is really there.

    A row per image: ``mass``, the share of the map on the feature; ``area``, the share of the image that it
    fills; ``gain``, their difference; ``hit``, whether the map's highest point is on it (the pointing game of
    Zhang et al. 2018, arXiv:1608.00507). NaN where the image has no such feature, nothing else, or no map.
    """
    flat, truth = _flat(np.clip(maps, 0, None)), _flat(masks)
    total, area = flat.sum(axis=1, dtype=np.float64), truth.mean(axis=1)
    defined = (area > 0) & (area < 1) & (total > 0)
    on_feature = (flat * truth).sum(axis=1, dtype=np.float64)
    mass = on_feature / np.where(total > 0, total, 1)
    hit = np.take_along_axis(truth, flat.argmax(axis=1)[:, None], axis=1)[:, 0].astype(np.float64)
    table = pd.DataFrame({"mass": mass, "area": area, "gain": mass - area, "hit": hit})
    return table.where(pd.Series(defined), np.nan)


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """Rows of pixels; of no image too."""
    return values.reshape(len(values), math.prod(values.shape[1:]))
