import subprocess
from pathlib import Path

import pytest

from tmdscope.tracking.provenance import provenance, whereabouts
from tmdscope.tracking.store import Store

REQUIRED = {
    "study",
    "git.commit",
    "git.dirty",
    "dvc.stage",
    "dvc.exp",
    "data.sha256",
    "params.sha256",
    "threads",
    "device",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_tags_name_commit_stage_data_and_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "one")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "crossval@x")
    monkeypatch.setenv("DVC_EXP_NAME", "fast-fox")
    tags = provenance("study", "ab" * 32, {"a": 1})
    assert set(tags) >= REQUIRED
    assert tags["git.commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert (tags["git.dirty"], tags["dvc.stage"], tags["dvc.exp"]) == ("false", "crossval@x", "fast-fox")
    (tmp_path / "file").write_text("2")
    assert provenance("study", "ab" * 32, {"a": 1})["git.dirty"] == "true"


def test_what_the_pipeline_writes_is_no_uncommitted_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    project = tmp_path / "project"
    written = ["dvc.lock", "pipelines/published_features/dvc.lock", "reports/metrics.json"]
    for name in (*written, "src/reports.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("1")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "one")
    monkeypatch.chdir(project)
    for name in written:
        (project / name).write_text("2")
    assert provenance("study", "ab" * 32, {})["git.dirty"] == "false"
    (project / "src/reports.py").write_text("2")
    assert provenance("study", "ab" * 32, {})["git.dirty"] == "true"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////a/mlruns/mlflow.db", "sqlite:////a/mlruns/mlflow.db"),
        ("https://me:secret@host:8080/base", "https://host:8080/base"),
    ],
)
def test_whereabouts_name_the_store_without_its_password(uri: str, shown: str) -> None:
    study = Store(None, "7", "study", uri)  # type: ignore[arg-type]
    found = whereabouts(study, provenance("study", "ab" * 32, {}))
    assert (found["tracking_uri"], found["experiment_id"]) == (shown, "7")
    assert found["provenance"]["data.sha256"] == "ab" * 32
    assert found["provenance"]["version.torch"]
    assert not [name for name in found["provenance"] if name.startswith("mlflow.")]
    assert found["made_at"].endswith("+00:00")


def test_settings_have_a_fingerprint_that_ignores_their_order() -> None:
    first = provenance("s", "d", {"a": 1, "b": 2})["params.sha256"]
    assert provenance("s", "d", {"b": 2, "a": 1})["params.sha256"] == first
    assert provenance("s", "d", {"a": 1, "b": 3})["params.sha256"] != first


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance("s", "d", {})["git.commit"] == "none"
