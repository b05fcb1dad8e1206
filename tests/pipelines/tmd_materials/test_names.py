"""Classes and experiments as people name them, in a whole study: they work, or nothing runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.pipelines.conftest import ROOT, Clone, make_clone, tiny
from tests.support.reads import read_stages

CLASSES = ["Fe(II) 100%", "a-MoO3; thick/rough", "Größe μ"]


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


PIPELINES = ["dvc.yaml", "pipelines/published_features/dvc.yaml", "pipelines/property_transfer/dvc.yaml"]


@pytest.mark.parametrize("name", PIPELINES)
def test_no_command_holds_anything_from_params(name: str) -> None:
    stages = YAML(typ="safe").load(ROOT / name)["stages"].values()
    commands = [stage.get("do", stage)["cmd"] for stage in stages]
    assert len(commands) >= len(read_stages(ROOT / name, ROOT))
    assert not [command for command in commands if re.search(r"[$`;&|]", command)]


@pytest.mark.slow
def test_an_experiment_whose_name_is_a_command_runs_nothing(tmp_path: Path) -> None:
    clone = make_clone(tmp_path)
    tiny(clone)
    yaml, path, name = YAML(), clone.root / "params.yaml", "x;touch${IFS}PWNED;"
    content = yaml.load(path)
    content["experiments"][name] = dict(content["experiments"]["features-multiclass"])
    yaml.dump(content, path)
    told = clone.run("dvc", "repro", check=False)
    assert told.returncode != 0
    assert "call it 'x-touch-IFS-PWNED'" in told.stderr
    assert "'ingest'" not in told.stdout
    for kind in ("prepared", "features", "pretrained"):
        (clone.root / "data" / kind).mkdir()
    (clone.root / "data/pretrained/backbone.safetensors").touch()
    (clone.root / "data/split.json").touch()
    told = clone.run("dvc", "repro", "-s", f"crossval@{name}", check=False)
    assert "tmd_materials crossval" in told.stdout
    assert "call it 'x-touch-IFS-PWNED'" in told.stderr
    assert not list(clone.root.rglob("PWNED*"))


@pytest.mark.slow
def test_classes_of_any_name_go_through_the_whole_study(tmp_path: Path) -> None:
    clone = make_clone(tmp_path)
    tiny(clone)
    write_folder(clone, CLASSES)
    clone.edit(
        {
            "experiments.finetune-multilabel.target": "multiclass",
            "sequential.encodings": ["multiclass"],
            "sequential.first": 2,
        }
    )
    clone.run("dvc", "repro")
    page = (clone.root / "reports" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in CLASSES)
    experiment = clone.client.get_experiment_by_name("tmd-materials")
    assert experiment is not None
    runs = clone.client.search_runs([experiment.experiment_id], "tags.fold = '0'")
    recalls = {key for run in runs for key in run.data.metrics if key.startswith("test_recall.")}
    assert len(recalls) == len(CLASSES)
    best = clone.client.get_model_version_by_alias("tmd-material-classifier", "best")
    assert "| Fe(II) 100% | 12 | 12 |" in str(best.description)
    told = clone.run("tmdscope", "predict", "--model", "best", "--csv", "data/user/0-0.png")
    assert "p_Fe(II) 100%" in told.stdout
