import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scan.samples import growth, stream
from tmdscope.scan.growth import Growth
from tmdscope.scan.surface import Layer, Nuclei, boundaries_of, grow_layer, place_nuclei

SIZE = 64
EVERYWHERE = np.ones((SIZE, SIZE), bool)
FLAT = np.zeros((SIZE, SIZE), np.float32)


def grains(ratio: float = 2.0, spread: float = 0.0) -> Growth:
    return growth(edge_speed_ratio=ratio, speed_spread=spread, orientation_deg=7.3)


def grown(sample: Growth, density: float, coverage: float, seed: int) -> Layer:
    nuclei = place_nuclei(density, SIZE, sample, stream(seed))
    return grow_layer(nuclei, density, sample, coverage, FLAT, EVERYWHERE)


def arrival_times(nuclei: Nuclei, ratio: float) -> np.ndarray:
    """Every nucleus at every pixel, from the definition: largest distance along a normal over its speed."""
    y, x = np.indices((SIZE, SIZE)) + 0.5
    towards = nuclei.angle_rad[:, None] + np.radians(np.arange(0, 360, 60))
    speed = nuclei.speed[:, None] * np.array([1, ratio, 1, ratio, 1, ratio])
    along = np.cos(towards)[..., None, None] * (x - nuclei.x[:, None, None])[:, None]
    along += np.sin(towards)[..., None, None] * (y - nuclei.y[:, None, None])[:, None]
    return (along / speed[..., None, None]).max(axis=1)


@pytest.mark.parametrize("ratio", [1.0, 1.4, 2.0], ids=["hexagon", "truncated", "triangle"])
def test_one_grain_has_the_area_and_corners_of_its_shape(ratio: float) -> None:
    size = 401
    lone = Nuclei(*(np.array([value]) for value in (size / 2, size / 2, 0.3, 1.0)), np.array([True]))
    wanted = 20_000
    layer = grow_layer(
        lone,
        1e-4,
        grains(ratio),
        wanted / size**2,
        np.zeros((size, size), np.float32),
        np.ones((size, size), bool),
    )
    away = np.hypot(*(np.indices((size, size)) + 0.5 - size / 2))[layer.covered].max()
    inradius = np.sqrt(wanted / grains(ratio).grain_area)
    assert layer.covered.sum() == pytest.approx(wanted, abs=3)
    assert away == pytest.approx(inradius * grains(ratio).grain_circumradius, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_belongs_to_the_grain_that_arrives_first(seed: int) -> None:
    density, ratio = 30 / SIZE**2, 1.5
    layer = grown(grains(ratio, spread=0.2), density, 0.9, seed)
    times = arrival_times(layer.nuclei, ratio)
    belongs = np.take_along_axis(times, layer.grain[None].clip(0), axis=0)[0]
    np.testing.assert_allclose(belongs[layer.covered], times.min(axis=0)[layer.covered], rtol=1e-4, atol=1e-4)
    assert times.min(axis=0)[~layer.covered].min() >= belongs[layer.covered].max() - 1e-3


@given(coverage=st.floats(0, 1), density=st.floats(3, 200), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_coverage_is_met_to_a_pixel(coverage: float, density: float, seed: int) -> None:
    layer = grown(grains(1.7, spread=0.1), density / SIZE**2, coverage, seed)
    assert abs(int(layer.covered.sum()) - coverage * SIZE**2) <= 3
    np.testing.assert_array_equal(layer.grain >= 0, layer.covered)


def test_growth_without_a_stopping_point_follows_avrami() -> None:
    density, inradius, shape = 40 / SIZE**2, 5.0, grains(2.0)
    open_area = [
        np.mean(arrival_times(place_nuclei(density, SIZE, shape, stream(seed)), 2.0).min(axis=0) > inradius)
        for seed in range(30)
    ]
    expected = np.exp(-density * shape.grain_area * inradius**2)
    standard_error = np.std(open_area, ddof=1) / np.sqrt(len(open_area))
    assert abs(np.mean(open_area) - expected) < 4 * standard_error


def test_a_layer_stays_where_it_is_allowed() -> None:
    density, allowed = 50 / SIZE**2, EVERYWHERE.copy()
    allowed[:, SIZE // 2 :] = False
    nuclei = place_nuclei(density, SIZE, grains(), stream(3))
    layer = grow_layer(nuclei, density, grains(), 0.8, FLAT, allowed)
    np.testing.assert_array_equal(layer.covered, allowed)


def test_without_nuclei_nothing_grows() -> None:
    layer = grown(grains(), 0.0, 0.9, 0)
    assert not layer.covered.any()
    assert (layer.grain == -1).all()


def test_nuclei_in_the_frame_are_poisson() -> None:
    counts = [place_nuclei(50 / SIZE**2, SIZE, grains(), stream(seed)).inside.sum() for seed in range(400)]
    assert abs(np.mean(counts) - 50) < 4 * np.sqrt(50 / 400)
    assert 0.7 < np.var(counts, ddof=1) / 50 < 1.4


def test_boundaries_lie_between_grains_and_not_at_open_ground() -> None:
    grain = np.array([[0, 0, 1], [0, -1, 1], [2, 2, -1]], np.int32)
    mask, edges = boundaries_of(grain)
    np.testing.assert_array_equal(mask, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert edges == 2
