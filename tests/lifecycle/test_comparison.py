"""Which images two models are compared on, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lifecycle.tables import CLASSES, IMAGES, change, sha, table, truth, wrong_on
from tmdscope.errors import UserError
from tmdscope.lifecycle.comparison import Comparison, common_task, compare_predictions
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import ORDERED_CLASSES, quantity

SAID = st.lists(st.integers(0, 1), min_size=IMAGES, max_size=IMAGES)


def compared(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    return compare_predictions(first, second, TASK, 50, 1)


def ids(comparison: Comparison) -> set[str]:
    return set(comparison.compared["image_id"])


def test_both_kinds_of_held_out_images_are_scored() -> None:
    found = compared(table(truth()), table(wrong_on(0, 1, 4)))
    val, test = found.held_out
    assert (val.name, val.difference.images, val.difference.samples) == ("out-of-fold", 8, 4)
    assert (test.name, test.difference.images, test.difference.samples) == ("held-out test", 4, 2)
    assert [side.values["accuracy"] for side in val.both] == [1.0, 0.875]
    assert test.difference.values["accuracy"] == 0.5
    assert (test.mcnemar.first_only, test.mcnemar.second_only) == (2, 0)
    assert [(entry.name, entry.scores["recall"]) for entry in test.per_class] == [
        ("MoS2", (1.0, 0.0)),
        ("WS2", (1.0, 1.0)),
    ]
    assert found.left_out == {}


@settings(max_examples=15)
@given(SAID)
def test_a_model_agrees_with_itself(said: list[int]) -> None:
    found = compared(table(said), table(said))
    assert found.disagreements.empty
    for scores in found.held_out:
        low, high = scores.difference.bounds["macro_f1"] or (0, 0)
        assert low < scores.difference.values["accuracy"] == 0 < high
        assert scores.mcnemar.p_value == 1


@settings(max_examples=15)
@given(SAID, SAID)
def test_swapping_the_models_swaps_everything(one: list[int], other: list[int]) -> None:
    forth, back = compared(table(one), table(other)), compared(table(other), table(one))
    for a, b in zip(forth.held_out, back.held_out, strict=True):
        assert a.difference.values["macro_f1"] == -b.difference.values["macro_f1"]
        assert a.mcnemar.p_value == b.mcnemar.p_value
    assert set(forth.disagreements["image_id"]) == set(back.disagreements["image_id"])
    assert forth.disagreements["first"].tolist() == back.disagreements["second"].tolist()


@settings(max_examples=15)
@given(st.permutations(range(2 * IMAGES)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    first, second = table(truth()), table(wrong_on(0, 5, 6))
    assert compared(first.iloc[order], second).held_out == compared(first, second).held_out


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("image", [0, 4])
def test_what_one_model_was_trained_on_never_counts(side: int, image: int) -> None:
    tables = [table(truth()), table(truth())]
    tables[side] = change(tables[side], image, part="train")
    tables[side] = change(tables[side], image + 1, part="train")  # the sample's other image
    found = compared(*tables)
    assert f"i{image:02}" not in ids(found)
    assert found.left_out == {"not held out in the same part by both": 2}
    assert len(ids(found)) == IMAGES - 2


def test_a_test_image_of_one_that_the_other_validates_on_does_not_count() -> None:
    other = table(truth())
    for image in (0, 1):
        other = change(change(other, image, fold=0, part="val"), image, fold=1, part="train")
    found = compared(table(truth()), other)
    assert not ids(found) & {"i00", "i01"}
    assert found.left_out == {"not held out in the same part by both": 2}


def test_changed_content_under_one_name_is_left_out() -> None:
    found = compared(table(truth()), change(table(truth()), 7, image_sha256=sha("another")))
    assert "i07" not in ids(found)
    assert found.left_out == {"other content under the same name": 1}


def test_an_image_that_was_given_another_material_is_left_out() -> None:
    found = compared(table(truth()), change(table(truth()), 2, label="MoS2"))
    assert "i02" not in ids(found)
    assert found.left_out == {"another label or sample": 1}


def test_materials_that_one_model_does_not_know_are_left_out() -> None:
    first, second = table(truth()), table([0] * IMAGES, ["MoS2", "WSe2"])
    found = compared(first, second)
    assert set(found.compared["label"]) == {"MoS2"}
    assert found.left_out == {"a class that one model does not know": 6}
    assert found.classes == (CLASSES, ("MoS2", "WSe2"))


def test_a_class_that_only_one_model_knows_can_be_mistaken() -> None:
    wider = table([2, *truth()[1:]], [*CLASSES, "WSe2"])
    found = compared(table(truth()), wider)
    assert [side.values["accuracy"] for side in found.held_out[1].both] == [1.0, 0.75]
    assert found.disagreements["second"].tolist() == ["WSe2"]


def test_images_of_one_table_only_are_counted() -> None:
    fewer = table(truth())
    found = compared(table(truth()), fewer[fewer["image_id"] != "i11"])
    assert found.left_out == {"in the table of one model only": 1}


def test_without_test_images_in_common_only_the_others_are_scored() -> None:
    other = table(truth())
    found = compared(table(truth()), other[other["part"] != "test"])
    assert [scores.name for scores in found.held_out] == ["out-of-fold"]


def test_nothing_in_common_is_refused_with_the_reasons() -> None:
    other = table(truth()).assign(image_sha256=sha("another"))
    with pytest.raises(UserError, match=r"no image in common \(other content under the same name: 12\)"):
        compared(table(truth()), other)


def test_disagreements_come_with_the_surest_first() -> None:
    first = table(truth(), sure=0.9)
    second = change(table(wrong_on(3, 9), sure=0.7), 9, fold=1, p_MoS2=0.05, p_WS2=0.95)
    found = compared(first, second).disagreements
    assert found["image_id"].tolist() == ["i09", "i03"]
    assert found["part"].tolist() == ["out-of-fold", "held-out test"]
    assert found["p_first"].tolist() == pytest.approx([0.9, 0.9])
    assert found["p_second"].tolist()[1] == pytest.approx(0.7)


def test_the_json_form_holds_no_nan() -> None:
    found = compared(table(truth()), table(wrong_on(*range(IMAGES)))).to_dict()
    numbers = found["held_out"]["held-out test"]["per_class"]
    assert np.isfinite([entry["recall"] for entry in numbers]).all()
    assert found["disagreements"] == IMAGES


def test_a_comparison_is_written_by_the_metrics_of_its_task() -> None:
    found = compare_predictions(table(truth()), table(wrong_on(0, 1)), ORDERED_CLASSES, 50, 1)
    record = found.to_dict()["held_out"]["held-out test"]
    assert record["level_error"] == [0.0, 0.5]
    assert record["difference"]["level_error"] == -0.5


def test_models_of_two_tasks_are_not_compared() -> None:
    assert common_task(quantity("eV"), quantity("eV")).record() == quantity("eV").record()
    with pytest.raises(UserError, match="compare models of one task"):
        common_task(quantity("eV"), quantity("K"))
