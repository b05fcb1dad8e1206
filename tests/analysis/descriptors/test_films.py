"""Flaws made by hand, whose size is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from tmdscope.analysis.descriptors.catalogue import FILM
from tmdscope.analysis.descriptors.films import describe_films
from tmdscope.analysis.descriptors.layers import median_of_nine, percentile
from tmdscope.scan.growth import LAYER_NM
from tmdscope.scan.simulate import FLAW_TRUTH

PX = (5.0, 5.0)
SIZE = 128
Y, X = np.mgrid[:SIZE, :SIZE]
RNG = np.random.default_rng(1)
FLAT = LAYER_NM * (X > 30) + 0.02 * RNG.standard_normal((SIZE, SIZE))
AREA_UM2 = (SIZE * 5e-3) ** 2
LINE = (Y >= 20) & (Y < 108)


def test_every_quantity_has_a_truth_and_a_flat_film_has_no_flaw() -> None:
    found = describe_films(FLAT, PX)
    assert list(found) == [item.name for item in FILM]
    assert [item.truth for item in FILM] == list(FLAW_TRUTH)
    assert found["mean_layers"] == pytest.approx((X > 30).mean(), abs=0.01)
    assert [value for name, value in found.items() if name != "mean_layers"] == pytest.approx([0] * 5)


def test_a_wrinkle_and_a_crack_have_their_length() -> None:
    wrinkle = describe_films(FLAT + 4 * LINE * np.exp(-0.5 * ((X - 90) / 2) ** 2), PX)
    crack = describe_films(np.where(LINE & (np.abs(X - 90) <= 3), 0.0, FLAT), PX)
    assert wrinkle["wrinkle_length_per_um"] == pytest.approx(0.44 / AREA_UM2, rel=0.2)
    assert crack["crack_length_per_um"] == pytest.approx(0.44 / AREA_UM2, rel=0.2)
    assert wrinkle["crack_length_per_um"] == crack["wrinkle_length_per_um"] == 0


def test_pinholes_are_counted_and_islands_of_many_layers_have_their_share() -> None:
    height = FLAT.copy()
    for y, x in ((20, 60), (70, 100), (100, 50)):
        height[(Y - y) ** 2 + (X - x) ** 2 <= 16] = 0.0
    holes = describe_films(height, PX)
    assert holes["pinhole_density_per_um2"] == pytest.approx(3 / AREA_UM2)
    assert holes["pinhole_share"] == pytest.approx(3 * 49 / SIZE**2, rel=0.2)
    island = FLAT.copy()
    for half in (30, 22, 14):
        island += LAYER_NM * ((np.abs(Y - 64) <= half) & (np.abs(X - 80) <= half))
    assert describe_films(island, PX)["multilayer_coverage"] == pytest.approx((45 / SIZE) ** 2, rel=0.1)


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(-9, 9)))
def test_the_median_is_scipys(values: NDArray[Any]) -> None:
    np.testing.assert_array_equal(median_of_nine(values), ndimage.median_filter(values, 3))


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-9, 9)), st.floats(0, 1))
def test_the_percentile_is_numpys(values: NDArray[Any], share: float) -> None:
    ordered = np.sort(values)
    assert percentile(ordered, share) == pytest.approx(np.quantile(ordered, share), rel=1e-14)
