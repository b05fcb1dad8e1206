"""What both studies' report tests share: scores to write from, and ways to read a page."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.audit.studies import PARAMS, SCORING, make_table
from tests.report.reading import Written, assert_sound
from tmdscope.audit.record import Audit
from tmdscope.audit.study import audit
from tmdscope.report.page import Page, Table, write_page
from tmdscope.report.sections.provenance import Run
from tmdscope.run_record import ExperimentRun, Origin, SearchRun, StageRuns

POOL = {
    "images": 8,
    "samples": 4,
    "accuracy": 0.8125,
    "macro_f1": 0.8,
    "accuracy_ci95": [0.7, 0.9],
    "macro_f1_ci95": [0.6, 0.9],
}
POOLED = {**POOL, "distinct": {**POOL, "images": 7}}
RELIABILITY = {
    "images": 8,
    "samples": 4,
    "ece_before": 0.123,
    "ece_after": 0.045,
    "nll_before": 0.71,
    "nll_after": 0.69,
    "coverage": 0.875,
    "coverage_ci95": [0.75, 1.0],
    "coverage_by_sample": 0.8,
    "set_size": 1.5,
    "empty_sets": 0.0,
    "flagged": 0.025,
    "flagged_ci95": [0.0, 0.125],
}
MEAN = {"mean": 0.75, "std": 0.05}
_READOUT = {
    "fitted": 0.9,
    "test": {"mean": 0.8, "ci95": [0.7, 0.9], "images": 2, "samples": 2},
    "test_majority": 0.5,
}
_SPACE = {"silhouette": {"all": 0.25, "test": None}, "linear": {"Mo or W": _READOUT, "label": _READOUT}}
RELATIONS = {
    "settings": {"components": 3, "folds": 2, "false_discovery_rate": 0.05},
    "cumulative_explained_variance_3": 0.987,
    "explained_variance": {"PC1": 0.8, "PC2": 0.15, "PC3": 0.037},
    "descriptors": {
        "grain_density": {
            "negative": {"r": -0.25, "component": 3},
            "positive": {"r": 0.48, "component": 2},
            "strongest": {"r": 0.48, "component": 2, "r_ci95": [0.4, 0.55], "q": 0.01, "variance": 0.15},
            "regression_r": 0.61,
            "regression_r_cv": 0.52,
            "shared_variance": 0.04,
            "discoveries": 2,
            "images": 8,
        }
    },
    "regression_cosine": {"grain_density": {}},
    "left_out": {},
    "separation": {space: {"plane": _SPACE, "components": _SPACE} for space in ("trained", "before")},
    "lines": {"trained": {"Mo or W": [1.0, 1.0, 0.0]}, "before": {"Mo or W": [0.0, 1.0, 0.0]}},
}


def component_scores(materials: Sequence[str]) -> pd.DataFrame:
    """Places of images in the plane, before and after."""
    row = np.arange(float(len(materials)))
    places = {"PC1": row, "PC2": row % 3, "PC3": row % 2, "before_PC1": -row, "before_PC2": row}
    part = np.where(row < 2, "test", "train and validation")
    return pd.DataFrame({"label": list(materials), "part": part, **places})


def correlations() -> pd.DataFrame:
    """What `RELATIONS` are the ends of."""
    return pd.DataFrame(
        {
            "descriptor": "grain_density",
            "component": [1, 2, 3],
            "r": [0.1, 0.48, -0.25],
            "low": [0.0, 0.4, -0.4],
            "high": [0.2, 0.55, -0.1],
            "q": [0.4, 0.01, 0.02],
            "cosine": [0.1, 0.7, -0.7],
        }
    )


@cache
def audited(order: bool = True) -> Audit:
    """The audit of a study whose score is campaign."""
    table = make_table(2, samples=36, by_campaign=3.0, order=order)
    runners = {"steady": (lambda number: np.array([number]), 2)}
    return audit(table, {}, PARAMS, SCORING, runners)


def run_record(**changes: Any) -> dict[str, Any]:
    """What a stage's ``run.json`` holds."""
    tags = {
        "git.commit": 40 * "c",
        "git.dirty": "false",
        "data.sha256": 64 * "d",
        "threads": "2",
        "device": "cpu",
        "python": "3.11.9",
        "dvc.exp": "none",
        "version.torch": "2.14.1",
    }
    where = {"tracking_uri": "sqlite:////x/mlflow.db", "experiment_id": "7", "run_id": 32 * "a"}
    made = {"made_at": "2026-01-02T03:04:05+00:00", "provenance": tags | changes.pop("tags", {})}
    return {**where, **made, **changes}


def experiment_run(name: str) -> ExperimentRun:
    """The runs of an experiment."""
    own = {"fold_run_ids": [], "model_uri": "models:/m"}
    return ExperimentRun(**run_record(experiment=name, data_sha256="d", split_sha256="s", **own))


def search_run(name: str) -> SearchRun:
    """The run of a search."""
    return SearchRun(**run_record(study=name, storage="sqlite"))


def stage_runs(**runs: str) -> StageRuns:
    """The runs of a stage by name."""
    record = run_record(runs=runs)
    del record["run_id"]
    return StageRuns(**record)


def made_run(name: str, version: str = "", **changes: Any) -> Run:
    """A run that a report rests on."""
    record = run_record(**changes)
    return Run.of(
        Origin(**{key: record[key] for key in Origin.__dataclass_fields__}), name, record["run_id"], version
    )


def words(page: Page) -> str:
    return json.dumps([page.title, page.lead, [section.__dict__ for section in page.sections]], default=repr)


def tables(page: Page) -> list[Table]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Table)]


def assert_stands_alone(page: Page, path: Path) -> None:
    """The written page fetches nothing, and has words for every picture."""
    write_page(path, page)
    written = Written.read(path)
    assert_sound(written)
    assert written.alts
