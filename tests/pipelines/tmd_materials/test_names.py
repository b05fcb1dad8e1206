"""Experiments as people name them: no name is ever run as a command."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipelines.conftest import ROOT, make_clone, tiny
from tests.support.reads import read_stages

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
