"""Pre-trained less scratch: which experiments are compared, and what is said of the interval."""

import pytest

from tests.report.study import CLASSES, SCORING, experiment, predictions
from tmdscope.params.experiments import ExperimentParams
from tmdscope.report.gains import PRETRAINING, TARGETS, Gain, gain_blocks, pretraining_gains, target_gains
from tmdscope.report.page import Block, Figure, Paragraph, Table


def gains(
    finetune_wrong: list[int], scratch_wrong: list[int], scratch: ExperimentParams | None = None
) -> list[Gain]:
    settings = {"pre": experiment(), "zero": scratch or experiment("scratch")}
    tables = {"pre": predictions(finetune_wrong), "zero": predictions(scratch_wrong)}
    return pretraining_gains(settings, tables, CLASSES, SCORING)


def said(blocks: list[Block]) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Paragraph))


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 5}, {"target": "multilabel"}, {"architecture": "resnet34"}],
    ids=lambda c: next(iter(c)),
)
def test_only_equal_targets_networks_and_epochs_are_compared(changes: dict[str, object]) -> None:
    assert gains([], [1], experiment("scratch", **changes)) == []


def test_heads_on_frozen_features_are_no_pair() -> None:
    settings = {"frozen": experiment("features"), "zero": experiment("scratch")}
    tables = {name: predictions() for name in settings}
    assert pretraining_gains(settings, tables, CLASSES, SCORING) == []


def test_every_pair_is_compared() -> None:
    settings = {"a": experiment(), "b": experiment(weights="imagenet-v1"), "zero": experiment("scratch")}
    tables = {name: predictions() for name in settings}
    found = pretraining_gains(settings, tables, CLASSES, SCORING)
    assert [gain.pair for gain in found] == ["a less zero", "b less zero"]


def test_images_on_which_a_search_chose_the_settings_of_one_compare_nothing() -> None:
    settings = {
        "pre": experiment(),
        "pre-tuned": experiment(learning_rate=1e-3),
        "zero": experiment("scratch"),
    }
    settings["zero-tuned"] = experiment("scratch", learning_rate=1e-3)
    tables = {name: predictions() for name in settings}
    found = {
        gain.pair: set(gain.differences) for gain in pretraining_gains(settings, tables, CLASSES, SCORING)
    }
    both = {"ensemble_test", "out_of_fold"}
    assert found == {
        "pre less zero": both,
        "pre less zero-tuned": {"ensemble_test"},
        "pre-tuned less zero": {"ensemble_test"},
        "pre-tuned less zero-tuned": both,
    }


def test_a_clear_gain_is_stated_with_its_interval() -> None:
    blocks = gain_blocks(gains([], [0, 1, 2, 3, 4, 5, 6, 7]), "8 images", PRETRAINING)
    table = blocks[0]
    assert isinstance(table, Table)
    assert table.rows[0] == [
        "pre less zero",
        "4",
        "held-out test",
        "2 of 1",
        "100.0 [100.0, 100.0]",
        "1.000 [1.000, 1.000]",
        "above zero",
    ]
    assert said(blocks) == ""
    assert isinstance(blocks[-1], Figure)


def test_an_interval_with_zero_is_said_plainly() -> None:
    blocks = gain_blocks(gains([2], [3]), "8 images", PRETRAINING)
    assert "on the held-out test images includes zero: on 2 images of 1 samples" in said(blocks)
    assert "pre and zero cannot be told apart" in said(blocks)


def test_harm_is_said_plainly() -> None:
    blocks = gain_blocks(gains([0, 1], []), "8 images", PRETRAINING)
    assert "On the held-out test images zero is better than pre: pre-training did harm here." in said(blocks)


def test_other_settings_that_differ_are_named() -> None:
    scratch = experiment("scratch", learning_rate=1e-3, batch_size=8)
    blocks = gain_blocks(gains([], [1], scratch), "8 images", PRETRAINING)
    assert "pre and zero also differ in batch size, learning rate." in said(blocks)


def test_without_a_pair_nothing_is_written() -> None:
    assert gain_blocks([], "8 images", PRETRAINING) == []


def test_targets_are_compared_where_all_else_is_the_same() -> None:
    atoms = experiment(target="multilabel")
    settings = {"m": experiment(), "l": atoms, "other": experiment("features", target="multilabel")}
    tables = {"m": predictions(), "l": predictions(range(8)), "other": predictions()}
    found = target_gains(settings, tables, CLASSES, SCORING)
    assert [gain.pair for gain in found] == ["m less l"]
    assert found[0].differences["ensemble_test"].accuracy == 1.0
    blocks = gain_blocks(
        target_gains({"l": atoms, "m": experiment()}, tables, CLASSES, SCORING), "x", TARGETS
    )
    assert isinstance(blocks[0], Table)
    assert blocks[0].rows[0][0] == "m less l"
    worse = gain_blocks(
        target_gains(settings, {**tables, "m": tables["l"], "l": tables["m"]}, CLASSES, SCORING), "x", TARGETS
    )
    assert "l is better than m: multilabel is better here." in said(worse)
