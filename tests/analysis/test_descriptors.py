import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tmdscope.analysis.descriptors import (
    DESCRIPTORS,
    describe,
    dissimilarity,
    grain_density,
    local_variation,
    rms_roughness,
)
from tmdscope.params import DescribeParams

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
def test_an_image_of_one_grey_value_has_nothing_to_describe(name: str) -> None:
    assert DESCRIPTORS[name](np.full((16, 16), 77, np.uint8), SETTINGS) == pytest.approx(0, abs=1e-12)


def test_a_read_only_memory_map_is_described(tmp_path: object) -> None:
    images = np.stack([NOISE, NOISE[::-1]])
    images.flags.writeable = False
    table = describe(images, SETTINGS)
    assert list(table.columns) == list(DESCRIPTORS)
    assert len(table) == 2
