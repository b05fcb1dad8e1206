import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from tmdscope.analysis.descriptors import (
    DESCRIPTORS,
    describe,
    dissimilarity,
    grain_density,
    local_variation,
    rms_roughness,
)
from tmdscope.params.materials_study import DescribeParams

SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=2)
NOISE = np.random.default_rng(1).integers(0, 256, (24, 30), dtype=np.uint8)


def discs(centres: list[tuple[int, int]], radius: float = 6.0) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    image = np.zeros((64, 64), np.uint8)
    for row, column in centres:
        image[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = 200
    return image


def test_grain_density_counts_domains_per_pixel() -> None:
    centres = [(12, 12), (12, 50), (40, 30)]
    assert grain_density(discs(centres), SETTINGS) == 3 / 64**2


def test_opening_removes_domains_smaller_than_the_disc() -> None:
    image = np.maximum(discs([(12, 12)]), discs([(40, 40)], radius=1.5))
    assert grain_density(image, SETTINGS) == 1 / 64**2


def test_dissimilarity_is_the_mean_step_along_rows() -> None:
    expected = np.abs(np.diff(NOISE.astype(float), axis=1)).mean()
    assert dissimilarity(NOISE, SETTINGS) == pytest.approx(expected, rel=1e-12)


def test_roughness_and_variation_follow_their_formulae() -> None:
    scaled = NOISE / 255.0
    residual = scaled - gaussian_filter(scaled, 1.0, mode="nearest")
    assert rms_roughness(NOISE, SETTINGS) == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-9)
    expected = np.abs(residual).mean() / np.abs(residual).max()
    assert local_variation(NOISE, SETTINGS) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", DESCRIPTORS)
@given(st.integers(0, 255), st.sampled_from([0.5, 1.0, 3.3]))
def test_an_image_of_one_grey_value_has_nothing_to_describe(name: str, grey: int, sigma: float) -> None:
    settings = DescribeParams(gaussian_sigma_px=sigma, opening_radius_px=1)
    assert DESCRIPTORS[name](np.full((9, 13), grey, np.uint8), settings) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("dark", "bright"), [(0, 255), (100, 130)])
def test_a_checkerboard_differs_between_all_neighbours(dark: int, bright: int) -> None:
    squares = np.indices((32, 32)).sum(axis=0) % 2
    board = np.where(squares, bright, dark).astype(np.uint8)
    assert dissimilarity(board, SETTINGS) == bright - dark
    # Smoothing leaves almost nothing of the finest pattern, so the residual is half the step, up or down.
    assert rms_roughness(board, SETTINGS) == pytest.approx((bright - dark) / 2 / 255, rel=0.05)
    assert local_variation(board, SETTINGS) == pytest.approx(1, abs=0.1)


def test_stripes_along_rows_have_no_horizontal_difference() -> None:
    stripes = np.repeat(np.arange(16, dtype=np.uint8) * 16, 16).reshape(16, 16)
    assert dissimilarity(stripes, SETTINGS) == 0
    assert dissimilarity(stripes.T.copy(), SETTINGS) == pytest.approx(16)


@given(arrays(np.uint8, (12, 14)))
def test_a_brighter_image_has_the_same_texture(image: np.ndarray) -> None:
    halved = image // 2
    brighter = halved + np.uint8(100)
    for name in ("rms_roughness", "dissimilarity"):
        value = DESCRIPTORS[name](halved, SETTINGS)
        assert DESCRIPTORS[name](brighter, SETTINGS) == pytest.approx(value, rel=1e-6, abs=1e-9)


@given(arrays(np.uint8, (12, 14)))
def test_every_descriptor_of_any_image_is_a_number_in_its_range(image: np.ndarray) -> None:
    highest = {"grain_density": 1, "rms_roughness": 1, "local_variation": 1, "dissimilarity": 255}
    for name, function in DESCRIPTORS.items():
        assert 0 <= function(image, SETTINGS) <= highest[name]


def test_read_only_images_are_described_in_order() -> None:
    images = np.stack([NOISE, NOISE // 2])
    images.flags.writeable = False
    table = describe(images, SETTINGS)
    assert list(table.columns) == list(DESCRIPTORS)
    assert table["dissimilarity"].tolist() == [
        dissimilarity(image, SETTINGS) for image in (NOISE, NOISE // 2)
    ]
