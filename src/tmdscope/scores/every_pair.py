"""Every two of many models on the same images: which can be told apart at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK = 4096
"""Draws of signs that are held in memory at a time."""


@dataclass(frozen=True)
class Pair:
    """Two models: share of images that the first has right, less the second's, and how likely by chance.

    `p_value` is of the signs of whole samples turned at random, `adjusted` that for all pairs (Holm).
    """

    first: str
    second: str
    difference: float
    p_value: float
    adjusted: float


def compare_every_pair(
    hits: Mapping[str, NDArray[np.bool_]], sample_ids: ArrayLike, draws: int, seed: int
) -> list[Pair]:
    """Compare every two models by whether they have images right, bool, shape (images,), as they are named.

    Were two models alike, the sign of their difference on a sample would be a coin's (a sign-flip permutation
    test by sample; images of one sample stay together). With `draws` draws of signs the least p-value is 1 /
    (draws + 1): to tell any of m pairs apart at 0.05 after Holm it takes 20 m draws at least.
    """
    pairs = list(combinations(hits, 2))
    if not pairs:
        return []
    _, sample = np.unique(np.asarray(sample_ids), return_inverse=True)
    right = np.stack([np.asarray(one, dtype=np.float64) for one in hits.values()])
    sums = np.stack([np.bincount(sample, own) for own in right])
    place = {name: number for number, name in enumerate(hits)}
    first, second = (np.array([place[pair[side]] for pair in pairs]) for side in (0, 1))
    gaps = sums[first] - sums[second]
    observed = gaps.sum(axis=1)
    as_far, rng = np.ones(len(pairs)), np.random.default_rng(seed)
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float64), size=(size, gaps.shape[1]))
        turned = signs @ gaps.T
        as_far += (np.abs(turned) >= np.abs(observed) - 1e-9).sum(axis=0)
    p_values = as_far / (draws + 1)
    shares, adjusted = observed / right.shape[1], holm(p_values)
    return [
        Pair(*pair, float(share), float(p_value), float(own))
        for pair, share, p_value, own in zip(pairs, shares, p_values, adjusted, strict=True)
    ]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values so that with any of them below a level, it is rarer than that that one is by chance.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 65-70.
    """
    values: NDArray[Any] = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    found = np.empty_like(values)
    found[order] = np.minimum(steps, 1.0)
    return found
