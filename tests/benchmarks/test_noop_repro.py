"""The copy that is measured is up to date, so that `dvc repro` has nothing to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import noop_repro


@pytest.mark.slow
def test_nothing_is_left_to_do() -> None:
    path, _ = noop_repro.reproduced()
    lock = (path / "dvc.lock").read_text()
    done = subprocess.run(
        [noop_repro.DVC, "repro", "dvc.yaml"], cwd=path, check=True, capture_output=True, text=True
    )
    assert "Running stage" not in done.stdout
    assert (path / "dvc.lock").read_text() == lock


def test_the_main_study_has_outputs(tmp_path: Path) -> None:
    """In a copy: the project itself may hold a study that was run."""
    for name in ("dvc.yaml", "params.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(noop_repro.ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    found = {path.relative_to(tmp_path).as_posix() for path in noop_repro.outputs(tmp_path)}
    assert {"data/raw", "data/prepared", "data/split.json"} <= found
    assert not any("published" in name for name in found)
