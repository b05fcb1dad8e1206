"""Polynomials fitted by moments of rows and columns equal those fitted pixel by pixel."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tmdscope.scan.areal import fit_differences, fit_quadratic, powers, quadratic, remove_quadratic

SHAPES = st.tuples(st.integers(12, 40), st.integers(12, 40))


def _terms(shape: tuple[int, int], step: int = 1) -> NDArray[Any]:
    """1, x, y, x2, xy and y2 of each pixel in a last axis."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, count)[::step] for count in shape), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


@given(SHAPES, st.integers(1, 2), st.integers(0, 99))
def test_the_fit_is_that_to_the_chosen_pixels(shape: tuple[int, int], step: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = (powers(count, step) for count in shape)
    terms = _terms(shape, step)
    height = 40.0 + rng.normal(0, 2, terms.shape[:2])
    of = rng.random(height.shape) < 0.9
    plain = np.linalg.lstsq(terms[of], height[of], rcond=None)[0]
    np.testing.assert_allclose(fit_quadratic(height, y, x, of), plain, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(quadratic(plain, y, x), terms @ plain, rtol=1e-12, atol=1e-12)
    if step == 1:
        weights = np.linalg.lstsq(terms.reshape(-1, 6), height.ravel(), rcond=None)[0]
        np.testing.assert_allclose(remove_quadratic(height), height - terms @ weights, atol=1e-9)


@given(SHAPES, st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_differences_are_those_of_pairs(shape: tuple[int, int], down: int, right: int, seed: int) -> None:
    terms = _terms(shape)[..., 1:]
    height = np.random.default_rng(seed).normal(0, 1, shape) + terms @ [3.0, -2.0, 0.5, 0.2, -0.4]
    slope, difference = [], []
    for first_y in range(0, shape[0] - down, max(1, down // 2)):
        for first_x in range(0, shape[1], max(1, down // 2)):
            slope.append(terms[first_y + down, first_x] - terms[first_y, first_x])
            difference.append(height[first_y + down, first_x] - height[first_y, first_x])
    for first_y in range(0, shape[0], max(1, right // 2)):
        for first_x in range(0, shape[1] - right, max(1, right // 2)):
            slope.append(terms[first_y, first_x + right] - terms[first_y, first_x])
            difference.append(height[first_y, first_x + right] - height[first_y, first_x])
    design, wanted = np.array(slope), np.array(difference)
    root = np.ones(len(wanted))
    for _ in range(12):
        found = np.linalg.lstsq(design * root[:, None], wanted * root, rcond=None)[0]
        root = np.maximum(np.abs(wanted - design @ found), 0.05) ** -0.5
    weights = fit_differences(height, *map(powers, shape), [down, right])
    np.testing.assert_allclose(weights, [0.0, *found], rtol=1e-6, atol=1e-6)
