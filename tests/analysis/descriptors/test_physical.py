"""Surfaces made by hand, whose quantities are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from tmdscope.analysis.descriptors.catalogue import PHYSICAL
from tmdscope.analysis.descriptors.layers import find_layers
from tmdscope.analysis.descriptors.physical import describe_physical, match_grooves, straight_groove
from tmdscope.scan.growth import LAYER_NM

PX = (5.0, 5.0)
SIZE = 128
Y, X = np.mgrid[:SIZE, :SIZE]
NOISE = 0.02 * np.random.default_rng(1).standard_normal((SIZE, SIZE))
TILT = 0.03 * X - 0.02 * Y + 2e-4 * (X - 60.0) ** 2
ISLANDS = (X // 32 % 2 + Y // 32 % 2 == 1) | (Y > 100)
SECOND = (X > 40) & (X < 60) & (Y > 105)


def test_layers_are_told_apart_on_a_tilted_bent_scan_with_line_noise() -> None:
    lines = 0.05 * np.random.default_rng(2).standard_normal((SIZE, 1))
    truth = ISLANDS.astype(int) + (SECOND & ISLANDS)
    number = find_layers(LAYER_NM * truth + TILT + NOISE + lines, PX).number
    assert (number == truth).mean() > 0.995


def test_coverage_is_that_of_the_islands() -> None:
    found = describe_physical(LAYER_NM * (ISLANDS.astype(int) + (SECOND & ISLANDS)) + TILT + NOISE, PX)
    assert found["coverage"] == pytest.approx(ISLANDS.mean(), abs=0.01)
    assert found["second_layer_coverage"] == pytest.approx((SECOND & ISLANDS).mean(), abs=0.01)


@pytest.mark.parametrize("angle", [0.0, 37.0, 90.0, 120.0])
def test_steps_have_their_spacing_and_height(angle: float) -> None:
    uphill = (X * np.cos(np.radians(angle)) + Y * np.sin(np.radians(angle))) * 5.0
    found = describe_physical(0.22 * np.floor(uphill / 80.0) + 0.1 * TILT + NOISE, PX)
    assert found["step_spacing_nm"] == pytest.approx(80, rel=0.06)
    assert found["step_height_nm"] == pytest.approx(0.22, rel=0.15)


def test_of_two_staircases_alike_none_is_taken_for_the_steps() -> None:
    rising = [0.22 * np.floor(along * 5.0 / 80.0) for along in (X, Y)]
    assert np.isnan(describe_physical(rising[0] + rising[1] + NOISE, PX)["step_spacing_nm"])
    assert np.isfinite(describe_physical(rising[0] + 0.5 * rising[1] + NOISE, PX)["step_spacing_nm"])


def test_particles_are_counted_per_area() -> None:
    height = LAYER_NM * ISLANDS + NOISE
    for y, x in ((20, 20), (20, 90), (64, 64), (110, 20), (115, 100)):
        height = height + 2.5 * np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * 1.8**2))
    found = describe_physical(height + TILT, PX)
    assert found["defect_density_per_um2"] == pytest.approx(5 / (SIZE * 5e-3) ** 2)


def test_a_finer_network_of_grooves_parts_more_and_smaller_grains() -> None:
    found = []
    for period in (16, 40):
        height = LAYER_NM + 3 * NOISE
        for along in (0.8 * X - 0.6 * Y, 0.6 * X + 0.8 * Y):
            height = height - 0.3 * np.exp(-0.5 * ((along + period // 2) % period - period // 2) ** 2)
        found.append(describe_physical(height, PX))
    fine, coarse = found
    assert fine["grain_density_per_um2"] > 1.5 * coarse["grain_density_per_um2"]
    assert fine["equivalent_diameter_nm"] < coarse["equivalent_diameter_nm"]


@given(st.integers(8, 24), st.integers(8, 24), st.sampled_from([(4.0, 4.0), (5.0, 8.0), (20.0, 20.0)]))
def test_grooves_are_matched_by_convolution(rows: int, columns: int, pixel_nm: tuple[float, float]) -> None:
    relief = np.random.default_rng(rows * columns).standard_normal((rows, columns))
    down, right = (int(np.ceil(22.5 / pixel)) + 3 for pixel in reversed(pixel_nm))
    y, x = np.mgrid[-down : down + 1, -right : right + 1]
    grooves = [
        straight_groove(y * pixel_nm[1], x * pixel_nm[0], angle, max(5.0, 0.6 * max(pixel_nm)))
        for angle in np.arange(8) * np.pi / 8
    ]
    each = [signal.convolve(relief, groove, method="direct") for groove in grooves]
    plain = np.max(each, axis=0)[down : down + rows, right : right + columns]
    np.testing.assert_allclose(match_grooves(relief, pixel_nm), plain, atol=1e-12)


def test_a_ridged_surface_is_anisotropic_and_a_rough_one_is_not() -> None:
    ridges = describe_physical(0.2 * np.sin(2 * np.pi * X / 16), PX)
    rough = describe_physical(5 * NOISE, PX)
    assert ridges["slope_anisotropy"] > 0.95 > 0.2 > rough["slope_anisotropy"]
    assert ridges["texture_aspect_ratio"] < 0.3
    assert rough["texture_aspect_ratio"] > 0.5


@pytest.mark.parametrize("offset", [0.0, 40.0, -3e4])
def test_the_zero_of_heights_and_tilt_do_not_matter(offset: float) -> None:
    height = LAYER_NM * ISLANDS + NOISE
    level = describe_physical(height, PX)
    moved = describe_physical(height + offset + 5 * TILT, PX)
    assert list(level) == [item.name for item in PHYSICAL]
    for name in ("coverage", "roughness_sq_nm", "slope_anisotropy"):
        assert moved[name] == pytest.approx(level[name], rel=0.02)


def test_a_flat_map_is_described_without_a_warning() -> None:
    found = describe_physical(np.zeros((32, 32)), PX)
    assert found["roughness_sq_nm"] == pytest.approx(0, abs=1e-12)
    assert np.isnan([found[name] for name in ("slope_anisotropy", "step_height_nm", "step_spacing_nm")]).all()
