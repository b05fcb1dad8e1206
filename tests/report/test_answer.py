"""What a report says first: a sentence of the task's own words, and a picture of the same numbers."""

from dataclasses import replace

import numpy as np
import pytest

from tests.report.study import experiment, predictions, study
from tmdscope.report.answer import answer, around_zero, difference, held_out_tiles, scored, without_looking
from tmdscope.report.page import Claim, Reading, Tiles
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import ACCURACY, CLASSES, DETECTIONS, MACRO_F1, quantity

FOUND = Estimate({"accuracy": 0.7099, "macro_f1": 0.6}, {"accuracy": (0.5, 0.8612), "macro_f1": None}, 31, 17)


def test_classes_are_told_in_images_of_a_hundred() -> None:
    beside = {"always naming the commonest": 0.46, "going by the sample's number": 0.41}
    said = answer(CLASSES, FOUND, beside, "this model", "material", "images")
    assert said.sentence == (
        "This model names the right material on 71 of 100 unseen images, between 50 and 86. Always naming "
        "the commonest gives 46, going by the sample's number 41."
    )
    gauge = said.gauge
    assert gauge is not None
    assert (gauge.lowest, gauge.highest, [*gauge.ends]) == (0, 1, ["0 %", "100 %"])
    assert [(one.label, one.text, one.bounds) for one in gauge.readings] == [
        ("This model", "71 (50 to 86)", (0.5, 0.8612)),
        ("Always naming the commonest", "46", None),
        ("Going by the sample's number", "41", None),
    ]
    assert gauge.alt.startswith("This model: 71 (50 to 86); ")


def test_numbers_are_told_in_their_unit() -> None:
    task = quantity("points")
    found = Estimate(
        {"r2": 0.5, "rmse": 55.0, "mae": 44.7}, {"r2": None, "rmse": None, "mae": (41.5, 47.9)}, 9, 9
    )
    said = answer(task, found, {task.unseen: 65.0}, "a method", "value", "rows")
    assert said.sentence == (
        "A method is within 45 points of the true value on average, on unseen rows, between 42 and 48. "
        "Always saying the median gives 65."
    )
    assert said.gauge is not None
    assert (said.gauge.lowest, said.gauge.highest) == (0, 70)


def test_a_metric_without_words_and_without_an_interval_is_told_by_its_name() -> None:
    values = {"precision": 0.8, "recall": 0.5, "false_alarms": 2.0, "f1": 0.6}
    task = replace(DETECTIONS, metrics=tuple(replace(metric, words="") for metric in DETECTIONS.metrics))
    found = Estimate(values, dict.fromkeys(values), 4, 1)
    said = answer(task, found, {}, "this model", "defects", "frames")
    assert said.sentence == "This model has F1 0.600 on unseen frames."


@pytest.mark.parametrize(
    ("task", "targets", "held_out", "score"),
    [(CLASSES, [0, 0, 0, 1], [0, 1, 1, 1], 0.25), (quantity("eV"), [1.0, 2.0, 9.0], [2.0, 4.0], 1.0)],
)
def test_naming_without_looking_is_scored_on_what_is_held_out(
    task: object, targets: list[float], held_out: list[float], score: float
) -> None:
    assert without_looking(task, targets, held_out) == score  # type: ignore[arg-type]


def test_small_figures_have_zero_in_the_middle_and_the_metric_s_own_ends() -> None:
    gauge = difference("first less second", -0.12, (-0.3, 0.06), ACCURACY)
    assert (gauge.lowest, gauge.mark, gauge.highest) == pytest.approx((-0.3, 0.0, 0.3))
    assert gauge.readings[0].text == "-12 (-30 to +6) points"
    assert around_zero(Reading("equal", 0.0, "0")).highest == 1.0
    assert scored(MACRO_F1, "best", FOUND).readings[0].text == "0.600"


def test_a_tile_says_what_the_model_says_and_whether_it_is_right() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    shown = held_out_tiles(
        {"MoS2": image, "WS2": image}, dict.fromkeys(("MoS2", "WS2"), ("WS2", 0.544)), "First."
    )
    assert [(tile.right, tile.says) for tile in shown.tiles] == [
        (False, "says WS2, 54\u00a0%"),
        (True, "says WS2, 54\u00a0%"),
    ]
    assert shown.tiles[0].picture.png.startswith(b"\x89PNG")
    assert "MoS2" in shown.tiles[0].picture.alt


def test_the_report_on_images_shows_a_held_out_image_of_every_class_beside_its_answer() -> None:
    page = study({"a": experiment()}, {"a": predictions(wrong=[0])}).report().page()
    (said,) = (block for block in page.sections[0].blocks if isinstance(block, Claim))
    assert said.sentence.startswith("This model names the right material on 81 of 100 unseen images")
    (tiles,) = (block for block in page.sections[0].blocks if isinstance(block, Tiles))
    assert [(tile.picture.caption, tile.right) for tile in tiles.tiles] == [("MoS2", False), ("WS2", True)]
    assert all(section.folded and section.claim for section in page.sections[1:])
