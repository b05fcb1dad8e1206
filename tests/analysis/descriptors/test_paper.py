import warnings

import numpy as np
import pytest
from benchmarks.descriptors_224 import images
from benchmarks.plain_descriptors import describe_plainly
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.filters import gaussian
from skimage.morphology import disk, opening

from tests.analysis.descriptors.pictures import discs, pictures
from tmdscope.analysis.descriptors import blobs, paper
from tmdscope.analysis.descriptors.catalogue import PAPER
from tmdscope.analysis.descriptors.paper import describe_paper, open_by_disc
from tmdscope.params.images import DescribeParams

SETTINGS = DescribeParams(gaussian_sigma_px=1.0, opening_radius_px=5)
NOISE = np.random.default_rng(1).integers(0, 256, (24, 30), dtype=np.uint8)
COUNTS = ("step_edges", "dog_blobs", "grain_density", "defect_density")
"""Counts, or counts over a fixed number."""


def one(name: str, image: np.ndarray, settings: DescribeParams = SETTINGS) -> float:
    return describe_paper(image, settings)[name]


@pytest.mark.parametrize("image", [pytest.param(image, id=name) for name, image in pictures().items()])
def test_values_are_those_of_plain_calls(image: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mean over no parts
        plain = describe_plainly(image)
    ours = describe_paper(image, SETTINGS)
    assert list(ours) == list(plain) == [item.name for item in PAPER]
    assert {name: ours[name] for name in COUNTS} == {name: plain[name] for name in COUNTS}
    assert ours == pytest.approx(plain, rel=1e-9, abs=1e-14, nan_ok=True)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(3, 40), st.sampled_from([2, 3, 9, 256]))
def test_counts_are_those_of_plain_calls_on_any_image(seed: int, rows: int, columns: int, greys: int) -> None:
    image = np.random.default_rng(seed).integers(0, greys, (rows, columns), dtype=np.uint8)
    if np.ptp(image) == 0:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = describe_plainly(image)
    ours = describe_paper(image, SETTINGS)
    assert {name: ours[name] for name in COUNTS} == {name: plain[name] for name in COUNTS}


def test_blobs_whose_order_decides_are_settled_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    settle = blobs._count_in_order
    monkeypatch.setattr(blobs, "_count_in_order", lambda *given: asked.append(1) or settle(*given))
    for image in images()[:3]:
        assert one("dog_blobs", image) == describe_plainly(image)["dog_blobs"]
    assert asked


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(5, 60), (17, 40), (60, 60)])
def test_mirrored_borders_are_those_of_scipy_to_the_bit(shape: tuple[int, int], sigma: float) -> None:
    scaled = np.random.default_rng(2).random(shape)
    expected = gaussian_filter(scaled, sigma)
    assert np.array_equal(paper._mirrored(scaled, gaussian(scaled, sigma=sigma), sigma), expected)


@settings(max_examples=25)
@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 5))
def test_opening_is_that_of_scikit_image(mask: np.ndarray, radius: int) -> None:
    assert np.array_equal(open_by_disc(mask, radius), opening(mask, disk(radius)))


def test_grain_density_counts_domains_per_pixel() -> None:
    assert one("grain_density", discs([(12, 12), (12, 50), (40, 30)])) == 3 / 64**2


def test_opening_removes_domains_smaller_than_the_disc() -> None:
    image = np.maximum(discs([(12, 12)]), discs([(40, 40)], radius=1.5))
    assert one("grain_density", image) == 1 / 64**2
    assert one("grain_density", image, SETTINGS.model_copy(update={"opening_radius_px": 0})) == 2 / 64**2


def test_grain_size_is_the_diameter_of_the_discs() -> None:
    assert one("grain_size", discs([(16, 16), (44, 44)])) == pytest.approx(12, abs=0.5)


def test_dissimilarity_is_the_mean_step_along_rows() -> None:
    assert one("dissimilarity", NOISE) == pytest.approx(np.abs(np.diff(NOISE.astype(float), axis=1)).mean())


def test_defects_are_local_maxima_per_value_of_three_channels() -> None:
    image = np.zeros((20, 20), np.uint8)
    image[[5, 12], [5, 14]] = 255
    assert one("defect_density", image) == 2 / (3 * 400)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.3])
@settings(max_examples=25)
@given(grey=st.integers(0, 255))
def test_an_image_of_one_grey_value_has_nothing_to_describe(sigma: float, grey: int) -> None:
    settings = DescribeParams(gaussian_sigma_px=sigma, opening_radius_px=1)
    found = describe_paper(np.full((9, 13), grey, np.uint8), settings)
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {"grain_size", "anisotropy"}
    even = {"homogeneity", "energy", "correlation", "asm"}
    assert all(found[name] == 1 for name in even)
    assert all(found[name] == pytest.approx(0, abs=1e-12) for name in found.keys() - even - undefined)


@pytest.mark.parametrize(("dark", "bright"), [(0, 255), (100, 130)])
def test_a_checkerboard_differs_between_all_neighbours(dark: int, bright: int) -> None:
    squares = np.indices((32, 32)).sum(axis=0) % 2
    found = describe_paper(np.where(squares, bright, dark).astype(np.uint8), SETTINGS)
    assert found["dissimilarity"] == bright - dark
    assert found["correlation"] == pytest.approx(-1)
    # Smoothing leaves almost nothing of the finest pattern, so the residual is half the step, up or down.
    assert found["rms_roughness"] == pytest.approx((bright - dark) / 2 / 255, rel=0.05)
    assert found["local_variation"] == pytest.approx(1, abs=0.1)


def test_stripes_along_rows_have_no_horizontal_difference() -> None:
    stripes = np.repeat(np.arange(16, dtype=np.uint8) * 16, 16).reshape(16, 16)
    assert one("dissimilarity", stripes) == 0
    assert one("dissimilarity", stripes.T.copy()) == pytest.approx(16)


@settings(max_examples=25)
@given(arrays(np.uint8, (12, 14)))
def test_a_brighter_image_has_the_same_texture(image: np.ndarray) -> None:
    halved = image // 2
    dark, bright = (describe_paper(item, SETTINGS) for item in (halved, halved + np.uint8(100)))
    for name in ("rms_roughness", "dissimilarity", "contrast", "energy", "correlation"):
        assert bright[name] == pytest.approx(dark[name], rel=1e-6, abs=1e-9)
