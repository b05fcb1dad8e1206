"""Pre-trained less scratch: which experiments are compared, and what is said of the interval."""

from collections.abc import Sequence

import pytest

from tests.report.study import CLASSES, SCORING, experiment, predictions
from tmdscope.params.experiments import ExperimentParams
from tmdscope.report.page import Block, Figure, Paragraph, Table
from tmdscope.report.sections.gains import (
    PRETRAINING,
    QUESTIONS,
    TARGETS,
    TUNING,
    Gain,
    Gains,
    Question,
    find_gains,
)
from tmdscope.report.text import UNDECIDED
from tmdscope.scores.intervals import Estimate
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import Task, quantity


def gains(
    finetune_wrong: Sequence[int], scratch_wrong: Sequence[int], scratch: ExperimentParams | None = None
) -> list[Gain]:
    settings = {"pre": experiment(), "zero": scratch or experiment("scratch")}
    tables = {"pre": predictions(finetune_wrong), "zero": predictions(scratch_wrong)}
    return find_gains(PRETRAINING, settings, tables, CLASSES, SCORING)


def gain(bounds: tuple[float, float], task: Task = TASK) -> Gain:
    names = [metric.name for metric in task.metrics]
    one = Estimate(dict.fromkeys(names, sum(bounds) / 2), dict.fromkeys(names, bounds), 40, 20)
    return Gain("pre", "zero", ("imagenet", "none"), 4, (), {"ensemble_test": one, "out_of_fold": one})


def gain_blocks(found: list[Gain], what: str, question: Question, task: Task = TASK) -> Sequence[Block]:
    section = Gains(question, found, task, what).section()
    return [] if section is None else section.blocks


def said(blocks: Sequence[Block]) -> str:
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
    assert find_gains(PRETRAINING, settings, tables, CLASSES, SCORING) == []


def test_every_pair_is_compared() -> None:
    settings = {"a": experiment(), "b": experiment(weights="imagenet-v1"), "zero": experiment("scratch")}
    tables = {name: predictions() for name in settings}
    found = find_gains(PRETRAINING, settings, tables, CLASSES, SCORING)
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
        gain.pair: set(gain.differences)
        for gain in find_gains(PRETRAINING, settings, tables, CLASSES, SCORING)
    }
    both = {"ensemble_test", "out_of_fold"}
    assert found == {
        "pre less zero": both,
        "pre less zero-tuned": {"ensemble_test"},
        "pre-tuned less zero": {"ensemble_test"},
        "pre-tuned less zero-tuned": both,
    }


def test_a_clear_gain_is_stated_with_its_interval() -> None:
    blocks = gain_blocks([gain((0.2, 0.8))], "40 images", PRETRAINING)
    table = blocks[0]
    assert isinstance(table, Table)
    assert table.rows[0] == [
        "pre less zero",
        "4",
        "held-out test",
        "40 of 20",
        "50.0 [20.0, 80.0]",
        "0.500 [0.200, 0.800]",
        "above zero",
    ]
    assert isinstance(blocks[-1], Figure)


def test_an_interval_with_zero_is_said_plainly() -> None:
    blocks = gain_blocks(gains([2], [3]), "8 images", PRETRAINING)
    assert isinstance(blocks[0], Table)
    assert blocks[0].rows[1][2:4] == ["out-of-fold", "6 of 3"]
    assert blocks[0].rows[1][-1] == UNDECIDED


def test_harm_is_said_plainly() -> None:
    (words,) = Gains(PRETRAINING, [gain((-0.8, -0.2))], TASK, "40 images").sentences()
    assert "on the held-out test -0.500 [-0.800, -0.200]: pre-training did harm here" in words


def test_one_sample_decides_nothing_however_clear_it_looks() -> None:
    blocks = gain_blocks(gains([], range(8)), "8 images", PRETRAINING)
    table = blocks[0]
    assert isinstance(table, Table)
    assert table.rows[0][3:] == [
        "2 of 1",
        "100.0 (no interval: 1 sample)",
        "1.000 (no interval: 1 sample)",
        "not decided, no interval: 1 sample",
    ]


