"""Numbers as a reader sees them: with the digits that their interval bears."""

import pytest

from tmdscope.scores.task import ACCURACY, quantity
from tmdscope.scores.text import borne, rounded

MAE = quantity("meV").primary


@pytest.mark.parametrize(
    ("value", "interval", "told"),
    [
        (0.7099, (0.5012, 0.8649), "71 (50 to 86)"),
        (0.9888, (0.9601, 0.9986), "99 (96 to 100)"),
        (0.98888, (0.98512, 0.99213), "98.9 (98.5 to 99.2)"),
        (1.0, (1.0, 1.0), "100 (100 to 100)"),
        (0.5, None, "50.0"),
    ],
)
def test_a_share_has_decimals_where_its_interval_is_narrow(
    value: float, interval: tuple[float, float] | None, told: str
) -> None:
    assert rounded(ACCURACY, value, interval) == told


def test_a_quantity_keeps_its_scale_and_a_difference_its_sign() -> None:
    assert rounded(MAE, 44.718, (41.52, 47.93)) == "45 (42 to 48)"
    assert borne(0.121, (0.042, 0.208)) == "0.12 (0.04 to 0.21)"
    assert borne(-0.001, (-0.3, 0.29), sign=True) == "+0.0 (-0.3 to +0.3)"
    assert borne(1234.0, (1100.0, 1400.0)) == "1234 (1100 to 1400)"
