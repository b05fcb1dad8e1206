"""The section on searches says what was found, from how much work, and against what."""

import pandas as pd

from tests.report.study import Left, experiment, study
from tmdscope.params.search import Searched
from tmdscope.report.page import Section, Table
from tmdscope.report.sections.training import Searches, SearchResult

SUMMARY = {
    "study": "finetune-1a2b3c4d",
    "sampler": "tpe",
    "seed": 1,
    "images": 6,
    "folds": [0.7, 0.72],
    "selection": 0.65,
    "value": 0.71,
    "trial": 3,
    "epochs": 17,
    "progress": {"complete": 2, "pruned": 1, "failed": 1},
    "settings": {"learning_rate": 0.0042},
    "importance": {"learning_rate": 0.93},
    "space": {
        "learning_rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2, "when": {}},
        "weight_decay": {"kind": "uniform", "low": 0.0, "high": 0.1, "when": {"optimiser": ["adamw"]}},
        "batch_size": {"kind": "categorical", "choices": [16, 32], "when": {}},
    },
}
TRIALS = pd.DataFrame(
    {
        "place": [0, 1, 2, 3],
        "state": ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"],
        "value": [0.6, None, None, 0.71],
    }
)


def searched() -> Left:
    settings = {"finetune": experiment(), "finetune-tuned": experiment()}
    return study(settings, searches={"finetune": SearchResult(Searched.parse(SUMMARY), TRIALS)})


def searches_section(results: Left) -> Section:
    section = results.part(Searches).section()
    assert section is not None
    return section


def test_work_and_scores_before_and_after_stand_side_by_side() -> None:
    overview = next(block for block in searches_section(searched()).blocks if isinstance(block, Table))
    (row,) = overview.rows
    assert row[:4] == ["finetune-1a2b3c4d", "2 / 1 / 1", "17", "0.710"]
    assert row[4:6] == ["0.600", "0.600"]  # both by the selection score, not by what chose them
    assert len(row) == len(overview.header)


def test_settings_found_stand_beside_those_before() -> None:
    results = searched()
    *_, settings = (block for block in searches_section(results).blocks if isinstance(block, Table))
    before = results.experiments["finetune"]
    assert settings.rows == [
        ["learning rate", "0.0001 to 0.01, log-uniform", f"{before.learning_rate:.3g}", "0.0042", "93 %"],
        ["weight decay", "0 to 0.1, uniform", f"{before.weight_decay:.3g}", "not drawn", ""],
        ["batch size", "16, 32", str(before.batch_size), "not drawn", ""],
    ]


def test_a_study_without_a_search_has_no_such_section() -> None:
    assert "Searches" in [section.title for section in searched().report().page().sections]
    assert "Searches" not in [section.title for section in study().report().page().sections]
    assert searched().report().metrics()["searches"]["finetune"]["value"] == 0.71
