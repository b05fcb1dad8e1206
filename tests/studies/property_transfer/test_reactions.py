"""Barriers that share their scatter: errors of one model of all of them cancel, those of many do not."""

from tests.studies.property_transfer.small import SCORING
from tmdscope.studies.property_transfer.params import ReactionsParams
from tmdscope.studies.property_transfer.reactions import INDEPENDENT, compare

PARAMS = ReactionsParams(paths=80, steps=3, shared=0.9, draws=1, seed=1)


def test_errors_of_one_model_of_all_barriers_are_more_alike() -> None:
    found = compare(PARAMS, SCORING, "eV")
    assert found.alike["multitask"] > found.alike[INDEPENDENT]
    for way, record in found.between.items():
        assert record["mae"] < 1.5 * found.single[way]["mae"]
    assert found.gains["multitask less independent"]["mae"] < 0
    assert found.gains["latent less multitask"]["samples"] == 80
