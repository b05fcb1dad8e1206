"""Held-out campaigns beside their controls: what is lost is campaign, and what is not scored is said."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.studies import make_table
from tmdscope.audit.campaigns import Campaigns, Draws, hold_out
from tmdscope.audit.confounds import predictors_of
from tmdscope.audit.holding_out import HeldOut, blocks_over_all, runs
from tmdscope.audit.scores import Scorer
from tmdscope.audit.table import AuditTable

DRAWS = Draws(draws=3, arrangements=5, seed=1)


def measure(table: AuditTable, held: list[HeldOut]) -> Campaigns:
    predictors = {name: predictors_of(table, 1)[name] for name in ("features", "order")}
    found = hold_out(Scorer(table, 300, 1), predictors, held, "blocks", "Blocks.", DRAWS)
    assert found is not None
    return found


def test_campaigns_are_lost_and_surfaces_are_not() -> None:
    campaign = measure(table := make_table(1, by_campaign=3.0), runs(table, 0.7))
    assert campaign.drop.accuracy_ci95[0] > 0.2
    assert campaign.held_out.accuracy < campaign.chance + 0.15
    surface = measure(table := make_table(1, by_class=1.0), runs(table, 0.7))
    assert surface.drop.accuracy_ci95[0] <= 0 <= surface.drop.accuracy_ci95[1]
    assert surface.order_control.accuracy > surface.order_held_out.accuracy


def test_a_class_that_a_block_takes_is_not_scored_and_said_so() -> None:
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 1, 2, 2])
    table = replace(make_table(1, samples=10, images=1, by_class=2.0), labels=labels, order=np.arange(10.0))
    found = measure(table, blocks_over_all(table, 5))
    assert found.excluded == {"C": 2}
    assert found.parts[4].excluded == {"C": 2}
    assert found.parts[4].images == 0
    assert found.parts[4].held_out is None
    assert found.held_out.images == found.control.images == found.drop.images == 8


def test_the_interval_of_the_drop_holds_the_luck_of_training() -> None:
    table = make_table(3, by_class=0.7)
    found = measure(table, blocks_over_all(table, 6))
    low, high = found.drop.accuracy_ci95
    t_of_four_degrees = 2.776
    assert high - found.drop.accuracy >= t_of_four_degrees * found.spread[0]
    assert found.drop.accuracy - low >= t_of_four_degrees * found.spread[0]
    assert found.drop.accuracy == pytest.approx(found.control.accuracy - found.held_out.accuracy)
