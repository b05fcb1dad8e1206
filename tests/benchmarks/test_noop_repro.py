"""The copy that is measured is up to date, so that `dvc repro` has nothing to do."""

import subprocess

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


def test_the_main_study_has_outputs() -> None:
    found = {path.relative_to(noop_repro.ROOT).as_posix() for path in noop_repro.outputs(noop_repro.ROOT)}
    assert {"data/raw", "data/prepared", "data/split.json"} <= found
    assert not any("published" in name for name in found)
