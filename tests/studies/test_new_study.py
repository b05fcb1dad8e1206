"""A study in a folder of its own, in three short files: of classes, as the docs have it, and of numbers."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.pipelines.conftest import BIN, ROOT
from tmdscope.audit.record import Audit
from tmdscope.dataset.splits import Split
from tmdscope.scores.records import FamilySearch, StudyScores
from tmdscope.scores.task import CLASSES, quantity
from tmdscope.studies import find_study

FILES = ("study.py", "params.yaml", "dvc.yaml")
PAGE = ROOT / "docs" / "adding-a-study.md"
LINES = 120

DIABETES = '''
"""How far a diabetes has gone after a year, told from ten measured values."""

import numpy as np
from sklearn.datasets import load_diabetes

from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.params.settings import TABLE_SECTIONS
from tmdscope.scores.cohort import Cohort
from tmdscope.scores.task import quantity

TASK = quantity("points")


def read_cohort(study: Study) -> Cohort:
    """Read the table; people of the same age and sex stay together."""
    table = load_diabetes()
    kinds = np.unique(table.data[:, :2], axis=0, return_inverse=True)[1]
    people = [f"kind-{kind}" for kind in kinds]
    return Cohort.of_features(TASK, table.data, table.target, people, row="patient")


LAYOUT = Layout("diabetes")
STUDY = Study(
    name="diabetes",
    params=TABLE_SECTIONS,
    layout=LAYOUT,
    source=LAYOUT.settings,
    cohort=read_cohort,
    task=TASK.record(),
)
'''
OF_NUMBERS = {
    r"svc: {family: svc,": "ridge: {family: ridge,",
    r"svc_c: 10.0, gamma: 1.0, balanced: true": "ridge_alpha: 1.0",
    r"neighbours: 5,": "neighbours: 15,",
    r"\[svc, knn\]": "[ridge, knn]",
    r"    power: .*\n": "    power: {kind: categorical, choices: [1.0]}\n",
    r"svc_c: (.*)\[svc\]": r"ridge_alpha: \1[ridge]",
    r"    (gamma|balanced): .*\n": "",
    r"wine": "diabetes",
}
"""What the wines' settings are of numbers."""


def written(folder: Path, name: str, files: dict[str, str]) -> Path:
    place = folder / "pipelines" / name
    place.mkdir(parents=True)
    for file, text in files.items():
        (place / file).write_text(text)
    assert sum(len(text.strip().splitlines()) for text in files.values()) < LINES
    (folder / "src").symlink_to(ROOT / "src")  # as in a clone, whose rooms the stages depend on
    return folder


def of_the_docs() -> dict[str, str]:
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(zip(FILES, blocks, strict=True))


def of_numbers() -> dict[str, str]:
    files = {**of_the_docs(), "study.py": DIABETES}
    for pattern, instead in OF_NUMBERS.items():
        files["params.yaml"] = re.sub(pattern, instead, files["params.yaml"])
    files["dvc.yaml"] = files["dvc.yaml"].replace("wine", "diabetes")
    return files


def repro(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run all stages as a user would; gives ``metrics.json``."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(BIN), prepend=":")
    for variable in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    for command in (["init", "--no-scm", "-q"], ["repro", f"pipelines/{name}/dvc.yaml"]):
        done = subprocess.run([sys.executable, "-m", "dvc", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    content: dict[str, Any] = json.loads((folder / "reports" / name / "metrics.json").read_text())
    return content


def check_what_comes_for_free(name: str, task: Any, folds: int, trials: int) -> None:
    """Folds by group, tracked runs, a search, an audit, intervals and a report."""
    study = find_study(f"pipelines/{name}/study.py")
    cohort, layout = study.cohort(study), study.layout
    of = study.of(cohort.digest)
    split = Split.read(layout.split, cohort.digest)
    parts = cohort.rows(split)
    assert len(parts) == folds
    for part in parts:
        assert not {*cohort.groups[part.train]} & ({*cohort.groups[part.val]} | {*cohort.groups[part.test]})
    scores = StudyScores.read(layout.scores, of).classifiers
    for found in scores.values():
        low, high = found.pooled.all.bounds[task.primary.name]
        assert low < found.pooled.all.values[task.primary.name] < high
    assert FamilySearch.read(layout.search, {"data": cohort.digest}).folds
    assert Audit.read(layout.audit, task, of).verdict.headline
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlruns' / 'mlflow.db'}")
    kinds = {one.name: one.experiment_id for one in client.search_experiments() if one.name.startswith(name)}
    assert set(kinds) == {name, f"{name}/search", f"{name}/audit"}
    runs = client.search_runs([*kinds.values()], max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    named = [run.info.run_name for run in runs]
    assert {*scores, "search", "audit"} <= {*named}
    assert named.count("fold-0") >= len(scores) + trials
    page = layout.page.read_text()
    assert all(method in page for method in scores)
    assert task.primary.title in page
    text = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>|<[^>]+>", "", page)
    foreign = ["image", "frozen", *([] if cohort.classes else ["classifier"])]
    assert [word for word in foreign if word in text] == []
    assert f"{cohort.row}s" in text


def test_classes_of_wines_as_the_docs_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = repro(written(tmp_path, "wine", of_the_docs()), "wine", monkeypatch)
    check_what_comes_for_free("wine", CLASSES, folds=4, trials=5 * 6)
    assert metrics["pooled"]["svc"]["accuracy"] > 0.95
    assert metrics["dataset"]["images"] == 178


@pytest.mark.slow
def test_numbers_of_the_diabetes_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = repro(written(tmp_path, "diabetes", of_numbers()), "diabetes", monkeypatch)
    check_what_comes_for_free("diabetes", quantity("points"), folds=4, trials=5 * 6)
    assert 40 < metrics["pooled"]["ridge"]["mae"] < 50
    assert metrics["dataset"]["images"] == 442
