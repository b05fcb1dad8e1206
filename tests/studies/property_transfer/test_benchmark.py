"""No dear value of a test compound, nor of one that is nearly the same, reaches what predicts it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.studies.property_transfer.small import BENCHMARK, SCORING
from tmdscope.composition import chemical_system, reduced, same_compounds
from tmdscope.params.reading import ParamsError
from tmdscope.scores.task import quantity
from tmdscope.studies.property_transfer.benchmark import Said, predict_folds, summarise
from tmdscope.studies.property_transfer.params import BenchmarkParams
from tmdscope.studies.property_transfer.rungs import RUNGS, Setting, nearly_in, prepare
from tmdscope.studies.property_transfer.sections.benchmark import BenchmarkPart
from tmdscope.studies.property_transfer.tuning import TreesObjective

TASK = quantity("eV", form=".3f")
FORMULAE = [
    f"{cation}{count}{anion}" for cation in ("Na", "Ga", "Zn", "Al") for count in (1, 2, 3) for anion in "OSF"
]


def planted() -> Setting:
    """Compounds whose gap is 1 eV, but for the first, there twice, written otherwise, in two folds."""
    formulae = ["Rh0.67S2", "RhS3", *FORMULAE]
    inputs = np.random.default_rng(1).normal(size=(len(formulae), 3))
    inputs[1] = inputs[0]
    table = pd.DataFrame(
        {
            "compound": [reduced(formula) for formula in formulae],
            "group": same_compounds(formulae),
            "system": [chemical_system(formula) for formula in formulae],
            "fold": np.arange(len(formulae)) % 3,
            "dear": np.where(np.arange(len(formulae)) < 2, 9.0, 1.0),
        }
    )
    return Setting(dict.fromkeys(RUNGS, inputs), table, np.full(len(table), 0.5))


def said_of(setting: Setting) -> Said:
    return predict_folds(setting, "composition", BENCHMARK, TASK, None)


def test_a_near_duplicate_in_another_fold_is_not_learnt_from() -> None:
    setting = planted()
    said = said_of(setting)
    assert said.values[0] == said.values[1] == 1.0
    names = np.arange(len(setting.dear)).astype(str)
    told = replace(setting, table=setting.table.assign(group=names))
    assert said_of(told).values[0] == 9.0  # it would be, were it not grouped


def test_what_a_fold_holds_does_not_change_what_is_said_of_it() -> None:
    setting = planted()
    before, last = said_of(setting), setting.fold == 2
    other = setting.dear + np.where(last, 5.0, 0.0)
    after = said_of(replace(setting, table=setting.table.assign(dear=other)))
    np.testing.assert_array_equal(before.values[last], after.values[last])
    assert (before.values != after.values).any()
    for level, bounds in before.bounds.items():
        np.testing.assert_array_equal(bounds[last], after.bounds[level][last])
        assert (bounds != after.bounds[level]).any()


@dataclass
class Watching:
    """A search that notes which values it is given, and chooses nothing."""

    seen: list[list[float]] = field(default_factory=list)

    def choose(self, name: str, objective: TreesObjective, tags: dict[str, str]) -> dict[str, Any]:
        self.seen.append(objective.dear.tolist())
        for train, val in objective.parts:
            assert not set(objective.group[train]) & set(objective.group[val])
        return {}


def test_a_search_sees_nothing_of_its_fold_s_test() -> None:
    setting, watching = planted(), Watching()
    own = np.arange(len(setting.dear), dtype=np.float64)  # every value tells its compound
    named = replace(setting, table=setting.table.assign(dear=own))
    predict_folds(named, "composition", BENCHMARK, TASK, watching)  # type: ignore[arg-type]
    for number, seen in enumerate(watching.seen):
        assert not set(seen) & set(own[named.fold == number])
        assert len(seen) < (named.fold != number).sum() or number == 2  # nor of the near duplicate
    assert len(watching.seen) == 3


def test_every_rung_is_scored_and_paired() -> None:
    setting = planted()
    said = {rung: said_of(setting) for rung in RUNGS}
    found = summarise(TASK, setting, said, BENCHMARK, SCORING)
    assert found.differences["dft_known less dft_predicted"]["mae"] == 0
    numbers = BenchmarkPart(TASK.primary, found, simulated=False).metrics()["matbench_expt_gap"]
    assert len(numbers["dft_known"]["mae_per_fold"]) == 3
    assert numbers["lookup"]["mae"] == pytest.approx(abs(setting.dear - 0.5).mean())
    assert set(numbers["composition"]["coverage"]) == {"0.8", "0.9", "0.95"}


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
    one, other = (prepare(table, rows, BENCHMARK, ["magpie"]) for rows in (wide, changed))
    assert one.wide == len(others)
    np.testing.assert_array_equal(one.inputs["dft_predicted"], other.inputs["dft_predicted"])
    assert (other.inputs["dft_known"] == 7.123).any(axis=1).tolist() == [row < 6 for row in range(len(names))]
    assert np.isfinite(one.inputs["dft_known"]).all()
    assert np.isfinite(one.lowest).sum() == 6


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"depth": {"kind": "int", "low": 1, "high": 3}}, "trees have no 'depth'"),
        ({"max_features": {"kind": "uniform", "low": 0.5, "high": 2.0}}, "max_features"),
    ],
)
def test_a_space_that_trees_do_not_have_is_told(space: dict[str, Any], told: str) -> None:
    content = BENCHMARK.model_dump()
    content["search"]["space"] = space
    with pytest.raises((ParamsError, ValueError), match=told):
        BenchmarkParams.model_validate(content)
