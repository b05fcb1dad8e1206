"""A cheap property of formulae: known where a table has it, else predicted, and what no model is told."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from tmdscope.composition.cheap import CheapProperty
from tmdscope.composition.features import CompositionFeatures

pytest.importorskip("elementembeddings")

FORMULAE = ["GaAs", "GaP", "ZnO", "ZnS", "NaCl", "KCl", "Al2O3"]
ENTRIES = np.column_stack([np.arange(7.0), np.arange(7.0) + 1, np.arange(7.0) + 2, np.full(7, 3.0)])


def test_what_the_table_knows_is_given_and_the_rest_predicted() -> None:
    made = CheapProperty(Ridge()).fit(FORMULAE, ENTRIES)
    found = made.transform(["As2Ga2", "InSb"])
    features = CompositionFeatures(elements=True).fit(FORMULAE).transform(["GaAs", "InSb"])
    np.testing.assert_array_equal(found[:, :-5], features)
    assert found[0, -4:].tolist() == [0.0, 1.0, 2.0, pytest.approx(np.log(4))]
    assert found[1, -4:].tolist() == [found[1, -5]] * 3 + [0.0]
    there, entries = made.look_up(["InSb", "ClNa"])
    assert there.tolist() == [False, True]
    assert np.isnan(entries[0]).all()
    assert entries[1].tolist() == ENTRIES[4].tolist()
    blind = clone(made).set_params(known=False).fit(FORMULAE, ENTRIES)
    np.testing.assert_allclose(blind.transform(["InSb"]), found[1:, :-4])


def test_the_model_is_not_told_what_it_shall_not_know() -> None:
    untold = np.arange(7) == 2
    made = [
        CheapProperty(DecisionTreeRegressor(random_state=0)).fit(FORMULAE, entries, untold).transform(["ZnO"])
        for entries in (ENTRIES, np.where(untold[:, None], 99.0, ENTRIES))
    ]
    assert made[0][0, -5] == made[1][0, -5] != 3.0
    assert made[1][0, -3] == 99.0


def test_a_compound_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="there twice"):
        CheapProperty(Ridge()).fit(["GaAs", "AsGa"], ENTRIES[:2])