def test_other_settings_that_differ_are_named() -> None:
    scratch = experiment("scratch", learning_rate=1e-3, batch_size=8)
    blocks = gain_blocks(gains([], [1], scratch), "8 images", PRETRAINING)
    assert "pre and zero also differ in batch size, learning rate." in said(blocks)


def test_what_intervals_say_together_is_the_answer() -> None:
    better, worse, open_ = gain((0.2, 0.8)), gain((-0.8, -0.2)), gain((-0.2, 0.8))
    for found, answer in (
        ([better, better], "Yes."),
        ([better, open_], "Yes, but not every interval leaves out zero."),
        ([worse, worse], "No."),
        ([worse, open_], "No, but not every interval leaves out zero."),
        ([open_], "These images do not decide it."),
        ([better, worse], "It depends on the experiment and the images."),
    ):
        assert Gains(TUNING, found, TASK, "40 images").answer() == answer
    assert Gains(TUNING, [], TASK, "40 images").sentences() == []


def test_frozen_tuned_and_scratch_are_compared_with_each_other() -> None:
    settings = {
        "tuned": experiment(weights="imagenet-v1"),
        "frozen": experiment("features", weights="imagenet-v1", epochs=60),
        "simulated": experiment("features", weights="simulated", epochs=60),
        "random": experiment("features", weights="none", epochs=60),
        "zero": experiment("scratch"),
    }
    tables = {name: predictions() for name in settings}
    found = {
        asked.key: [gain.pair for gain in find_gains(asked, settings, tables, CLASSES, SCORING)]
        for asked in QUESTIONS
    }
    assert found == {
        "pretraining": ["tuned less zero"],
        "frozen_pretraining": ["frozen less random", "simulated less random"],
        "sources": ["frozen less simulated"],
        "fine_tuning": ["tuned less frozen"],
        "frozen_against_scratch": ["frozen less zero", "simulated less zero", "random less zero"],
        "targets": [],
    }
    (tuned,) = find_gains(TUNING, settings, tables, CLASSES, SCORING)
    assert "epochs" in tuned.unequal


def test_without_a_pair_nothing_is_written() -> None:
    assert gain_blocks([], "8 images", PRETRAINING) == []


def test_targets_are_compared_where_all_else_is_the_same() -> None:
    atoms = experiment(target="multilabel")
    settings = {"m": experiment(), "l": atoms, "other": experiment("features", target="multilabel")}
    tables = {"m": predictions(), "l": predictions(range(8)), "other": predictions()}
    found = find_gains(TARGETS, settings, tables, CLASSES, SCORING)
    assert [gain.pair for gain in found] == ["m less l"]
    assert found[0].differences["ensemble_test"].values["accuracy"] == 1.0
    blocks = gain_blocks(
        find_gains(TARGETS, {"l": atoms, "m": experiment()}, tables, CLASSES, SCORING), "x", TARGETS
    )
    assert isinstance(blocks[0], Table)
    assert blocks[0].rows[0][0] == "m less l"
    (words,) = Gains(TARGETS, [gain((-0.8, -0.2))], TASK, "40 images").sentences()
    assert words.count(": multilabel is better here") == 2


def test_of_an_error_less_is_better() -> None:
    task = quantity("eV")
    (worse,) = Gains(PRETRAINING, [gain((0.2, 0.8), task)], task, "40 scans").sentences()
    assert worse.count("0.5 [0.2, 0.8]: pre-training did harm here") == 2
    assert worse.startswith("Did pre-training help? No. pre less zero, MAE: ")
    blocks = gain_blocks([gain((-0.8, -0.2), task)], "40 scans", PRETRAINING, task)
    assert isinstance(blocks[0], Table)
    assert blocks[0].header[4:] == ["R2", "RMSE (eV)", "MAE (eV)", "MAE interval"]
    assert blocks[0].rows[0][4:] == ["-0.500 [-0.800, -0.200]", *["-0.5 [-0.8, -0.2]"] * 2, "below zero"]
    assert isinstance(blocks[-1], Figure)
    assert "Left of zero, pre-training helps." in blocks[-1].caption
