"""The whole audit on studies whose truth is known, and the coverage of its intervals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.studies import PARAMS, SCORING, make_table
from tests.audit.test_findings import parts_of
from tests.support.cohorts import make_cohort
from tmdscope.audit.campaigns import MOSTLY, NONE, campaign_effect, judged
from tmdscope.audit.confounds import predict_all
from tmdscope.audit.kernel import KernelPredictor
from tmdscope.audit.record import Findings
from tmdscope.audit.study import audit
from tmdscope.audit.verdict import checks, judge, overall_effect
from tmdscope.dataset.columns import draw_images, read_nuisance, read_order
from tmdscope.dataset.splits import outer_folds
from tmdscope.errors import UserError
from tmdscope.report.page import Table
from tmdscope.report.sections.audit import AuditPart
from tmdscope.scores.cohort import Cohort, Rows
from tmdscope.scores.intervals import difference, estimate
from tmdscope.scores.task import CLASSES


def test_a_score_by_campaign_is_called_so() -> None:
    table = make_table(2, by_campaign=3.0)
    found = audit(table, parts_of(table), PARAMS, SCORING, {})
    assert found.verdict.campaign == MOSTLY
    assert "the score is campaign" in found.verdict.headline
    assert "campaigns" in found.failed_checks
    assert any("in turn" in step for step in found.verdict.next)


def test_a_score_by_surface_is_called_so() -> None:
    table = make_table(2, by_class=1.5)
    found = audit(table, parts_of(table), PARAMS, SCORING, {"steady": (lambda number: np.array([number]), 3)})
    assert found.verdict.campaign == NONE
    assert "no campaign effect found" in found.verdict.headline
    assert found.failed_checks == []
    assert {check.name: check.passed for check in found.verdict.checks}["folds"] is True
    again = audit(table, parts_of(table), PARAMS, SCORING, {"steady": (lambda number: np.array([number]), 3)})
    assert found == again
    assert all(np.isfinite(value) for value in found.numbers.values())


def test_without_an_order_nothing_is_said_of_campaigns() -> None:
    table = make_table(2, by_class=1.5, order=False)
    found = audit(table, {}, PARAMS, SCORING, {})
    assert found.campaigns == found.drift == []
    assert found.verdict.campaign is None
    assert "cannot be said" in found.verdict.headline
    told = {check.name: check.passed for check in found.verdict.checks}
    assert told["campaigns"] is told["beyond metadata"] is None


def test_planted_faults_fail_the_checks() -> None:
    table = make_table(2, by_class=1.5)
    parts = parts_of(table)
    samples = table.sample_ids.copy()
    samples[parts["test"][0]] = samples[parts["fold0_train"][0]]
    shared = audit(replace(table, sample_ids=samples), parts, PARAMS, SCORING, {})
    assert "samples" in shared.failed_checks
    hashes = table.image_sha256.copy()
    hashes[parts["test"][0]] = hashes[parts["fold0_train"][0]]
    copied = audit(replace(table, image_sha256=hashes), parts, PARAMS, SCORING, {})
    assert "duplicates" in copied.failed_checks


def test_what_does_not_fit_is_refused() -> None:
    table = make_table(1)
    with pytest.raises(UserError, match="119 rows of order for 120 images"):
        replace(table, order=np.zeros(119))
    with pytest.raises(UserError, match="order is missing or not finite"):
        replace(table, order=np.full(120, np.nan))
    many = make_cohort(np.zeros((6001, 1)), np.full(6001, "a"), np.zeros(6001, dtype=np.int64), ("A",))
    with pytest.raises(UserError, match="can be audited at most"):
        audit(many, {}, PARAMS, SCORING, {})


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


def test_warnings_that_some_images_have_are_nuisances() -> None:
    told = ["cut off [saturated]; half [unfinished]", "half [unfinished]; odd", "half [unfinished]"]
    found = read_nuisance(pd.DataFrame({"n": [4, 2, 3], "warnings": told}, index=[5, 6, 7]), ["n"])
    assert found is not None
    assert found["warning_saturated"].tolist() == ["yes", "no", "no"]
    assert sorted(found) == ["n", "warning_saturated"]
    assert read_nuisance(pd.DataFrame({"warnings": [None, None]}), []) is None


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
    samples, labels = ["a"] * 5 + ["b"] * 2 + ["c"], ["x"] * 5 + ["y"] * 3
    assert draw_images(samples, labels, 8, 1, 1).tolist() == list(range(8))
    assert draw_images(samples, labels, 5, 1, 1).tolist() == [0, 1, 5, 6, 7]
    assert draw_images(samples, labels, 2, 1, 1).tolist() in ([5, 6], [7])


@given(
    sizes=st.lists(st.integers(1, 4), min_size=20, max_size=60),
    most=st.integers(8, 19),
    seed=st.integers(0, 9),
)
def test_of_too_many_samples_some_are_drawn_whole(sizes: list[int], most: int, seed: int) -> None:
    samples = np.repeat([f"S{number}" for number in range(len(sizes))], sizes)
    labels = np.repeat(np.arange(len(sizes)) % 2, sizes)
    drawn = draw_images(samples, labels, most, 1, seed)
    assert most - 3 <= len(drawn) <= most
    assert drawn.tolist() == np.flatnonzero(np.isin(samples, samples[drawn])).tolist()
    assert set(labels[drawn]) == {0, 1}
    assert drawn.tolist() == draw_images(samples, labels, most, 1, seed).tolist()


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
            low, high = difference(CLASSES, labels, right, worse, sample, 400, 1).bounds["accuracy"]
            inside += low <= truth * better <= high
        else:
            low, high = estimate(CLASSES, labels, right, sample, 400, 1).bounds["accuracy"]
            inside += low <= truth <= high
    assert inside / studies == pytest.approx(0.95, abs=0.02)


def easy_split(table: Cohort) -> dict[str, Rows]:
    """A split whose held-out test is luckier than any fold: samples that other samples tell the class of."""
    folds = outer_folds(table.targets, table.groups.tolist(), PARAMS.folds)
    right = predict_all(table, KernelPredictor(table), folds) == table.targets
    easy = [group for group in np.unique(table.group) if right[table.group == group].all()]
    test = np.flatnonzero(np.isin(table.group, easy[:8]))
    val = np.flatnonzero(np.isin(table.group, easy[8:12]))
    train = np.setdiff1d(np.arange(len(right)), np.concatenate([test, val]))
    return {"test": test, "fold0_train": train, "fold0_val": val}


def test_the_held_out_test_of_the_verdict_is_the_splits_own() -> None:
    """The same number in the verdict, in the scores, in the section and in the metrics."""
    table = make_table(1, by_class=0.5, order=False)
    found = audit(table, easy_split(table), PARAMS, SCORING, {})
    score, fold = found.confounds[0].test.values["accuracy"], found.folds.outer[0].score
    assert score != fold  # they are different images
    (claim,) = [text for text in found.verdict.may_not if "held-out test's" in text]
    assert claim.startswith(f"The held-out test's {100 * score:.1f} % as the score: shuffled tests of")
    section = AuditPart(found).section()
    (shown,) = [
        block for block in section.blocks if isinstance(block, Table) and block.caption.startswith("The same")
    ]
    assert shown.rows[0][4].startswith(f"{100 * score:.1f} [")
    assert AuditPart(found).metrics()["audit"]["shown"]["confounds"]["features"]["test"]["accuracy"] == score
    assert found.folds.test.score == score
    assert found.folds.test.shuffled_tests == 4 * round(len(table.targets) / 16)


def test_without_a_split_no_fold_is_called_the_held_out_test() -> None:
    found = audit(make_table(1, by_class=0.5), {}, PARAMS, SCORING, {})
    assert found.folds.test is None
    assert "held-out test" not in str(found.verdict)


def test_scores_of_several_models_stand_beside_an_interval_of_their_own() -> None:
    """Models that miss different classes: the mean of their macro F1 is not the macro F1 of their mean."""
    table = make_table(3, samples=12)
    first, second = (np.where(table.targets == k, (k + 1) % 3, table.targets) for k in (0, 1))
    rows, both = np.arange(len(table.targets)), np.stack([first, second])
    score = table.estimate(rows, both, SCORING)
    for name in ("accuracy", "macro_f1"):
        low, high = score.bounds[name]
        assert low <= score.values[name] <= high
    alone, drop = table.estimate(rows, first, SCORING), table.difference(rows, both, first, SCORING)
    assert drop.values["macro_f1"] == pytest.approx(score.values["macro_f1"] - alone.values["macro_f1"])


def test_what_has_no_interval_decides_nothing() -> None:
    found = audit_findings(make_table(2, samples=36, by_campaign=3.0))
    first = found.campaigns[0]
    none = {"accuracy": None, "macro_f1": None}
    drop, beyond = replace(first.drop, bounds=none), replace(first.beyond_order, bounds=none)
    unknown = replace(found, campaigns=[replace(first, drop=drop, beyond_order=beyond)])
    metric = CLASSES.plain
    assert campaign_effect(unknown.campaigns[0], metric) is overall_effect(unknown.campaigns, metric) is None
    assert judged(unknown.campaigns[0], metric).lost_share is None
    assert {check.name: check.passed for check in checks(unknown)}["campaigns"] is None
    assert {check.name: check.passed for check in checks(unknown)}["beyond metadata"] is None
    assert "cannot be said" in judge(unknown, "images").headline


def test_perfect_features_have_intervals_with_a_width_and_a_law_without() -> None:
    found = audit(make_table(1, samples=36, by_class=60.0), {}, PARAMS, SCORING, {})
    score, curve = found.confounds[0].score, found.learning_curve
    assert score.values["accuracy"] == score.values["macro_f1"] == 1.0
    assert 0.8 < score.bounds["accuracy"][0] < 0.95
    assert curve.gain_ci95 is curve.twice_ci95 is curve.exponent_ci95 is None
    assert all(low < high for low, high in curve.score_ci95)
    assert all(low < high for low, high in (item.auc_ci95 for item in found.drift))
    assert not any("[100.0, 100.0]" in text for text in found.verdict.may)
    assert not any("Twice the samples" in text for text in found.verdict.next)
    assert AuditPart(found).section().blocks


def audit_findings(table: Cohort) -> Findings:
    return audit(table, {}, PARAMS, SCORING, {})
