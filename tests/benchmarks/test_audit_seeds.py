"""Simulated studies are what the counts are said to be of."""

import numpy as np
import pytest

from benchmarks import audit_seeds
from tmdscope.audit.campaigns import MOSTLY, NONE


def test_campaigns_hold_one_class_each_and_follow_in_time() -> None:
    plan = audit_seeds.draw_plan(np.random.default_rng(1))
    assert (np.diff(plan.order) > 0).all()
    for number in np.unique(plan.campaign):
        own = plan.campaign == number
        assert len(set(plan.labels[own])) == 1
        assert (np.diff(plan.order[own]) == 1).all()
    classes = plan.labels[np.unique(plan.campaign, return_index=True)[1]]
    assert np.bincount(classes).min() >= 4


@pytest.mark.slow
def test_a_seed_is_judged_rightly() -> None:
    counted = audit_seeds.count([audit_seeds.judge_seed(1)])
    assert counted["right"] == {"surface": 1, "campaign": 1, "planted": 1}
    assert counted["surface"]["verdict"] == {NONE: 1}
    assert counted["campaign"]["verdict"] == {MOSTLY: 1}
