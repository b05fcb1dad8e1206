"""What is said of two models, on a page and in a terminal."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.lifecycle.gates import differing
from tests.lifecycle.tables import CLASSES, IMAGES, dataset, table, truth, wrong_on
from tmdscope.files import read_json
from tmdscope.lifecycle.compare import metrics, write_comparison
from tmdscope.lifecycle.comparison import compare_predictions
from tmdscope.lifecycle.comparison_report import ComparisonReport, compose, describe, number, verdict
from tmdscope.lifecycle.contact_sheet import make_sheet
from tmdscope.lifecycle.cost import Cost, Costs
from tmdscope.report.page import Note, Page, Paragraph, Table
from tmdscope.scores.task import CLASSES as TASK
from tmdscope.scores.task import ORDERED_CLASSES, Task
from tmdscope.tracking.predictions import ScoredModel

PRIMARY = TASK.primary
COSTS = Costs(Cost(45_300_000, 96, 5, 120.0), Cost(9_000_000, 96, 1, 500.0), threads=2, missing="")


def report(
    first: Sequence[int],
    second: Sequence[int],
    costs: Costs = COSTS,
    simulated: bool = True,
    task: Task = TASK,
) -> ComparisonReport:
    models = [
        ScoredModel(
            f"classifier version {k}", f"{k}" * 32, f"models:/classifier/{k}", {"experiment": f"e{k}"}
        )
        for k in (1, 2)
    ]
    comparison = compare_predictions(table(first), table(second), task, 200, 1)
    sheet = make_sheet(comparison.disagreements, dataset(), "")
    what = "simulated images" if simulated else "images"
    return ComparisonReport(models[0], models[1], comparison, costs, sheet, what, 200, 1)


def text(page: Page) -> str:
    blocks = [block for section in page.sections for block in section.blocks]
    return " ".join(block.text for block in blocks if isinstance(block, Note | Paragraph))


def tables(page: Page, title: str) -> list[Table]:
    section = next(section for section in page.sections if section.title == title)
    return [block for block in section.blocks if isinstance(block, Table)]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (truth(), wrong_on(*range(IMAGES)), "the interval holds zero: the two cannot be told apart"),
        (wrong_on(4), wrong_on(9), "the interval holds zero: the two cannot be told apart"),
    ],
    ids=["four samples are too few", "neither"],
)
def test_the_verdict_follows_the_interval(first: list[int], second: list[int], said: str) -> None:
    found = report(first, second)
    scores = found.comparison.held_out[0]
    assert verdict(scores, PRIMARY).endswith(f"; {said}.")
    for bounds, better in (
        ((0.1, 0.9), "A is better: the interval lies above"),
        ((-0.9, -0.1), "B is better"),
    ):
        told = replace(scores, difference=differing(scores.difference, 0.5, bounds))
        assert better in verdict(told, PRIMARY)
    assert "On the 8 out-of-fold images of 4 samples macro F1 is" in verdict(scores, PRIMARY)
    assert verdict(scores, PRIMARY) in compose(found).lead
    assert verdict(scores, PRIMARY) in describe(found)


def test_one_sample_says_nothing_of_others() -> None:
    first, second = (
        predictions[predictions["image_id"].isin(["i00", "i01"])]
        for predictions in (table(truth()), table(wrong_on(0, 1)))
    )
    scores = compare_predictions(first, second, TASK, 20, 1).held_out[0]
    assert "all are of one sample, so that nothing follows for others" in verdict(scores, PRIMARY)


def test_simulated_images_are_called_so() -> None:
    note = "The scans are simulated."
    assert note in text(compose(report(truth(), wrong_on(1))))
    assert "simulated images" in compose(report(truth(), wrong_on(1))).lead
    assert note not in text(compose(report(truth(), wrong_on(1), simulated=False)))


def test_the_numbers_are_on_the_page() -> None:
    page = compose(report(truth(), wrong_on(0, 1)))
    difference, tested = tables(page, "Difference")
    assert difference.rows[2][:3] == ["held-out test", "4 of 2", "accuracy"]
    assert difference.rows[2][5].startswith("+0.500 [")
    assert tested.rows[1][:4] == ["held-out test", "2", "0", "0.5"]
    assert tables(page, "Classes")[1].rows[0] == [
        *("MoS2", "2", "1.000", "0.000", "+1.000", "1.000", "0.000", "+1.000")
    ]
    said = tables(page, "Disagreements")[0].rows
    assert said[0] == ["1", "i00", "s0", "held-out test", "MoS2", "MoS2 80 %", "WS2 80 %"]
    assert tables(page, "Models")[0].header == ["", "Model", "MLflow run", "experiment"]


def test_models_of_unequal_classes_are_said_to_have_unequal_tasks() -> None:
    comparison = compare_predictions(table(truth(), [*CLASSES, "WSe2"]), table(truth()), TASK, 20, 1)
    found = report(truth(), truth())
    page = compose(ComparisonReport(**{**vars(found), "comparison": comparison}))
    assert "A also knows WSe2" in text(page)


def test_speed_that_was_not_measured_says_why() -> None:
    costs = Costs(Cost(1_000_000), Cost(None), threads=2, missing="a run logged no model")
    found = report(truth(), truth(), costs)
    assert "Speed was not measured: a run logged no model." in text(compose(found))
    assert "speed was not measured: a run logged no model" in describe(found)
    assert "second.bytes" not in metrics(found)


def test_the_terminal_shows_both_scores_and_costs() -> None:
    lines = describe(report(truth(), wrong_on(0, 1))).splitlines()
    assert lines[:2] == ["A  classifier version 1", "B  classifier version 2"]
    assert any(line.split()[:4] == ["accuracy", "1.000", "0.500", "+0.500"] for line in lines)
    assert "images per second          120.0   500.0" in lines
    assert lines[-1] == "They disagree on 2 of 12 images."
    assert max(len(line) for line in lines[: lines.index("", 3)]) <= 90


def test_all_files_are_written_and_an_old_sheet_goes(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("kept")
    write_comparison(tmp_path, report(truth(), wrong_on(3)))
    names = {"comparison.json", "index.html", "disagreements.csv", "contact_sheet.png"}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "own.txt"}
    numbers = read_json(tmp_path / "comparison.json")
    assert numbers["held_out"]["held-out test"]["difference"]["accuracy"] == 0.25
    assert (numbers["images"], numbers["simulated"], numbers["disagreements"]) == (
        "simulated images",
        True,
        1,
    )
    write_comparison(tmp_path, report(truth(), truth()))
    assert not (tmp_path / "contact_sheet.png").exists()
    assert "agree on every image" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_numbers_for_the_tracker() -> None:
    found = metrics(report(truth(), wrong_on(0, 1)))
    assert found["held_out_test.accuracy_difference"] == 0.5
    assert found["held_out_test.mcnemar_p"] == 0.5
    assert (found["images"], found["disagreements"], found["first.images_per_second"]) == (12, 2, 120.0)
    low, high = (found[f"out_of_fold.macro_f1_difference_{bound}"] for bound in ("low", "high"))
    assert low < 0 < high


def test_numbers_are_written_in_a_unit() -> None:
    assert (number(None, 1.0), number(45_300_000, 1e-6)) == ("-", "45.3")


def test_a_metric_of_which_less_is_better_is_told_and_drawn_so() -> None:
    found = report(truth(), wrong_on(0, 1), task=ORDERED_CLASSES)
    metric = ORDERED_CLASSES.metric("level_error")
    scores = found.comparison.held_out[1]
    told = replace(scores, difference=differing(scores.difference, -0.5, (-0.9, -0.1), metric.name))
    assert "A is better: the interval lies below zero" in verdict(told, metric)
    assert tables(compose(found), "Difference")[0].rows[6][2] == "mean error in levels"
    assert any(line.split()[:4] == ["mean", "error", "in", "levels"] for line in describe(found).splitlines())
    assert metrics(found)["held_out_test.level_error_difference"] == -0.5


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_its_window(browser: Browser, tmp_path: Path, width: int) -> None:
    write_comparison(tmp_path, report(truth(), wrong_on(*range(8))))
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    images = page.locator("img").evaluate_all("all => all.map(i => [i.alt.length > 0, i.naturalWidth > 0])")
    assert images == [[True, True]] * 2
    page.close()
