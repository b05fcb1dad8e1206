import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from tests.scan.samples import instrument, stream
from tmdscope.scan.instrument import dilate_by_tip, draw_instrument, drift_mask, measure

PIXEL_NM = 5.0


def bump(size: int = 64) -> np.ndarray:
    y, x = np.indices((size, size)) - size / 2
    return (5 * np.exp(-(x**2 + y**2) / 8)).astype(np.float32)


def test_an_ideal_instrument_changes_nothing() -> None:
    np.testing.assert_allclose(measure(bump(), PIXEL_NM, instrument(), stream(0)), bump(), atol=1e-6)


@given(radius_nm=st.floats(0.5, 200), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_the_tip_is_a_grey_dilation(radius_nm: float, seed: int) -> None:
    surface = stream(seed).normal(0, 1, (24, 20)).astype(np.float32)
    reach = np.arange(-23, 24) * PIXEL_NM
    tip = -np.add.outer(reach**2, reach**2) / (2 * radius_nm)
    expected = ndimage.grey_dilation(surface, structure=tip, mode="constant", cval=-1e9)
    traced = dilate_by_tip(surface, radius_nm, PIXEL_NM)
    np.testing.assert_allclose(traced, expected, atol=1e-5)
    assert (traced >= surface).all()


def test_the_tip_widens_a_bump_and_keeps_its_height() -> None:
    traced = dilate_by_tip(bump(), 60.0, PIXEL_NM)
    assert traced.max() == bump().max()
    assert (traced > 2.5).sum() > 1.5 * (bump() > 2.5).sum()


def test_a_blunter_tip_is_nowhere_lower() -> None:
    sharp, blunt = (dilate_by_tip(bump(), radius, PIXEL_NM) for radius in (10.0, 40.0))
    assert (blunt >= sharp).all()


def test_tilt_and_bow_are_recovered() -> None:
    microscope = instrument(tilt_x_nm_per_um=3, tilt_y_nm_per_um=-2, bow_x_nm=0.7, bow_y_nm=-0.4)
    flat = measure(np.zeros((40, 60), np.float32), PIXEL_NM, microscope, stream(0)).astype(float)
    y_um, x_um = ((np.indices(flat.shape).T - (np.array(flat.shape) - 1) / 2) * PIXEL_NM / 1000).T
    x_um, y_um = x_um.reshape(flat.shape), y_um.reshape(flat.shape)
    terms = np.column_stack([v.ravel() for v in (x_um, y_um, x_um**2, y_um**2, np.ones_like(x_um))])
    fitted = np.linalg.lstsq(terms, flat.ravel(), rcond=None)[0]
    half_x, half_y = x_um.max(), y_um.max()
    np.testing.assert_allclose(fitted[:2], [3, -2], atol=1e-3)
    np.testing.assert_allclose(fitted[2:4] * [half_x**2, half_y**2], [0.7, -0.4], atol=1e-3)


def test_noise_has_the_requested_size() -> None:
    microscope = instrument(line_noise_nm=0.2, pixel_noise_nm=0.05)
    noise = measure(np.zeros((400, 400), np.float32), PIXEL_NM, microscope, stream(0))
    assert noise.mean(axis=1).std() == pytest.approx(0.2, rel=0.15)
    assert (noise - noise.mean(axis=1, keepdims=True)).std() == pytest.approx(0.05, rel=0.03)


def test_scars_lie_along_rows_and_are_as_many_as_asked() -> None:
    microscope = instrument(scars_per_frame=3, scar_height_nm=0.5)
    scarred = [measure(np.zeros((128, 128), np.float32), PIXEL_NM, microscope, stream(s)) for s in range(60)]
    rows = [int((frame != 0).any(axis=1).sum()) for frame in scarred]
    assert abs(np.mean(rows) - 3) < 4 * np.sqrt(3 / 60)
    (first,) = (frame for frame, count in zip(scarred[:1], rows[:1], strict=True) if count)
    touched = first[(first != 0).any(axis=1)]
    assert all(ndimage.label(row != 0)[1] == 1 for row in touched)


def test_drift_moves_the_last_row_by_its_whole_amount() -> None:
    ramp = np.tile(np.arange(50, dtype=np.float32), (50, 1))
    drifted = measure(ramp, PIXEL_NM, instrument(drift_x_nm=20), stream(0))
    np.testing.assert_allclose(drifted[0], ramp[0], atol=1e-4)
    np.testing.assert_allclose(drifted[-1, :45], ramp[-1, :45] + 20 / PIXEL_NM, atol=1e-4)


def test_masks_drift_with_the_scan() -> None:
    mask = np.zeros((50, 50), bool)
    mask[:, 30:33] = True
    microscope = instrument(drift_x_nm=40)
    scan = measure(mask.astype(np.float32), PIXEL_NM, microscope, stream(0))
    moved = drift_mask(mask, PIXEL_NM, microscope)
    assert moved[-1].argmax() == 30 - 40 / PIXEL_NM
    assert scan[moved].min() >= 0.5 - 1e-3


def test_draws_differ() -> None:
    assert len({draw_instrument(stream(seed)) for seed in range(50)}) == 50


def test_negative_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="line_noise_nm"):
        instrument(line_noise_nm=-0.1)
