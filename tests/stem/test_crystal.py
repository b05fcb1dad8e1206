"""Crystals: where columns are, and how bright defects are."""

import numpy as np
import pytest

from tmdscope.errors import UserError
from tmdscope.stem.crystal import CRYSTALS, GRAPHENE, WS2


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=lambda crystal: crystal.name)
def test_the_second_column_has_three_neighbours_of_the_first(crystal):
    place = crystal.cell_nm.sum(axis=0) / 3
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 2), -1).reshape(-1, 2) @ crystal.cell_nm
    away = np.sort(np.linalg.norm(cells - place, axis=1))
    assert away[:3] == pytest.approx(crystal.a_nm / np.sqrt(3))
    assert away[3] > 1.9 * away[0]


def test_changes_are_those_of_the_six_defects():
    changes = dict(zip(WS2.names, WS2.changes(1.7), strict=True))
    assert changes["VW"] == -1
    assert changes["Mo"] == pytest.approx(0.382 - 1, abs=0.002)
    assert changes["SW"] == pytest.approx(0.074 - 1, abs=0.001)
    assert changes["VS2"] == pytest.approx(-0.148, abs=0.001)
    assert changes["WS"] == pytest.approx(1 - 0.074, abs=0.001)
    assert changes["W2S2"] == pytest.approx(2 - 0.148, abs=0.001)


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"'VS3'.*VS2"):
        WS2.kind("VS3")
    assert GRAPHENE.kind("SiC").atoms == ("Si",)
