"""The reports say what the numbers say."""

import json

import numpy as np
import pandas as pd
import pytest

from tmdscope.dataset.published import NO_DESCRIPTORS, PublishedTables
from tmdscope.dataset.splits import Fold, Split
from tmdscope.dataset.store import Dataset
from tmdscope.report import materials_study, published_study
from tmdscope.report.page import Note, Page, Table

CLASSES = ["MoS2", "WS2"]
POOL = {
    "images": 8,
    "samples": 4,
    "accuracy": 0.8125,
    "macro_f1": 0.8,
    "accuracy_ci95": [0.7, 0.9],
    "macro_f1_ci95": [0.6, 0.9],
}
POOLED = {**POOL, "distinct": {**POOL, "images": 7}}
MEAN = {"mean": 0.75, "std": 0.05}
RELATIONS = {
    "cumulative_explained_variance_3": 0.987,
    "descriptors": {
        "grain_density": {
            "negative": {"r": -0.25, "component": 3},
            "positive": {"r": 0.48, "component": 2},
            "regression_r": 0.61,
        }
    },
    "regression_cosine": {"grain_density": {}},
}


def words(page: Page) -> str:
    return json.dumps([page.title, page.lead, [section.__dict__ for section in page.sections]], default=repr)


def tables(page: Page) -> list[Table]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]


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


def published(descriptors: bool) -> published_study.PublishedResults:
    tables_ = PublishedTables(
        np.arange(16, dtype=np.float32).reshape(4, 4),
        np.zeros((4, 3), np.float32),
        None,
        ["1", "2", "3", "4"],
        ["MoS2", "WS2", "MoS2", "WS2"],
    )
    scores = {f"{part}_{m}": MEAN for part in ("train", "val", "test") for m in ("accuracy", "macro_f1")}
    missing = dict.fromkeys(["descriptors", "regression_cosine"], NO_DESCRIPTORS)
    return published_study.PublishedResults(
        tables=tables_,
        split=Split(("0000", "0001"), (Fold(("0002",), ("0003",)),)),
        scores={name: {**scores, "pooled": POOLED} for name in ("svc", "sample_id_only")},
        latent=RELATIONS if descriptors else {**RELATIONS, **missing},
        scatter=pd.DataFrame({"PC1": [0.0], "PC2": [1.0], "material": ["MoS2"]}),
        runs={"svc": "abc"},
    )


@pytest.mark.parametrize("descriptors", [True, False])
def test_the_published_report_sets_the_papers_values_beside(descriptors: bool) -> None:
    page = published_study.compose(published(descriptors))
    assert "paper's ImageNet* (Table 2)" in words(page)
    assert ("-0.25 (PC5)" in words(page)) is descriptors
    assert (NO_DESCRIPTORS in words(page)) is not descriptors


def test_published_metrics_have_the_agreed_keys() -> None:
    numbers = published_study.metrics(published(descriptors=True))
    assert set(numbers) == {"dataset", "split", "classifiers", "pooled", "latent"}
    assert numbers["dataset"] == {"images": 4, "distinct_images": 4, "samples": 4}
    assert numbers["split"]["test"] == {"MoS2": 1, "WS2": 1, "WSe2": 0, "MoSe2": 0, "Mo-WSe2": 0}
    assert set(numbers["classifiers"]["svc"]) == {
        "val_accuracy",
        "val_macro_f1",
        "test_accuracy",
        "test_macro_f1",
    }
    assert set(numbers["pooled"]["svc"]) == {"accuracy", "macro_f1", "accuracy_ci95"}
