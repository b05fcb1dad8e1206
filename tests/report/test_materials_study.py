"""The report of the main study says what its numbers say."""

from dataclasses import replace
from pathlib import Path

from tests.report.numbers import MEAN, assert_stands_alone, tables, words
from tests.report.study import Left, data_params, experiment, predictions, study
from tmdscope.report.page import Note


def own_images() -> Left:
    return study(data=data_params("folder"))


def test_simulated_results_are_labelled_so() -> None:
    page = study().report().page()
    first = page.sections[0].blocks[0]
    assert isinstance(first, Note)
    assert first.text == (
        "The scans are simulated. Scores say how the method behaves, nothing about real materials."
    )
    own = own_images().report().page()
    assert not [block for block in own.sections[0].blocks if isinstance(block, Note)]


def test_the_materials_report_carries_intervals_baseline_and_counts() -> None:
    results = study()
    page = results.report().page()
    assert "8 simulated images of 4 samples" in page.lead
    assert "held-out test: accuracy 81.2 [70.0, 90.0] %, macro F1 0.800 [0.600, 0.900] (" in words(page)
    experiments = next(table for table in tables(page) if table.header[0] == "Experiment")
    assert [row[0] for row in experiments.rows] == ["finetune", "sample id only (sees no image)"]
    assert "8 simulated images of 4 samples" in experiments.caption
    assert "true gap (known for 2 images of 2 samples only)" in words(page)
    numbers = results.report().metrics()
    assert numbers["data"]["distinct_images"] == 7
    assert numbers["experiments"]["finetune"]["val"]["accuracy"] == MEAN
    assert numbers["pretraining"] == {}


def test_metrics_hold_what_pretraining_is_worth() -> None:
    settings = {"finetune": experiment(), "scratch": experiment("scratch")}
    predicted = {"finetune": predictions(), "scratch": predictions(wrong=[1, 3])}
    numbers = study(settings, predicted).report().metrics()["pretraining"]
    gain = numbers["finetune less scratch"]
    assert gain["epochs"] == 4
    assert gain["ensemble_test"]["accuracy"] == 0.5
    assert gain["out_of_fold"]["images"] == 6


def test_without_numbered_samples_there_is_no_baseline_row() -> None:
    page = replace(own_images(), baseline=None).report().page()
    experiments = next(table for table in tables(page) if table.header[0] == "Experiment")
    assert [row[0] for row in experiments.rows] == ["finetune"]
    assert "8 images of 4 samples" in experiments.caption


def test_nothing_left_out_is_not_spoken_of() -> None:
    results = study()
    page = replace(results, latent=replace(results.latent, left_out={})).report().page()
    assert "Left out" not in words(page)


def test_the_materials_report_stands_alone(tmp_path: Path) -> None:
    assert_stands_alone(study().report().page(), tmp_path / "index.html")
