from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tests.scan.samples import growth, stream
from tmdscope.scan.growth import LAYER_NM
from tmdscope.scan.surface import Surface, correlated_field, grow_surface

PIXEL_NM = 4.0
SIZE = 256


def surfaces(count: int, **changes: float) -> Iterator[Surface]:
    sample = growth(**changes)
    return (grow_surface(sample, SIZE, PIXEL_NM, stream(seed)) for seed in range(count))


def islands(surface: Surface) -> int:
    """Connected islands of film without those on the first row or column: an unbiased counting frame."""
    label, count = ndimage.label(surface.height_nm > LAYER_NM / 2, np.ones((3, 3)))
    return count - len((set(label[0]) | set(label[:, 0])) - {0})


def test_islands_counted_before_merging_are_the_nuclei() -> None:
    counted, true = np.array(
        [(islands(surface), surface.first.nuclei.inside.sum()) for surface in surfaces(30, coverage=0.01)]
    ).T
    area_um2 = (SIZE * PIXEL_NM / 1000) ** 2
    poisson_error = np.sqrt(60 * area_um2 / len(counted))
    assert abs(counted.mean() - 60 * area_um2) < 4 * poisson_error
    assert np.abs(counted - true).max() <= 3 * np.sqrt(60)
    assert abs(counted.mean() - true.mean()) < 0.06 * true.mean()


def test_grains_merge_at_high_coverage() -> None:
    (surface,) = surfaces(1, coverage=0.95)
    assert islands(surface) < 0.2 * surface.first.nuclei.inside.sum()
    assert surface.boundary_length_nm > 0


@pytest.mark.parametrize("direction_deg", [0.0, 90.0, 35.0])
def test_terraces_have_the_step_height_and_spacing_of_the_miscut(direction_deg: float) -> None:
    sample = growth(coverage=0, miscut_deg=0.15, step_direction_deg=direction_deg, step_waviness_nm=5)
    height = grow_surface(sample, SIZE, PIXEL_NM, stream(1)).height_nm
    levels = np.unique(height)
    np.testing.assert_allclose(np.diff(levels), sample.step_height_nm, atol=1e-5)
    y, x = np.indices(height.shape) * PIXEL_NM
    plane = np.column_stack([x.ravel(), y.ravel(), np.ones(height.size)])
    slope_x, slope_y, _ = np.linalg.lstsq(plane, height.ravel().astype(float), rcond=None)[0]
    spacing = sample.step_height_nm / np.hypot(slope_x, slope_y)
    assert spacing == pytest.approx(sample.step_spacing_nm, rel=0.05)
    assert np.degrees(np.arctan2(slope_y, slope_x)) == pytest.approx(direction_deg, abs=5)


def test_steps_lie_where_the_height_jumps() -> None:
    (surface,) = surfaces(1, coverage=0, miscut_deg=0.2)
    rows, columns = np.nonzero(surface.masks["steps"][:-1, :-1])
    jump = np.maximum(
        abs(surface.height_nm[rows, columns + 1] - surface.height_nm[rows, columns]),
        abs(surface.height_nm[rows + 1, columns] - surface.height_nm[rows, columns]),
    )
    assert len(jump) > SIZE
    assert jump.min() > 0.1


@pytest.mark.parametrize("rms_nm", [0.05, 0.4])
def test_the_substrate_has_the_requested_roughness(rms_nm: float) -> None:
    (surface,) = surfaces(1, roughness_rms_nm=rms_nm)
    assert surface.substrate_nm.std() == pytest.approx(rms_nm, rel=1e-4)


@given(size=st.integers(8, 64), correlation=st.floats(0.1, 500), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_field_has_mean_0_and_rms_1(size: int, correlation: float, seed: int) -> None:
    field = correlated_field(size, correlation, stream(seed))
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, rel=1e-4)


def test_a_field_is_correlated_over_its_length() -> None:
    field = correlated_field(256, 6.0, stream(2))
    # Smoothing by a Gaussian of sigma s gives the autocorrelation exp(-d^2 / (4 s^2)).
    measured = [np.mean(field * np.roll(field, shift, axis=1)) for shift in (6, 12)]
    np.testing.assert_allclose(measured, np.exp([-1 / 4, -1]), atol=0.1)


def test_layers_have_their_height_and_coverage() -> None:
    (surface,) = surfaces(
        1, coverage=0.8, second_layer_coverage=0.2, second_layer_density_per_um2=30, edge_roughness=0.05
    )
    heights, counts = np.unique(surface.height_nm, return_counts=True)
    np.testing.assert_allclose(heights, [0, LAYER_NM, 2 * LAYER_NM], atol=1e-6)
    np.testing.assert_allclose(counts / counts.sum(), [0.2, 0.6, 0.2], atol=1e-3)
    np.testing.assert_array_equal(surface.masks["second_layer"], surface.height_nm > 1.5 * LAYER_NM)


def test_grooves_follow_the_boundaries() -> None:
    (surface,) = surfaces(1, coverage=1.0, boundary_depth_nm=0.3)
    depth = LAYER_NM - surface.height_nm
    np.testing.assert_allclose(depth[surface.masks["boundaries"]], 0.3, atol=1e-5)
    far = ndimage.distance_transform_edt(~surface.masks["boundaries"]) * PIXEL_NM > 20
    assert np.abs(depth[far]).max() < 1e-4


def test_boundary_length_of_parallel_orientations_is_isotropic_within_a_tenth() -> None:
    """Poisson-Voronoi cells have a boundary length of 2 sqrt(density) per area (Moller 1994)."""
    sample = growth(coverage=1.0, edge_speed_ratio=1, orientation_spread_deg=90)
    area_um2 = (SIZE * PIXEL_NM / 1000) ** 2
    lengths = [
        grow_surface(sample, SIZE, PIXEL_NM, stream(seed)).boundary_length_nm / 1000 / area_um2
        for seed in range(10)
    ]
    assert np.mean(lengths) == pytest.approx(2 * np.sqrt(60), rel=0.1)


def test_adsorbates_are_bumps_of_the_requested_density() -> None:
    found = list(surfaces(20, coverage=0, adsorbate_density_per_um2=20))
    area_um2 = (SIZE * PIXEL_NM / 1000) ** 2
    assert abs(np.mean([surface.adsorbates for surface in found]) - 20 * area_um2) < 4 * np.sqrt(20 / 20)
    peaks = [
        (surface.height_nm == ndimage.maximum_filter(surface.height_nm, 5)) & (surface.height_nm > 0.3)
        for surface in found
    ]
    counted = np.mean([peak.sum() for peak in peaks])
    assert counted == pytest.approx(np.mean([surface.adsorbates for surface in found]), rel=0.15)
