"""Which images a model may be judged on, and how two models are set against each other."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import f1_score

from tests.lifecycle.tables import CLASSES, change, table, truth, wrong_on
from tmdscope.scores.classes import count, f1_per_class
from tmdscope.scores.paired import Pairs, compare, held_out, mcnemar
from tmdscope.scores.scored import classes_of_predictions

LABELS = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=40)


def role(predictions: pd.DataFrame, image: int) -> str:
    return str(held_out(predictions).loc[f"i{image:02}", "part"])


@given(LABELS)
def test_mcnemar_is_the_doubled_binomial_tail(rows: list[tuple[int, int, int]]) -> None:
    labels, first, second = np.array(rows).T
    one = sum(a == y != b for y, a, b in rows)
    other = sum(b == y != a for y, a, b in rows)
    found = mcnemar(labels, first, second)
    assert (found.first_only, found.second_only) == (one, other)
    tail = 2 * float(binom.cdf(min(one, other), one + other, 0.5)) if one + other else 1.0
    assert found.p_value == pytest.approx(min(1.0, tail))


@given(LABELS)
def test_f1_per_class_is_that_of_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    labels, predicted, _ = np.array(rows).T
    counts = count(labels, predicted[None], np.zeros(len(labels)))[0, 0]
    expected = f1_score(labels, predicted, average=None, labels=range(len(counts)), zero_division=0)
    np.testing.assert_allclose(f1_per_class(counts), expected)


def pairs(rows: list[tuple[int, int, int]], swap: bool = False) -> Pairs:
    labels, first, second = np.array(rows, np.int64).T
    if swap:
        first, second = second, first
    samples = (np.arange(len(labels)) // 2).astype(str)
    return Pairs(labels, first, second, samples, np.ones(len(labels), bool), ("MoS2", "WS2", "WSe2"))


@settings(max_examples=30)
@given(LABELS)
def test_swapping_the_models_negates(rows: list[tuple[int, int, int]]) -> None:
    one, other = (pairs(rows, swap).scores("x", 50, 1) for swap in (False, True))
    assert one.both == other.both[::-1]
    assert one.difference.values["macro_f1"] == -other.difference.values["macro_f1"]
    there, back = (found.difference.bounds["macro_f1"] for found in (one, other))
    assert (there is None) == (back is None) == (one.difference.samples == 1)
    if there is not None and back is not None:
        np.testing.assert_allclose(there, [-bound for bound in reversed(back)], atol=1e-12)
    assert one.mcnemar.p_value == other.mcnemar.p_value
    turned = [{name: both[::-1] for name, both in entry.scores.items()} for entry in other.per_class]
    assert [entry.scores for entry in one.per_class] == turned


@settings(max_examples=30)
@given(LABELS)
def test_a_model_is_as_good_as_itself(rows: list[tuple[int, int, int]]) -> None:
    found = pairs([(label, said, said) for label, said, _ in rows]).scores("x", 50, 1)
    assert found.difference.values == {"accuracy": 0, "macro_f1": 0}
    for bounds in found.difference.bounds.values():
        assert bounds is None if found.difference.samples == 1 else bounds[0] < 0 < bounds[1]
    assert found.mcnemar.p_value == 1
    assert all(one == other for entry in found.per_class for one, other in entry.scores.values())


def test_identical_images_count_once_among_distinct() -> None:
    labels = np.array([0, 0, 0, 1])
    said = np.array([0, 0, 0, 0])
    distinct = np.array([True, False, False, True])
    found = Pairs(labels, labels, said, np.array(["a", "a", "a", "b"]), distinct, ("MoS2", "WS2"))
    scores = found.scores("x", 20, 1)
    assert scores.difference.values["accuracy"] == 0.25
    assert (scores.distinct.values["accuracy"], scores.distinct.images) == (0.5, 2)


def test_the_test_is_judged_by_the_mean_of_the_folds() -> None:
    predictions = change(table(truth()), 0, fold=1, p_MoS2=0.1, p_WS2=0.9)
    judged = held_out(predictions).loc["i00"]
    assert (judged["part"], judged["predicted"]) == ("test", "WS2")
    assert judged["probability"] == pytest.approx(0.55)


def test_validation_images_are_judged_by_their_own_fold() -> None:
    trained_on = change(table(truth()), 4, fold=1, p_MoS2=0.0, p_WS2=1.0)
    held = change(table(truth()), 4, fold=0, p_MoS2=0.3, p_WS2=0.7)
    assert held_out(trained_on).loc["i04", "predicted"] == "MoS2"
    assert held_out(held).loc["i04", "predicted"] == "WS2"


@pytest.mark.parametrize(
    ("image", "fold", "part"),
    [(0, 0, "train"), (0, 1, "val"), (4, 1, "val"), (4, 0, "train"), (4, 0, "test"), (4, 0, "unused")],
)
def test_an_image_of_mixed_parts_is_not_held_out(image: int, fold: int, part: str) -> None:
    predictions = table(truth())
    assert role(predictions, image) != ""
    assert role(change(predictions, image, fold, part=part), image) == ""


def test_a_test_image_that_a_fold_does_not_list_is_not_held_out() -> None:
    predictions = table(truth())
    lacking = predictions[(predictions["image_id"] != "i00") | (predictions["fold"] == 0)]
    assert role(lacking, 0) == ""


@pytest.mark.parametrize("key", ["image_sha256", "sample_id"])
def test_content_or_a_sample_that_is_trained_on_under_another_name_is_not_held_out(key: str) -> None:
    predictions = table(truth())
    other = predictions.loc[predictions["image_id"] == "i04", key].iloc[0]
    leaking = change(predictions, 8, **{key: other})
    assert role(leaking, 8) == ""
    assert role(leaking, 4) == ""
    assert role(leaking, 0) == "test"


def test_repeated_content_within_a_part_stays() -> None:
    predictions = change(table(truth()), 5, image_sha256=table(truth())["image_sha256"].iloc[4])
    assert role(predictions, 5) == "val"


def test_classes_are_read_off_the_columns() -> None:
    assert classes_of_predictions(table(wrong_on(), ("MoS2", "WS2", "Mo-WSe2"))) == ["MoS2", "WS2", "Mo-WSe2"]


def test_experiments_of_one_study_are_compared_part_by_part() -> None:
    found = compare(table(truth()), table(wrong_on(0, 5, 6)), CLASSES, 200, 1)
    assert {name: (one.images, one.samples) for name, one in found.items()} == {
        "ensemble_test": (4, 2),
        "out_of_fold": (8, 4),
    }
    assert found["ensemble_test"].values["accuracy"] == pytest.approx(1 / 4)
    assert found["out_of_fold"].values["accuracy"] == pytest.approx(2 / 8)
    low, high = found["out_of_fold"].bounds["accuracy"]
    assert low <= 2 / 8 <= high


def test_the_order_of_folds_does_not_matter_to_a_comparison() -> None:
    tables = [table(wrong_on(2)), table(wrong_on(9))]
    turned = [one.sort_values("fold", ascending=False, kind="stable") for one in tables]
    assert compare(*tables, CLASSES, 200, 1) == compare(*turned, CLASSES, 200, 1)


def test_experiments_on_other_images_are_not_compared() -> None:
    other = change(table(truth()), 4, part="train")
    with pytest.raises(ValueError, match="out_of_fold: the two experiments were scored on different images"):
        compare(table(truth()), other, CLASSES, 200, 1)
