"""Materials added one after another in the main study, and a user's own on top of a registered model."""

import csv
import json
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pytest
import skimage.data
from mlflow.entities import Run
from PIL import Image

from tests.pipelines.conftest import Clone
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import Version, to_version

pytestmark = pytest.mark.slow

MODEL = "tmd-material-classifier"
STAGES = ("4-materials-full", *(f"5-materials-{volume}" for volume in ("4", "full")))


def children(study: Clone, parent: Run) -> dict[str, Run]:
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    return {run.info.run_name: run for run in study.client.search_runs([parent.info.experiment_id], query)}


def start(study: Clone) -> str:
    """The registered model of all classes that the sequence has made."""
    return f"{MODEL}/{of_all(study).number}"


def of_all(study: Clone) -> Version:
    """The version of all classes that the sequence has made, with its run's tags."""
    found = study.client.search_model_versions(f"name = '{MODEL}'")
    (version,) = (one for one in found if one.tags["experiment"].startswith("stage "))
    return with_run(study.client, to_version(version))


def add(study: Clone, images: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    asked = ("--model", f"models:/{start(study)}", "--images", str(images))
    return study.tmdscope("add-material", *asked, check=check)


def sequence(study: Clone) -> Run:
    found = json.loads((study.root / "data" / "sequential" / "run.json").read_text())
    (run_id,) = found["runs"].values()
    return study.client.get_run(run_id)


def test_stages_and_controls_are_tracked_to_the_fold(study: Clone) -> None:
    run = sequence(study)
    assert run.info.run_name == "sequential-multilabel-1"
    assert run.data.params["training.strategy"] == "features"
    stages = children(study, run)
    arms = [f"{name}-{arm}" for name in STAGES[1:] for arm in ("direct", "direct-equal-budget")]
    assert set(stages) == {*STAGES, *arms, "5-materials-full-other-start"}
    for name, stage in stages.items():
        assert stage.info.status == "FINISHED"
        folds = children(study, stage)
        assert set(folds) == {"fold-0", "fold-1"}
        scores = [fold.data.metrics["test_macro_f1"] for fold in folds.values()]
        assert stage.data.metrics["test_macro_f1.mean"] == pytest.approx(np.mean(scores))
        epochs = study.client.get_metric_history(folds["fold-0"].info.run_id, "epoch_val_loss")
        assert len(epochs) == (4 if name.endswith("equal-budget") else 2)


def test_every_full_stage_is_registered_with_its_parent(study: Clone) -> None:
    client = study.client
    (found,) = client.search_model_versions(f"name = '{MODEL}-4'")
    first, last = with_run(client, to_version(found)), of_all(study)
    assert first.tags["parent_version"] == "none"
    assert last.tags["parent_version"] == f"{MODEL}-4/1"
    assert last.tags["materials"] == "MoS2, WS2, WSe2, MoSe2, Mo-WSe2"
    assert (last.tags["stage"], last.tags["volume"]) == ("5-materials", "full")
    assert (first.tags["epochs"], last.tags["epochs"]) == ("2", "4")
    assert last.run_id == children(study, sequence(study))["5-materials-full"].info.run_id
    images = np.zeros((3, 32, 32), np.uint8)
    for version, classes in ((first, 4), (last, 5)):
        model = mlflow.pyfunc.load_model(version.uri)
        assert model.predict(images).shape == (3, classes)


def test_the_report_tells_of_the_sequence(study: Clone) -> None:
    metrics = json.loads((study.root / "reports" / "metrics.json").read_text())
    assert metrics["sequential"]["enabled"] is True
    page = (study.root / "reports" / "index.html").read_text()
    assert "Materials added one after another" in page
    assert "no finding about real scans" in page


def make_bricks(folder: Path, label: str) -> Path:
    """Images of a class that no material of the study is: five samples of two."""
    folder.mkdir(parents=True, exist_ok=True)
    texture = skimage.data.brick()
    rows = []
    for sample in range(5):
        for place in range(2):
            patch = texture[place * 64 : place * 64 + 48, sample * 64 : sample * 64 + 48]
            Image.fromarray(patch).save(folder / f"{sample}-{place}.png")
            rows.append([f"{sample}-{place}.png", f"brick-{sample}", label])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "sample_id", "material"], *rows])
    return folder


@pytest.fixture(scope="module")
def bricks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new class, named by a formula."""
    return make_bricks(tmp_path_factory.mktemp("bricks"), "MoTe2")


def test_a_users_material_grows_a_registered_model(study: Clone, bricks: Path) -> None:
    client = study.client
    aliases = client.get_registered_model(MODEL).aliases
    added = add(study, bricks)
    assert "MoTe2 brings Te" in added.stderr
    assert "Against training anew, the epochs of both" in added.stdout
    (version,) = client.search_model_versions(f"name = '{MODEL}-6'")
    tags = with_run(client, to_version(version)).tags
    assert (tags["parent_version"], tags["epochs"]) == (start(study), "6")
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}-6/{version.version}")
    assert model.metadata.metadata["classes"] == ["MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2", "MoTe2"]
    assert model.predict(np.zeros((2, 32, 32), np.uint8)).shape == (2, 6)
    assert client.get_registered_model(MODEL).aliases == aliases
    assert client.get_registered_model(f"{MODEL}-6").aliases == {}
    found = json.loads((study.root / "data" / "added" / "MoTe2" / "added.json").read_text())
    arms = {point["arm"]: point for point in found["points"] if point["materials"] == 6}
    assert set(arms) == {"sequential", "direct", "direct-equal-budget"}


@pytest.mark.parametrize(
    ("material", "message"),
    [
        ("WS2", "knows WS2 already"),
        ("", "holds classes none"),
        ("SMo", "start from a multiclass model"),
        ("=brick", "begins as a spreadsheet's formula does"),
    ],
)
def test_what_cannot_be_added_is_said(study: Clone, tmp_path: Path, material: str, message: str) -> None:
    make_bricks(tmp_path, material)
    refused = add(study, tmp_path, check=False)
    assert refused.returncode == 1
    assert message in refused.stderr
