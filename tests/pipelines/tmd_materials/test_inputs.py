"""What the stages up to the split read is what DVC watches: each input is changed in turn."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.conftest import Clone, make_clone, tiny
from tests.support.reads import undeclared

pytestmark = pytest.mark.slow

FOLDER = "data/my-scans"
FEW = {"ingest", "prepare", "split", "check"}


def write_folder(clone: Clone, classes: list[str], samples: int = 12) -> None:
    """Grey pictures of a sample each, brighter from class to class, and the settings to use them."""
    folder, rng = clone.root / "data" / "user", np.random.default_rng(0)
    lines = ["path,sample_id,material"]
    for number, name in enumerate(classes):
        for sample in range(samples):
            values = rng.normal(40 + 60 * number, 20, size=(32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(values).save(folder / f"{number}-{sample}.png")
            lines.append(f'{number}-{sample}.png,s{number}-{sample},"{name}"')
    (folder / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    clone.edit({"data.source": "folder", "data.classes": classes})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """The settings of README's example, run up to the split and committed."""
    clone = make_clone(tmp_path_factory.mktemp("inputs"))
    tiny(clone)
    write_folder(clone, ["graphene", "hBN"])
    (clone.root / FOLDER).mkdir()
    for path in (clone.root / "data" / "user").iterdir():
        if path.suffix in (".png", ".csv"):
            shutil.move(path, clone.root / FOLDER / path.name)
    clone.edit(
        {
            "data.folder.path": FOLDER,
            "experiments.finetune-multilabel.target": "multiclass",
            "sequential.enabled": False,
        }
    )
    clone.run("dvc", "repro", "split")
    clone.commit("Split")
    yield clone
    shutil.rmtree(clone.root)


def changed(clone: Clone) -> set[str]:
    """Stages that DVC would run again."""
    told = clone.run("dvc", "status", "--json", "--with-deps", "split").stdout
    return set(json.loads(told)) & FEW


def test_nothing_is_read_that_is_not_declared(project: Clone) -> None:
    gaps = undeclared(project.root / "dvc.yaml", project.reads, project.root)
    data = {name: {path for path in gap.undeclared if path.startswith("data/")} for name, gap in gaps.items()}
    assert not any(data.values())


@pytest.mark.parametrize("name", [f"{FOLDER}/manifest.csv", f"{FOLDER}/0-0.png", f"{FOLDER}/new.png"])
def test_a_file_of_the_folder_is_watched(project: Clone, name: str) -> None:
    path = project.root / name
    before = path.read_bytes() if path.exists() else None
    try:
        path.write_bytes((before or b"") + b"\n")
        assert "ingest" in changed(project)
    finally:
        path.unlink()
        if before is not None:
            path.write_bytes(before)
    assert changed(project) == set()


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("data.classes", ["hBN", "graphene"], {"ingest", "split", "check"}),
        ("data.folder.manifest", "other.csv", {"ingest", "split", "check"}),
        ("prepare.size_px", 48, {"prepare", "check"}),
        ("split.folds", 3, {"split", "check"}),
        ("audit.order", "none", {"split", "check"}),
        ("report.images_per_class", 3, {"check"}),
    ],
)
def test_a_setting_is_watched(project: Clone, key: str, value: Any, stages: set[str]) -> None:
    path = project.root / "params.yaml"
    before = path.read_bytes()
    try:
        project.edit({key: value})
        assert changed(project) == stages
    finally:
        path.write_bytes(before)


def test_a_mistake_stops_everything_before_it_runs(project: Clone) -> None:
    path = project.root / "params.yaml"
    before = path.read_bytes()
    try:
        project.edit({"latent.alias": "bset", "sequential.enabled": True})
        told = project.run("dvc", "repro", check=False)
        assert told.returncode != 0
        assert told.stdout.count("Running stage") == 1
        assert "latent.alias" in told.stderr
        assert "sequential.enabled to false" in told.stderr
    finally:
        path.write_bytes(before)
    told = project.run("dvc", "repro", "split")
    assert "Running stage 'ingest'" not in told.stdout


def test_the_queue_takes_a_folder_along_that_git_ignores(project: Clone) -> None:
    (project.root / FOLDER / "notes.txt").touch()  # so that the experiment must read the folder anew
    copied = ["--copy-paths", FOLDER]
    project.run("dvc", "exp", "run", "--queue", *copied, "-S", "split.folds=4", "split")
    told = project.run("dvc", "exp", "run", "--run-all")
    assert "Running stage 'ingest'" in told.stdout
    assert "fold3_val" in told.stdout
    assert "Failed" not in told.stdout + told.stderr
