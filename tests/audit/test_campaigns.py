"""Held-out campaigns beside their controls: what is lost is campaign, and what is not scored is said."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.studies import PARAMS, SCORING, make_table
from tmdscope.audit.campaigns import Campaigns, hold_out
from tmdscope.audit.confounds import metadata_predictors
from tmdscope.audit.holding_out import HeldOut, blocks_over_all, runs
from tmdscope.audit.kernel import KernelPredictor
from tmdscope.scores.cohort import Cohort


def measure(table: Cohort, held: list[HeldOut]) -> Campaigns:
    predictors = {"features": KernelPredictor(table), **metadata_predictors(table, 1)}
    found = hold_out(table, predictors, held, "blocks", "Blocks.", PARAMS, SCORING)
    assert found is not None
    return found


def test_campaigns_are_lost_and_surfaces_are_not() -> None:
    campaign = measure(table := make_table(1, by_campaign=3.0), runs(table, 0.7))
    assert campaign.drop.bounds["accuracy"][0] > 0.2
    assert campaign.held_out.values["accuracy"] < campaign.chance + 0.15
    surface = measure(table := make_table(1, by_class=1.0), runs(table, 0.7))
    assert surface.drop.bounds["accuracy"][0] <= 0 <= surface.drop.bounds["accuracy"][1]
    assert surface.order_control.values["accuracy"] > surface.order_held_out.values["accuracy"]


def test_a_class_that_a_block_takes_is_not_scored_and_said_so() -> None:
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 1, 2, 2])
    table = replace(make_table(1, samples=10, images=1, by_class=2.0), targets=labels, order=np.arange(10.0))
    found = measure(table, blocks_over_all(table, 5))
    assert found.excluded == {"C": 2}
    assert found.parts[4].excluded == {"C": 2}
    assert found.parts[4].images == 0
    assert found.parts[4].held_out is None
    assert found.held_out.images == found.control.images == found.drop.images == 8


def test_the_interval_of_the_drop_holds_the_luck_of_training() -> None:
    table = make_table(3, by_class=0.7)
    found = measure(table, blocks_over_all(table, 6))
    low, high = found.drop.bounds["accuracy"]
    drop = found.drop.values["accuracy"]
    t_of_four_degrees = 2.776
    assert high - drop >= t_of_four_degrees * found.spread[0]
    assert drop - low >= t_of_four_degrees * found.spread[0]
    assert drop == pytest.approx(found.control.values["accuracy"] - found.held_out.values["accuracy"])
