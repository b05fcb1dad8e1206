"""The plain simulator is a fair rival: the same grains from the same nuclei, scans of the same kind."""

import numpy as np
import pytest

from benchmarks import simulate_128
from tests.scan.samples import growth
from tmdscope.scan.growth import draw_growth
from tmdscope.scan.instrument import draw_instrument
from tmdscope.scan.surface import grow_layer, place_nuclei


@pytest.mark.parametrize("coverage", [0.0, 0.4, 0.9])
def test_plain_growth_gives_the_same_grains(coverage: float) -> None:
    rng = np.random.default_rng(3)
    sample = growth(
        edge_speed_ratio=1.6,
        speed_spread=0.2,
        orientation_deg=10,
        orientation_spread_deg=5,
        twin_fraction=0.3,
    )
    density = 0.005
    nuclei = place_nuclei(density, 48, sample, rng)
    waviness = np.clip(0.05 * rng.standard_normal((48, 48)), -0.2, 0.2).astype(np.float32)
    allowed = np.ones((48, 48), bool)
    plain = simulate_128.plain_layer(nuclei, 1.6, coverage, waviness, allowed)
    ours = grow_layer(nuclei, density, sample, coverage, waviness, allowed).grain
    assert (plain == ours).mean() > 0.998  # float32 against float64 on ties
    assert (plain >= 0).mean() == pytest.approx(coverage, abs=1e-3)


def test_plain_scan_is_a_scan() -> None:
    rng = np.random.default_rng(1)
    scan = simulate_128.plain_scan(draw_growth("MoS2", rng), draw_instrument(rng), rng)
    assert scan.shape == (128, 128)
    assert np.isfinite(scan).all()
    assert 0.1 < scan.std() < 50
