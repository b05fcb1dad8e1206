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
from tmdscope.vision.backbones import layers_before, stages_of
from tmdscope.vision.classifier import Classifier

Values = NDArray[np.float64]

_HEAD = ("output", "embedding")


def steps(network: nn.Module) -> tuple[str, ...]:
    """Name the parts of a classifier from the top down, in the order in which they lose what they learnt.

    `network` is its backbone's; what comes before the first stage is called by its first layer: ``conv1``.
    """
    first = next(name for name, _ in network.named_children())
    return (*_HEAD, *(name for name in reversed(stages_of(network)) if name != first), first)


def rank_correlation(first: Maps, second: Maps) -> Values:
    """Give Spearman's rank correlation of each image's two maps, shape (N,); NaN where one is constant."""
    ranks = [rankdata(_flat(maps), axis=1) for maps in (first, second)]
    a, b = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation: Values = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return correlation


def randomised(classifier: Classifier, seed: int) -> Iterator[tuple[str, Classifier]]:
    """Take from a copy of a network what it learnt, part by part from the top down.

    Cascading randomisation (Adebayo et al. 2018, arXiv:1810.03292). Yields the part of `steps` that was drawn
    anew last, and the network, which goes on being changed. A stage goes with all that follows it.
    """
    changed = copy.deepcopy(classifier).eval()
    network, done = changed.backbone.network, set[nn.Module]()
    for number, step in enumerate(steps(network)):
        if step in _HEAD:
            parts = set(changed.head.get_submodule(step).modules())
        else:
            before = layers_before(network, step)
            kept = {inner for outer in before if isinstance(outer, nn.Module) for inner in outer.modules()}
            parts = set(network.modules()) - kept
        with torch.random.fork_rng():
            torch.manual_seed(seed + number)
            for module in changed.modules():  # in the network's own order
                if module in parts - done and callable(draw := getattr(module, "reset_parameters", None)):
                    draw()
        done |= parts
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
