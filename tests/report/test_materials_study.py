"""The report of the main study says what its numbers say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tests.report.numbers import MEAN, POOLED, RELATIONS, assert_stands_alone, tables, words
from tmdscope.dataset.store import Dataset
from tmdscope.report import materials_study
from tmdscope.report.page import Note

CLASSES = ["MoS2", "WS2"]


def materials(simulated: bool) -> materials_study.StudyResults:
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(8)],
            "sample_id": [f"s{k // 2}" for k in range(8)],
            "material": ["MoS2"] * 4 + ["WS2"] * 4,
            "image_sha256": [f"{k:064x}" for k in range(8)],
            "duplicate_of": [None] * 7 + ["i6"],
        }
    )
    parts = {part: dict.fromkeys(("accuracy", "macro_f1", "invalid"), MEAN) for part in ("val", "test")}
    score = {
        **parts,
        "best_fold": 1,
        "out_of_fold": POOLED,
        "ensemble_test": POOLED,
        "test_confusion": [[3, 1], [0, 4]],
    }
    columns = ["epoch", "train_loss", "train_macro_f1", "val_loss", "val_macro_f1"]
    return materials_study.StudyResults(
        study="study",
        simulated=simulated,
        classes=CLASSES,
        dataset=Dataset(np.zeros((8, 16, 16), np.uint8), manifest),
        counts=pd.DataFrame({"test": [2, 2]}, index=CLASSES),
        scores={"finetune": score},
        histories={"finetune": pd.DataFrame([[1, 1.0, 0.5, 1.0, 0.5]], columns=columns)},
        baseline={f"{part}_{m}": MEAN for part in ("val", "test") for m in ("accuracy", "macro_f1")},
        pretraining={"images": 48, "r_squared": {"true_coverage": 0.5}},
        registered={"model": "m", "best": "finetune", "versions": {"finetune": {"version": 3}}},
        latent={
            "model": {"name": "m", "version": 3, "alias": "best", "fold": 1, "experiment": "finetune"},
            "left_out": {"true_gap": "not finite for 2 images"},
            **RELATIONS,
        },
        scatter=pd.DataFrame({"PC1": [0.0], "PC2": [1.0], "material": ["MoS2"], "part": ["test"]}),
        runs={"finetune": {"run_id": "abc"}},
    )


def test_simulated_results_are_labelled_so() -> None:
    page = materials_study.compose(materials(simulated=True), 2)
    notes = [block.text for block in page.sections[0].blocks if isinstance(block, Note)]
    assert notes == [
        "The scans are simulated. Scores say how the method behaves, nothing about real materials."
    ]
    own = materials_study.compose(materials(simulated=False), 2)
    assert not [block for block in own.sections[0].blocks if isinstance(block, Note)]


def test_the_materials_report_carries_intervals_baseline_and_counts() -> None:
    results = materials(simulated=True)
    page = materials_study.compose(results, 2)
    assert "81.2 [70.0, 90.0] %" in page.lead
    experiments = next(table for table in tables(page) if table.header[0] == "Experiment")
    assert [row[0] for row in experiments.rows] == ["finetune", "sample id only (sees no image)"]
    assert "8 simulated images of 4 samples" in experiments.caption
    assert "not finite for 2 images" in words(page)
    numbers = materials_study.metrics(results)
    assert numbers["data"]["distinct_images"] == 7
    assert numbers["experiments"]["finetune"]["val"]["accuracy"] == MEAN


def test_without_numbered_samples_there_is_no_baseline_row() -> None:
    page = materials_study.compose(replace(materials(simulated=False), baseline=None), 2)
    experiments = next(table for table in tables(page) if table.header[0] == "Experiment")
    assert [row[0] for row in experiments.rows] == ["finetune"]
    assert "8 images of 4 samples" in experiments.caption


def test_nothing_left_out_is_not_spoken_of() -> None:
    results = materials(simulated=True)
    page = materials_study.compose(replace(results, latent={**results.latent, "left_out": {}}), 2)
    assert "Left out" not in words(page)


def test_the_materials_report_stands_alone(tmp_path: Path) -> None:
    assert_stands_alone(materials_study.compose(materials(simulated=True), 2), tmp_path / "index.html")
