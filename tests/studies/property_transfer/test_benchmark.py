"""No dear value of a test compound, nor of one that is nearly the same, reaches what predicts it."""

import numpy as np
import pandas as pd
import pytest

from tmdscope.composition import chemical_system, reduced, same_compounds
from tmdscope.studies.property_transfer.benchmark import Setting, nearly_in, predict_folds, prepare
from tmdscope.studies.property_transfer.params import BenchmarkParams

PARAMS = BenchmarkParams(enabled=True, trees=10, rounds=10, seed=1)
FORMULAE = [
    f"{cation}{count}{anion}" for cation in ("Na", "Ga", "Zn", "Al") for count in (1, 2, 3) for anion in "OSF"
]


def planted() -> tuple[Setting, int]:
    """Compounds whose gap is 1 eV, but for one that is there twice, written differently, in two folds."""
    formulae = ["Rh0.67S2", "RhS3", *FORMULAE]
    inputs = np.random.default_rng(1).normal(size=(len(formulae), 3))
    inputs[1] = inputs[0]
    dear = np.where(np.arange(len(formulae)) < 2, 9.0, 1.0)
    systems = np.array([chemical_system(formula) for formula in formulae])
    fold = np.arange(len(formulae)) % 3
    return Setting({"composition": inputs}, dear, np.array(same_compounds(formulae)), systems, fold), 0


def test_a_near_duplicate_in_another_fold_is_not_learnt_from() -> None:
    setting, row = planted()
    said = predict_folds(setting, "composition", setting.fold, PARAMS)
    assert said[row] == said[row + 1] == 1.0
    told = Setting(setting.inputs, setting.dear, np.arange(len(said)), setting.system, setting.fold)
    assert (
        predict_folds(told, "composition", told.fold, PARAMS)[row] == 9.0
    )  # it would be, were it not grouped


def test_what_a_fold_holds_does_not_change_what_is_said_of_it() -> None:
    setting, _ = planted()
    before = predict_folds(setting, "composition", setting.fold, PARAMS)
    other = setting.dear + np.where(setting.fold == 2, 5.0, 0.0)
    changed = Setting(setting.inputs, other, setting.group, setting.system, setting.fold)
    after = predict_folds(changed, "composition", setting.fold, PARAMS)
    np.testing.assert_array_equal(before[setting.fold == 2], after[setting.fold == 2])
    assert (before != after).any()


def test_compounds_of_the_benchmark_are_taken_out_of_the_wide_table() -> None:
    wide = pd.Series([reduced(formula) for formula in ("RhS3", "GaAs", "RhS2", "Na2O")])
    benchmark = pd.Series([reduced(formula) for formula in ("Rh0.67S2", "Na4O2", "GaP")])
    assert nearly_in(wide, benchmark).tolist() == [True, False, False, True]


def test_a_predicted_cheap_gap_knows_nothing_of_the_benchmark_s_own() -> None:
    pytest.importorskip("elementembeddings")
    rng = np.random.default_rng(3)
    names = [reduced(formula) for formula in FORMULAE]
    others = [reduced(f"{one}{count}Cl") for one in ("Na", "Ga", "Zn", "Al", "Mg") for count in range(1, 12)]
    columns = {name: rng.random(len(others) + 6) for name in ("lowest", "cheap", "highest")}
    wide = pd.DataFrame({"compound": [*names[:6], *others], **columns, "entries": 1})
    table = pd.DataFrame({"compound": names, "dear": 1.0, "group": names, "system": names, "fold": 0})
    changed = wide.assign(cheap=np.where(np.arange(len(wide)) < 6, 7.123, wide["cheap"]))
    (one, taken), (other, _) = (prepare(table, rows, PARAMS, ["magpie"]) for rows in (wide, changed))
    assert sorted(taken) == sorted(names[:6])
    np.testing.assert_array_equal(one.inputs["dft_predicted"], other.inputs["dft_predicted"])
    assert (other.inputs["dft_known"] == 7.123).any(axis=1).tolist() == [row < 6 for row in range(len(names))]
    assert np.isfinite(one.inputs["dft_known"]).all()
