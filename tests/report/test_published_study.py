"""The report of the published study sets its numbers beside the paper's."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from tests.report.numbers import (
    MEAN,
    POOLED,
    RELATIONS,
    assert_stands_alone,
    audited,
    component_scores,
    correlations,
    run_record,
    stage_runs,
    tables,
    words,
)
from tmdscope.analysis.record import Latent
from tmdscope.dataset.splits import Fold, Split
from tmdscope.jobs import table_report
from tmdscope.jobs.study import Study
from tmdscope.report.part import Report
from tmdscope.run_record import NO_RUNS
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.records import ClassifierScores, FamilySearch, StudyScores
from tmdscope.sequential.record import SequenceRecord
from tmdscope.studies.published_features import report as features
from tmdscope.studies.published_features.layers import Carryover
from tmdscope.studies.published_features.study import STUDY
from tmdscope.studies.published_features.tables import NO_DESCRIPTORS, PublishedTables

SERIES = {
    series: {
        "val_accuracy": {"folds": [val], "mean": val, "std": 0.0},
        "test_accuracy": {"folds": [0.8], "mean": 0.8, "std": 0.0},
    }
    for series, val in (("fresh", 0.75), ("carried", 0.833))
}
CARRYOVER = {
    "enabled": True,
    "trials": [{"seed": 1, **SERIES}],
    "gain": {
        "val_accuracy": {"mean": 0.083, "std": 0.0},
        "test_accuracy": {"mean": -0.004, "std": 0.0},
    },
}
OFF = {"enabled": False}
CHOICE = {
    "family": "kernel_ridge",
    "settings": {"power": 0.3333, "l2": True, "standardise": False, "alpha": 0.01234, "balanced": True},
    "inner_macro_f1": 0.812,
    "inner_folds": [0.8, 0.824],
    "images": 5,
    "accuracy": 0.8,
    "macro_f1": 0.79,
    "trial": 7,
    "trials": {"complete": 4, "pruned": 3, "failed": 1, "running": 0, "waiting": 0},
}
KNN = {
    **CHOICE,
    "family": "knn",
    "settings": {"power": 1.0, "l2": False, "standardise": False, "neighbours": 3, "votes": "distance"},
}
SEARCH = {"method": "Nested, in words.", "folds": [CHOICE, KNN], "pooled": POOLED}


@dataclass(frozen=True)
class Left:
    """What the stages of the study left, as they read it; `report` is made of it."""

    tables: PublishedTables
    scores: Mapping[str, ClassifierScores]
    latent: Latent
    carryover: Carryover
    sequential: SequenceRecord | None = None

    def report(self) -> Report:
        """The report, without files: every reader gives what is held here."""
        layout = STUDY.layout
        plots = {
            layout.latent_plot: component_scores(["MoS2", "WS2", "MoS2", "WS2"]),
            layout.latent_table: correlations(),
        }
        split = Split(("0000", "0001"), (Fold(("0002",), ("0003",)),))
        given = {
            "read_tables": lambda _: self.tables,
            "read_table": lambda path: plots[path],
            "StageRuns": SimpleNamespace(
                read=lambda path, _: stage_runs(svc=32 * "a") if path == layout.run else NO_RUNS
            ),
            "StudyScores": SimpleNamespace(read=lambda *_: StudyScores(dict(self.scores))),
            "FamilySearch": SimpleNamespace(read=lambda *_: FamilySearch.parse(SEARCH)),
            "Latent": SimpleNamespace(read=lambda *_: self.latent),
            "Carryover": SimpleNamespace(read=lambda *_: self.carryover),
            "Audit": SimpleNamespace(read=lambda *_: replace(audited(), **run_record())),
            "SequenceRecord": SimpleNamespace(read=lambda *_: self.sequential),
        }
        with ExitStack() as stack:
            stack.enter_context(patch.object(Study, "of", lambda _, digest: {"data": digest}))
            stack.enter_context(patch.object(Cohort, "read_split", lambda *_: split))
            for module in (features, table_report):
                for name in given.keys() & vars(module).keys():
                    stack.enter_context(patch.object(module, name, given[name]))
            return features.report_of(STUDY)


def published(descriptors: bool, carryover: Mapping[str, Any] = CARRYOVER) -> Left:
    scores = {f"{part}_{m}": MEAN for part in ("train", "val", "test") for m in ("accuracy", "macro_f1")}
    missing = dict.fromkeys(["descriptors", "regression_cosine"], NO_DESCRIPTORS)
    classifiers = {
        name: {**scores, "pooled": POOLED, "confusion": np.eye(5, dtype=int).tolist()}
        for name in ("svc", "sample_id_only")
    }
    return Left(
        tables=PublishedTables(
            np.arange(16, dtype=np.float32).reshape(4, 4),
            np.zeros((4, 3), np.float32),
            pd.DataFrame({"grain_density": [0.1, 0.5, 0.7, 1.0]}) if descriptors else None,
            ["1", "2", "3", "4"],
            ["MoS2", "WS2", "MoS2", "WS2"],
        ),
        scores=StudyScores.parse(classifiers).classifiers,
        latent=Latent.parse(RELATIONS if descriptors else {**RELATIONS, **missing}),
        carryover=Carryover.parse(carryover),
    )


@pytest.mark.parametrize("descriptors", [True, False])
def test_the_published_report_sets_the_papers_values_beside(descriptors: bool) -> None:
    page = published(descriptors).report().page()
    assert "paper's ImageNet* (Table 2)" in words(page)
    assert ("-0.25 (PC5)" in words(page)) is descriptors
    assert (NO_DESCRIPTORS in words(page)) is not descriptors


def test_published_metrics_have_the_agreed_keys() -> None:
    numbers = published(descriptors=True).report().metrics()
    sections = {"dataset", "split", "classifiers", "pooled", "confusion", "search", "audit", "sequential"}
    assert set(numbers) == sections | {"latent", "carryover"}
    digest = published(descriptors=True).tables.cohort.digest
    assert numbers["dataset"] == {"images": 4, "distinct_images": 4, "samples": 4, "sha256": digest}
    assert numbers["split"]["test"] == {"MoS2": 1, "WS2": 1, "WSe2": 0, "MoSe2": 0, "Mo-WSe2": 0}
    assert set(numbers["classifiers"]["svc"]) == {
        "train_accuracy",
        "val_accuracy",
        "val_macro_f1",
        "test_accuracy",
        "test_macro_f1",
    }
    assert numbers["pooled"]["svc"] == POOLED


def test_the_search_says_what_every_outer_fold_chose() -> None:
    page = published(descriptors=True).report().page()
    assert SEARCH["method"] in words(page)
    choices = next(table for table in tables(page) if table.header[0] == "Outer fold")
    assert "trials of all searches: 8 complete, 6 pruned, 2 failed" in choices.caption
    assert choices.rows == [
        [
            "0",
            "kernel_ridge",
            "power 0.33, unit length",
            "alpha 0.0123, balanced yes",
            "0.812",
            "5",
            "80.0",
            "0.790",
        ],
        ["1", "knn", "power 1.00", "neighbours 3, votes distance", "0.812", "5", "80.0", "0.790"],
    ]


def test_the_search_stands_beside_the_fixed_classifiers() -> None:
    page = published(descriptors=True).report().page()
    compared = next(table for table in tables(page) if table.rows[0][0].startswith("searched"))
    assert [row[0] for row in compared.rows] == ["searched, nested", "svc: L2, standardise, RBF"]
    assert compared.rows[0][1:3] == ["81.2 [70.0, 90.0]", "0.800 [0.600, 0.900]"]


def test_metrics_of_the_search_are_pooled_scores_and_counts() -> None:
    found = published(descriptors=True).report().metrics()["search"]
    scores = {key: POOLED[key] for key in ("accuracy", "macro_f1", "accuracy_ci95", "macro_f1_ci95")}
    assert found == {
        **scores,
        "distinct": scores,
        "families": {"kernel_ridge": 1, "knn": 1},
        "trials": {"complete": 8, "pruned": 6, "failed": 2},
    }


def test_table_5_stands_beside_the_measured_descriptors() -> None:
    page = published(descriptors=True).report().page()
    table = next(table for table in tables(page) if table.header[0] == "Descriptor")
    assert [row[:7] for row in table.rows] == [
        ["grain density", "-0.250 (PC3)", "-0.25 (PC5)", "0.480 (PC2)", "0.48 (PC7)", "0.610", "0.61"]
    ]
    assert table.header[:7] == [
        "Descriptor",
        *("lowest r", "paper", "highest r", "paper", "regression R", "paper"),
    ]


def test_the_carried_series_stands_below_the_fresh_one_as_a_warning() -> None:
    page = published(descriptors=True).report().page()
    table = next(table for table in tables(page) if table.header[0] == "Seed")
    assert table.rows == [
        ["1", "fresh", "75.0", "75.0 ± 0.0", "80.0 ± 0.0"],
        ["1", "carried", "83.3", "83.3 ± 0.0", "80.0 ± 0.0"],
    ]
    assert "validation accuracy by +8.3 points and test accuracy by -0.4" in words(page)
    assert published(descriptors=True).report().metrics()["carryover"] == {
        "enabled": True,
        "gain": CARRYOVER["gain"],
        "trials": {"1": SERIES},
    }


def test_without_the_demonstration_the_report_has_no_word_of_it() -> None:
    results = published(descriptors=True, carryover=OFF)
    assert "carried" not in words(results.report().page())
    assert results.report().metrics()["carryover"] == OFF


def test_the_published_report_stands_alone(tmp_path: Path) -> None:
    assert_stands_alone(published(descriptors=True).report().page(), tmp_path / "index.html")
