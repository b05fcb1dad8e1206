"""Every record of a finished study, damaged in several ways: the next stage refuses it by name."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.pipelines.conftest import SEARCHED, Clone
from tmdscope.errors import UserError
from tmdscope.studies.tmd_materials.study import STUDY

pytestmark = pytest.mark.slow

Damage = Callable[[Path], object]
EXPERIMENT = f"data/experiments/{SEARCHED}"
SEARCH = f"data/searches/{SEARCHED}"


def content(change: Callable[[Any], object]) -> Damage:
    """Change a JSON object in place."""

    def damage(path: Path) -> None:
        found = json.loads(path.read_text())
        change(found)
        path.write_text(json.dumps(found))

    return damage


def array(change: Callable[[Any], Any]) -> Damage:
    return lambda path: np.save(path, change(np.load(path)))


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    def damage(path: Path) -> None:
        if path.suffix == ".csv":
            change(pd.read_csv(path)).to_csv(path, index=False)
        else:
            change(pd.read_parquet(path)).to_parquet(path, index=False)

    return damage


def one_nan(values: Any) -> Any:
    values = values.copy()
    values.flat[5] = np.nan
    return values


def leak(split: Any) -> None:
    """Put an image of the test where every fold trains."""
    image = split["test"].pop(0)
    for fold in split["folds"]:
        fold["train"].append(image)


def raise_score(found: Any) -> None:
    scores = found.get("scores", found)
    scores["val"]["macro_f1"]["mean"] = 0.99


FILE: dict[str, Damage] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00garbage"),
    "gone": lambda path: path.unlink(),
}
JSON = {
    **FILE,
    "list": lambda path: path.write_text("[1]"),
    "other object": lambda path: path.write_text('{"a": 1}'),
    "key missing": content(lambda found: found.pop(next(iter(found)))),
    "NaN": content(lambda found: found.update({next(iter(found)): float("nan")})),
    "other data": content(lambda found: found["record"]["of"].update(data="0" * 64)),
}
ARRAY = {
    **FILE,
    "shuffled": array(lambda values: values[::-1]),
    "row missing": array(lambda values: values[:-1]),
    "flat": array(lambda values: values.reshape(len(values), -1)),
}
FLOATS = {**ARRAY, "NaN": array(one_nan), "float64": array(lambda values: values.astype(np.float64))}
TABLE = {**FILE, "row missing": table(lambda rows: rows[1:]), "shuffled": table(lambda rows: rows[::-1])}

CASES: list[tuple[str, dict[str, Damage], tuple[str, ...]]] = [
    ("data/raw/heights.npy", {k: v for k, v in FLOATS.items() if k != "gone"}, ("prepare",)),
    ("data/raw/manifest.parquet", TABLE, ("prepare", "describe")),
    ("data/prepared/images.npy", ARRAY, ("split", "features", f"crossval {SEARCHED}")),
    (
        "data/prepared/manifest.parquet",
        {**TABLE, "labels": table(lambda rows: rows.assign(label="MoS2"))},
        ("split", f"crossval {SEARCHED}"),
    ),
    ("data/split.json", {**JSON, "leak": content(leak)}, (f"crossval {SEARCHED}", "latent", "report")),
    ("data/split_counts.csv", TABLE, ("report",)),
    ("data/pretrained/backbone.safetensors", FILE, ("features", "crossval finetune-multilabel")),
    ("data/pretrained/pretrain.json", {**FILE, "list": JSON["list"]}, ("report",)),
    ("data/features/efficientnet-lite0-imagenet/features.npy", FLOATS, (f"crossval {SEARCHED}", "latent")),
    ("data/features/efficientnet-lite0-imagenet/features.json", JSON, (f"crossval {SEARCHED}",)),
    (
        f"{SEARCH}/best_params.yaml",
        {**FILE, "edited": lambda path: path.write_text(path.read_text() + "# mine\n")},
        (f"crossval {SEARCHED} --tuned", "register"),
    ),
    (f"{SEARCH}/search.json", JSON, (f"crossval {SEARCHED} --tuned",)),
    (f"{SEARCH}/search.json", {"value": content(lambda found: found.update(value=0.99))}, ("report",)),
    (f"{SEARCH}/trials.csv", TABLE, ("report",)),
    (f"{SEARCH}/run.json", JSON, ("report",)),
    (f"{EXPERIMENT}/scores.json", {**JSON, "raised": content(raise_score)}, ("register", "report")),
    (f"{EXPERIMENT}/facts.json", {**JSON, "raised": content(raise_score)}, ("register",)),
    (f"{EXPERIMENT}/run.json", JSON, ("register",)),
    (
        f"{EXPERIMENT}/predictions.parquet",
        {**TABLE, "NaN": table(lambda rows: rows.assign(p_MoS2=np.nan))},
        ("register", "report"),
    ),
    (f"reports/experiments/{SEARCHED}/history.csv", TABLE, ("report",)),
    ("data/sequential/sequential.json", JSON, ("register", "report")),
    ("data/sequential/run.json", JSON, ("report",)),
    ("data/sequential/latent.csv", TABLE, ("report",)),
    ("data/audit.json", JSON, ("register", "report")),
    ("data/registered.json", JSON, ("latent", "attribution", "report")),
    ("data/descriptors.parquet", TABLE, ("report",)),
    ("data/latent.json", JSON, ("report",)),
    ("data/latent_correlations.csv", TABLE, ("report",)),
    ("reports/latent.csv", TABLE, ("report",)),
    ("data/attribution/attribution.json", JSON, ("report",)),
    ("data/attribution/maps.npz", FILE, ("report",)),
]


@pytest.mark.parametrize(
    ("name", "damage", "stage"),
    [
        pytest.param(name, damage, stage, id=f"{name}-{what}-{stage}")
        for name, damages, stages in CASES
        for what, damage in damages.items()
        for stage in stages
    ],
)
def test_a_damaged_record_is_refused_by_name(
    study: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Damage, stage: str
) -> None:
    for place in ("data", "reports"):
        shutil.copytree(study.root / place, tmp_path / place, copy_function=os.link)
    for place in ("params.yaml", "profiles"):
        (tmp_path / place).symlink_to(study.root / place)
    path = tmp_path / name
    path.unlink()  # a link: the study's own stays as it is
    shutil.copy(study.root / name, path)
    damage(path)
    verb, *arguments = stage.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", study.uri)
    with pytest.raises(UserError, match=rf"(?s){path.name}.*dvc repro"):
        STUDY.job(verb)(STUDY, *arguments)
