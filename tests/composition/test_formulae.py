"""Formulae as chemists write them, and what is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdscope.composition.formulae import (
    SYMBOLS,
    chemical_system,
    read_formula,
    reduced,
    same_compounds,
    shares,
)
from tmdscope.errors import UserError


@pytest.mark.parametrize(
    ("formula", "amounts"),
    [
        ("GaAs", {"Ga": 1, "As": 1}),
        ("NaN", {"Na": 1, "N": 1}),
        ("Co", {"Co": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("Ag0.5Ge1Pb1.75S4", {"Ag": 0.5, "Ge": 1, "Pb": 1.75, "S": 4}),
        ("Ag(AuS)2", {"Ag": 1, "Au": 2, "S": 2}),
        ("K4[Fe(CN)6]3", {"K": 4, "Fe": 3, "C": 18, "N": 18}),
        ("CuSO4·5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("CuSO4*5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        (" H₂O ", {"H": 2, "O": 1}),
    ],
)
def test_a_formula_is_read(formula: str, amounts: dict[str, float]) -> None:
    assert dict(read_formula(formula)) == amounts


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("In1p1", "from 'p1' on"),
        ("Xx2O", "unknown element Xx"),
        ("fe2o3", "from 'fe2o3' on"),
        ("D2O", "D is an isotope"),
        ("Fe0O", "0 of Fe"),
        ("CuSO4.5H2O", "a point is a decimal point"),
        ("(SiO2", "cannot be read"),
        ("Na+", "cannot be read"),
        ("Si1-xGex", "letters, digits"),
        ("aa:RK", "letters, digits"),
        ("", "letters, digits"),
        ("H" + "9" * 400, "200 characters"),
    ],
)
def test_what_is_no_formula_is_named(formula: str, told: str) -> None:
    with pytest.raises(UserError, match="no chemical formula") as caught:
        read_formula(formula)
    assert told in str(caught.value)


def test_one_compound_has_one_reduced_formula() -> None:
    assert reduced("As2Ga2") == reduced("GaAs") == "AsGa"
    assert reduced("Cu1.8S1") == reduced("Cu9S5") == "Cu9S5"
    assert reduced("Te0.5Se0.5") == reduced("TeSe")
    assert reduced("Fe2O3") != reduced("FeO")
    assert chemical_system("Ag(AuS)2") == "Ag-Au-S"


@given(
    st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 9)
)
def test_order_and_size_of_the_cell_do_not_matter(amounts: dict[str, int], cell: int) -> None:
    formula = "".join(f"{symbol}{count}" for symbol, count in amounts.items())
    other = "".join(f"{symbol}{cell * count}" for symbol, count in reversed(amounts.items()))
    assert reduced(formula) == reduced(other)
    np.testing.assert_allclose(shares([formula]), shares([other]))
    assert shares([formula]).sum() == pytest.approx(1)


def test_compounds_that_are_nearly_the_same_are_one_group() -> None:
    formulae = ["Rh0.67S2", "RhS3", "Rh0.67Se2", "GaAs", "Ga2As2", "Ga0.47In0.53As", "Ga0.5In0.5As"]
    groups = same_compounds(formulae)
    assert groups[0] == groups[1] != groups[2]
    assert groups[3] == groups[4]
    assert groups[5] != groups[6]
    assert len(same_compounds(["GaAs"])) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["", "1", "2", "0.25", "12", "1.75"])), min_size=1
    )
)
def test_what_has_no_brackets_is_read_as_the_grammar_reads_it(parts: list[tuple[str, str]]) -> None:
    text = "".join(symbol + amount for symbol, amount in parts[:8])
    bracketed = "".join(f"({symbol}){amount}" for symbol, amount in parts[:8])
    assert dict(read_formula(text)) == pytest.approx(dict(read_formula(bracketed)))
