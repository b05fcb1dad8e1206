"""Statistics of element properties over a composition."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from tmdscope.composition.features import STATISTICS, CompositionFeatures, element_table
from tmdscope.composition.formulae import SYMBOLS
from tmdscope.errors import UserError

pytest.importorskip("elementembeddings")


def test_statistics_are_those_of_the_atoms() -> None:
    made = CompositionFeatures(("magpie",)).fit(["Al2O3"])
    found = dict(zip(made.get_feature_names_out(), made.transform(["Al2O3"])[0], strict=True))
    said = {name: found[f"magpie_Number_{name}"] for name in STATISTICS}
    assert said == pytest.approx(
        {"mean": 10, "deviation": 2.4, "minimum": 8, "maximum": 13, "range": 5, "mode": 8}
    )


def test_a_formula_gives_the_same_alone_and_among_others() -> None:
    formulae = ["GaAs", "Ag0.5Ge1Pb1.75S4", "O2", "K4[Fe(CN)6]3"]
    made = CompositionFeatures(("magpie", "megnet16"), elements=True).fit(formulae)
    together = made.transform(formulae)
    assert together.shape == (4, len(made.get_feature_names_out()))
    for row, formula in enumerate(formulae):
        np.testing.assert_allclose(made.transform([[formula]])[0], together[row])


def test_an_element_that_a_table_lacks_takes_what_was_fitted_on() -> None:
    table = element_table("oliynyk")
    lacking = table.index[table.isna().all(axis=1)]
    assert len(table) == len(SYMBOLS)
    one, other = (CompositionFeatures(("oliynyk",), ("mean",)).fit(f) for f in (["GaAs"], ["NaCl"]))
    first, second = one.transform([lacking[-1]]), other.transform([lacking[-1]])
    assert np.isfinite(first).all()
    assert (first != second).any()
    np.testing.assert_array_equal(one.transform(["GaAs"]), other.transform(["GaAs"]))


def test_it_is_a_step_of_a_pipeline() -> None:
    model = make_pipeline(CompositionFeatures(), Ridge()).fit(["GaAs", "GaP", "InAs"], [1.4, 2.3, 0.4])
    assert model.predict(["InP"]).shape == (1,)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"tables": ["magpy"]}, "did you mean 'magpie'"), ({"statistics": ["median"]}, "unknown statistic")],
)
def test_unknown_names_are_told(settings: dict[str, list[str]], told: str) -> None:
    with pytest.raises(UserError, match=told):
        CompositionFeatures(**settings).fit(["GaAs"])
