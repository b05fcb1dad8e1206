"""A user's own folder of images goes through the main study by editing params.yaml only."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image
from ruamel.yaml import YAML

from tests.pipelines.conftest import Clone, make_clone, tiny
from tests.scan.read.files import nanoscope

pytestmark = pytest.mark.slow

TEXTURES = ("brick", "grass", "gravel")
SUFFIXES = (".png", ".tif", ".jpg", ".npy", ".spm")


def cut_textures(folder: Path) -> None:
    """Cut scikit-image's textures into patches: a column of the texture is a sample, of three images."""
    rows = []
    for name in TEXTURES:
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
                rows.append([path.relative_to(folder).as_posix(), f"{name}-{sample}", name, *own])
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "sample_id", "material", "operator", "date"], *rows])


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A tiny study that is pointed to a folder of textures."""
    folder = tmp_path_factory.mktemp("textures")
    cut_textures(folder)
    clone = make_clone(tmp_path_factory.mktemp("own"))
    tiny(clone)
    clone.edit({"data.source": "folder", "data.folder.path": str(folder), "data.classes": list(TEXTURES)})
    return clone


def test_multilabel_says_that_it_needs_formulae(textures: Clone) -> None:
    refused = textures.run("dvc", "repro", "crossval@finetune-multilabel", check=False)
    assert refused.returncode != 0
    assert "multilabel targets need classes that are chemical formulae" in refused.stderr + refused.stdout


def test_folder_reaches_a_report(textures: Clone) -> None:
    experiments = {"features-multiclass": _experiment(textures)}
    textures.edit(
        {
            "experiments": experiments,
            "searches": {},
            "audit.order": "date",
            "audit.nuisance": ["operator"],
            "sequential.first": 2,
            "sequential.encodings": ["multiclass"],
        }
    )
    textures.run("dvc", "repro")
    metrics = json.loads((textures.root / "reports" / "metrics.json").read_text())
    assert metrics["data"] == {
        **metrics["data"],
        "simulated": False,
        "images": 72,
        "samples": 24,
    }
    chance = 1 / len(TEXTURES)
    assert metrics["experiments"]["features-multiclass"]["val"]["accuracy"]["mean"] > 1.5 * chance
    audited = json.loads((textures.root / "data" / "audit.json").read_text())
    assert {"order", "nuisance"} < {item["name"] for item in audited["confounds"]}
    described = pd.read_parquet(textures.root / "data" / "descriptors.parquet")
    scans = described["image_id"].str.endswith(".spm")
    assert described.loc[scans, "roughness_sq_nm"].between(0.1, 20).all()
    assert described.loc[~scans, "roughness_sq_nm"].isna().all()
    page = (textures.root / "reports" / "index.html").read_text()
    assert "gravel" in page
    assert "simulated scans. Scores" not in page


def _experiment(clone: Clone) -> dict[str, object]:
    content = YAML(typ="safe").load(clone.root / "params.yaml")
    found: dict[str, object] = content["experiments"]["features-multiclass"]
    return found
