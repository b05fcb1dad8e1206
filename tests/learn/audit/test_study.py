"""The whole audit on studies whose truth is known, and the coverage of its intervals."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.learn.audit.studies import PARAMS, SCORING, make_table
from tests.learn.audit.test_findings import parts_of
from tmdscope.learn.audit.columns import draw_images, read_nuisance, read_order
from tmdscope.learn.audit.study import audit, numbers_of
from tmdscope.learn.audit.verdict import MOSTLY, NONE
from tmdscope.learn.intervals import bootstrap_by_sample, paired_difference
from tmdscope.stage import UserError


def test_a_score_by_campaign_is_called_so() -> None:
    table = make_table(2, by_campaign=3.0)
    found = audit(table, parts_of(table), PARAMS, SCORING, {})
    assert found["verdict"]["campaign"] == MOSTLY
    assert "the score is campaign" in found["verdict"]["headline"]
    assert "campaigns" in found["failed_checks"]
    assert any("in turn" in step for step in found["verdict"]["next"])


def test_a_score_by_surface_is_called_so() -> None:
    table = make_table(2, by_class=1.5)
    found = audit(table, parts_of(table), PARAMS, SCORING, {"steady": (lambda number: np.array([number]), 3)})
    assert found["verdict"]["campaign"] == NONE
    assert "no campaign effect found" in found["verdict"]["headline"]
    assert found["failed_checks"] == []
    assert {check["name"]: check["passed"] for check in found["verdict"]["checks"]}["folds"] is True
    again = audit(table, parts_of(table), PARAMS, SCORING, {"steady": (lambda number: np.array([number]), 3)})
    assert json.dumps(found) == json.dumps(again)
    assert all(np.isfinite(value) for value in numbers_of(found).values())


def test_without_an_order_nothing_is_said_of_campaigns() -> None:
    table = make_table(2, by_class=1.5, order=False)
    found = audit(table, {}, PARAMS, SCORING, {})
    assert found["campaigns"] == found["drift"] == []
    assert found["verdict"]["campaign"] is None
    assert "cannot be said" in found["verdict"]["headline"]
    told = {check["name"]: check["passed"] for check in found["verdict"]["checks"]}
    assert told["campaigns"] is told["beyond metadata"] is None


def test_planted_faults_fail_the_checks() -> None:
    table = make_table(2, by_class=1.5)
    parts = parts_of(table)
    samples = table.sample_ids.copy()
    samples[parts["test"][0]] = samples[parts["fold0_train"][0]]
    shared = audit(replace(table, sample_ids=samples), parts, PARAMS, SCORING, {})
    assert "samples" in shared["failed_checks"]
    hashes = table.image_sha256.copy()
    hashes[parts["test"][0]] = hashes[parts["fold0_train"][0]]
    copied = audit(replace(table, image_sha256=hashes), parts, PARAMS, SCORING, {})
    assert "duplicates" in copied["failed_checks"]


def test_what_does_not_fit_is_refused() -> None:
    table = make_table(1)
    with pytest.raises(UserError, match="119 rows of order for 120 images"):
        replace(table, order=np.zeros(119))
    with pytest.raises(UserError, match="order is missing or not finite"):
        replace(table, order=np.full(120, np.nan))
    with pytest.raises(UserError, match="can be audited at most"):
        replace(table, labels=np.zeros(6001, dtype=np.int64), features=np.zeros((6001, 1)), order=None,
                sample_ids=np.full(6001, "a"), image_sha256=np.full(6001, "a"))  # fmt: skip


def test_orders_are_numbers_dates_or_the_samples_own() -> None:
    manifest = pd.DataFrame(
        {"sample_id": ["S3", "S10"], "day": ["2024-05-01", "2024-05-11"], "n": [4, 2], "bad": ["1", "May"]}
    )
    assert read_order(manifest, "sample_id").tolist() == [3, 10]
    assert read_order(manifest, "day").tolist() == [0, 10]
    assert read_order(manifest, "n").tolist() == [4, 2]
    assert read_order(manifest, "none") is None
    assert read_order(manifest.assign(sample_id=["a", "b"]), "sample_id") is None
    with pytest.raises(UserError, match="neither a number nor a date"):
        read_order(manifest, "bad")
    with pytest.raises(UserError, match="no column 'dya'"):
        read_order(manifest, "dya")
    assert read_nuisance(manifest, []) is None
    assert list(read_nuisance(manifest, ["n"])) == ["n"]


def test_nuisance_is_numbers_days_or_words_however_it_was_stored() -> None:
    written = pd.DataFrame(
        {"day": ["2024-05-01", "2024-05-11", None], "n": ["4", "2", None], "who": ["A", None, "B"]}
    )
    stored = written.assign(day=pd.to_datetime(written["day"]), n=pd.to_numeric(written["n"]))
    for manifest in (written, stored):
        found = read_nuisance(manifest, ["day", "n", "who"])
        assert found is not None
        assert found["day"].tolist()[:2] == [0, 10]
        assert found["n"].tolist()[:2] == [4, 2]
        assert found[["day", "n"]].isna().all(axis=1).tolist() == [False, False, True]
        assert found["who"].tolist()[::2] == ["A", "B"]
        with pytest.raises(UserError, match="'day' has 1 empty cells"):
            read_order(manifest, "day")
        assert read_order(manifest[:2], "day").tolist() == [0, 10]


def test_too_many_images_leave_some_of_every_sample() -> None:
    samples = ["a"] * 5 + ["b"] * 2 + ["c"]
    assert draw_images(samples, 8).tolist() == list(range(8))
    assert draw_images(samples, 5).tolist() == [0, 1, 5, 6, 7]
    with pytest.raises(UserError, match="3 samples are too many"):
        draw_images(samples, 2)


@pytest.mark.slow
@pytest.mark.parametrize("compared", [False, True], ids=["a score", "a paired difference"])
def test_the_bootstrap_covers_95_percent(compared: bool) -> None:
    """Studies of 200 samples of one to six images; a sample's images share its difficulty."""
    rng = np.random.default_rng(1)
    samples, studies, truth, better, spread = 200, 1000, 0.8, 0.1, 1.5
    inside = 0
    for _ in range(studies):
        images = rng.integers(1, 7, samples)
        sample = np.repeat(np.arange(samples), images)
        # Beta with mean `truth`: the images of a sample are alike
        easy = rng.beta(truth * spread, (1 - truth) * spread, samples)[sample]
        draw = rng.random(len(sample))
        labels = np.zeros(len(sample), dtype=np.int64)
        right = (draw >= easy).astype(np.int64)
        if compared:
            worse = (draw >= easy * (1 - better)).astype(np.int64)
            low, high = paired_difference(labels, right, worse, sample, 400, 1).accuracy_ci95
            inside += low <= truth * better <= high
        else:
            low, high = bootstrap_by_sample(labels, right, sample, 400, 1).accuracy
            inside += low <= truth <= high
    assert inside / studies == pytest.approx(0.95, abs=0.02)
