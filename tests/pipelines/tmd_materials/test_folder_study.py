"""A user's own folder of images, its classes of any name, goes through the main study by params.yaml only."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image

from tests.pipelines.conftest import Clone, make_clone, tiny
from tests.scan.read.files import nanoscope

pytestmark = pytest.mark.slow

TEXTURES = {"Fe(II) 100%": "brick", "a-MoO3; thick/rough": "grass", "Größe μ": "gravel"}
"""Classes as people name them, and the texture of each."""
SUFFIXES = (".png", ".tif", ".jpg", ".npy", ".spm")


def cut_textures(folder: Path) -> None:
    """Cut scikit-image's textures into patches: a column of the texture is a sample, of three images."""
    rows = []
    for label, name in TEXTURES.items():
        texture = getattr(skimage.data, name)()
        for sample in range(8):
            for place in range(3):
                patch = texture[place * 64 : place * 64 + 48, sample * 64 : sample * 64 + 48]
                path = folder / name / f"{sample}-{place}{SUFFIXES[(sample + place) % len(SUFFIXES)]}"
                path.parent.mkdir(exist_ok=True)
                if path.suffix == ".npy":
                    np.save(path, patch)
                elif path.suffix == ".spm":
                    path.write_bytes(nanoscope(patch / 10.0))
                else:
                    Image.fromarray(patch).save(path)
                own = [("Ann", "Ben")[sample % 2], f"2024-{sample + 1:02}-01"]
                rows.append([path.relative_to(folder).as_posix(), f"{name}-{sample}", label, *own])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "sample_id", "material", "operator", "date"], *rows])


def pointed(folder: Path) -> tuple[Clone, Path]:
    """A tiny study that is pointed to a folder of textures, and that folder."""
    textures = folder / "textures"
    textures.mkdir()
    cut_textures(textures)
    clone = make_clone(folder)
    tiny(clone)
    clone.edit({"data.source": "folder", "data.folder.path": str(textures), "data.classes": list(TEXTURES)})
    return clone, textures


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Path]:
    """The study of the textures, run to its report, and their folder."""
    clone, textures = pointed(tmp_path_factory.mktemp("own"))
    clone.edit(
        {
            "experiments.finetune-multilabel.target": "multiclass",
            "searches": {},
            "audit.order": "date",
            "audit.nuisance": ["operator"],
            "sequential.first": 2,
            "sequential.encodings": ["multiclass"],
        }
    )
    clone.run("dvc", "repro")
    return clone, textures


def test_multilabel_says_that_it_needs_formulae(tmp_path: Path) -> None:
    clone, _ = pointed(tmp_path)
    refused = clone.run("dvc", "repro", "crossval@finetune-multilabel", check=False)
    assert refused.returncode != 0
    assert "multilabel targets need classes that are chemical formulae" in refused.stderr + refused.stdout


def test_folder_reaches_a_report(own: tuple[Clone, Path]) -> None:
    clone, _ = own
    metrics = json.loads((clone.root / "reports" / "metrics.json").read_text())
    assert metrics["data"] == {
        **metrics["data"],
        "simulated": False,
        "images": 72,
        "samples": 24,
    }
    chance = 1 / len(TEXTURES)
    assert metrics["experiments"]["features-multiclass"]["val"]["accuracy"]["mean"] > 1.5 * chance
    audited = json.loads((clone.root / "data" / "audit.json").read_text())
    assert {"order", "nuisance"} < {item["name"] for item in audited["confounds"]}
    described = pd.read_parquet(clone.root / "data" / "descriptors.parquet")
    scans = described["image_id"].str.endswith(".spm")
    assert described.loc[scans, "roughness_sq_nm"].between(0.1, 20).all()
    assert described.loc[~scans, "roughness_sq_nm"].isna().all()
    page = (clone.root / "reports" / "index.html").read_text(encoding="utf-8")
    assert "simulated scans. Scores" not in page


def test_classes_of_any_name_go_through_the_whole_study(own: tuple[Clone, Path]) -> None:
    clone, textures = own
    page = (clone.root / "reports" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in TEXTURES)
    experiment = clone.client.get_experiment_by_name("tmd-materials")
    assert experiment is not None
    runs = clone.client.search_runs([experiment.experiment_id], "tags.fold = '0'")
    recalls = {key for run in runs for key in run.data.metrics if key.startswith("test_recall.")}
    assert len(recalls) == len(TEXTURES)
    best = clone.client.get_model_version_by_alias("tmd-material-classifier", "best")
    assert "| Fe(II) 100% | 24 | 8 |" in str(best.description)
    picture = str(textures / "brick" / "0-0.png")
    told = clone.tmdscope("predict", "--model", "best", "--csv", picture)
    assert "p_Fe(II) 100%" in told.stdout
