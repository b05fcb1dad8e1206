"""A built wheel works by itself: outside the repository, with nothing of it on the path."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.lifecycle.programs import make_complete
from tests.scan.read.files import nanoscope
from tests.tracking.conftest import point_at, store  # noqa: F401
from tmdscope.tracking.registry import FILES_SHA256, recorded_sha256, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store

ROOT = Path(__file__).parents[1]
SHIPPED = "with the settings that tmdscope ships"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, as an installer lays them down."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "installed")
    return folder / "installed"


def run(unpacked: Path, folder: Path, *arguments: str, **variables: str) -> tuple[str, str]:
    """Run the wheel's command in a folder; gives what it wrote to both streams."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tmdscope.cli", *arguments],
        cwd=folder,
        env=known | {"PYTHONPATH": str(unpacked)} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def pictures(folder: Path) -> Path:
    """Two pictures each of twelve samples, two classes in folders of their names."""
    drawn = np.random.default_rng(0)
    for number in range(24):
        place = folder / ("MoS2" if number % 12 < 6 else "WS2")
        place.mkdir(parents=True, exist_ok=True)
        values = drawn.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(values).save(place / f"S{number % 12}_{number}.png")
    return folder


def test_every_file_of_the_package_is_in_the_wheel(unpacked: Path) -> None:
    listed = subprocess.check_output(["git", "ls-files", "src/tmdscope"], cwd=ROOT, text=True).split()
    missing = [name for name in listed if not (unpacked / name.removeprefix("src/")).is_file()]
    assert [name for name in missing if (ROOT / name).exists()] == []
    shipped = (unpacked / "tmdscope" / "shipped.yaml").read_text()
    assert shipped == (ROOT / "profiles" / "default.yaml").read_text()


@pytest.mark.slow
def test_scans_and_folders_are_read_outside_the_repository(unpacked: Path, tmp_path: Path) -> None:
    where = "import tmdscope; print(tmdscope.__file__)"
    variables = {**os.environ, "PYTHONPATH": str(unpacked)}
    at = subprocess.check_output([sys.executable, "-c", where], cwd=tmp_path, env=variables, text=True)
    assert Path(at.strip()).is_relative_to(unpacked)
    (tmp_path / "scan.spm").write_bytes(nanoscope(np.random.default_rng(0).normal(0, 1, (32, 32))))
    told, notes = run(unpacked, tmp_path, "inspect", "scan.spm")
    assert "scan.spm" in told
    assert SHIPPED in notes
    assert list((tmp_path / "reports" / "inspected").glob("*.png"))
    pictures(tmp_path / "mine")
    run(unpacked, tmp_path, "init", "mine", "--sample", r"(S\d+)_", "--yes")
    manifest = (tmp_path / "mine" / "manifest.csv").read_text()
    assert len(manifest.splitlines()) == 1 + 24
    told, notes = run(unpacked, tmp_path, "audit", "mine/manifest.csv", "--order", "none")
    assert SHIPPED in notes
    assert "<html" in next((tmp_path / "reports" / "audit").glob("*.html")).read_text()


@pytest.mark.slow
def test_a_registered_model_predicts_outside_the_repository(
    unpacked: Path,
    tmp_path: Path,
    store: Store,  # noqa: F811
) -> None:
    point_at(store)
    with start_run(store, "model", {}) as tracked:
        uri = tracked.program(make_complete())
    sha256 = str(recorded_sha256(store.client, uri))
    name = "tmd-material-classifier"
    made = register(store.client, name, uri, tracked.run_id, {FILES_SHA256: sha256})
    store.client.set_registered_model_alias(name, "production", str(made.number))
    pictures(tmp_path / "mine")
    told, notes = run(unpacked, tmp_path, "predict", "mine", "--csv", MLFLOW_TRACKING_URI=store.uri)
    assert len(told.splitlines()) == 1 + 24
    assert f"{name} version {made.number}: 24 predicted" in notes
