import numpy as np
import pytest

from tests.scan.samples import growth, instrument, stream
from tmdscope.scan.flaws import Flaws, add_flaws
from tmdscope.scan.simulate import FLAW_TRUTH, flaw_truth, simulate_scan


def test_without_flaws_nothing_is_drawn_nor_changed() -> None:
    rng, layers = stream(1), np.tile([0, 1, 2, 1], (4, 1))
    before = rng.bit_generator.state
    found = add_flaws(layers, Flaws(), 4.0, rng)
    assert rng.bit_generator.state == before
    np.testing.assert_array_equal(found.layers, layers)
    assert not found.wrinkles_nm.any()
    assert not found.removed.any()


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("island", "true_multilayer_coverage"),
        ("wrinkle", "true_wrinkle_length_per_um"),
        ("crack", "true_crack_length_per_um"),
        ("pinhole", "true_pinhole_density_per_um2"),
    ],
)
def test_each_flaw_raises_its_truth(name: str, raised: str) -> None:
    closed = growth(coverage=1, nucleation_density_per_um2=200)
    flaws = Flaws(**{f"{name}_density_per_um2": 8.0})
    with_flaws = simulate_scan(
        growth(coverage=1, nucleation_density_per_um2=200, flaws=flaws), instrument(), 96, 1000.0, stream(2)
    )
    plain = simulate_scan(closed, instrument(), 96, 1000.0, stream(2))
    assert list(flaw_truth(plain)) == list(FLAW_TRUTH)
    assert flaw_truth(plain)[raised] == 0 < flaw_truth(with_flaws)[raised]
    lost = plain.truth["true_coverage"] - with_flaws.truth["true_coverage"]
    assert (lost > 0) == (name in ("crack", "pinhole"))
