from pathlib import Path

import pytest

from tmdscope.layout import find_project, layout_beside, tracking_home


def make_project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (folder / name).touch()
    return folder


def test_a_project_is_found_from_any_folder_below_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == find_project(project) == project
    (below / "params.yaml").touch()  # settings alone are no project
    assert find_project(below) == project
    assert find_project(tmp_path) == tmp_path


def test_runs_lie_in_dvcs_own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    project = make_project(tmp_path / "p")
    inner = make_project(project / "pipelines" / "other")
    monkeypatch.chdir(inner)
    assert tracking_home() == inner
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").touch()
    assert tracking_home() == project
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert tracking_home() == tmp_path


def test_settings_below_pipelines_are_of_a_study_of_that_name() -> None:
    own = layout_beside(Path("p/pipelines/other/params.yaml"))
    assert own.comparisons == Path("p/reports/other/comparisons")
    assert layout_beside(Path("p/params.yaml")).comparisons == Path("p/reports/comparisons")
    assert layout_beside(Path("params.yaml")).prepared == Path("data/prepared")
