"""The study at tiny size: what is declared is right, and every stage leaves what the next ones read."""

import json
import re
from pathlib import Path

import pytest

from tests.pipelines.conftest import ROOT
from tmdscope.jobs.check import check_study
from tmdscope.layout import Layout
from tmdscope.params.reading import ParamsError, parse_section, read_params
from tmdscope.studies import find_study
from tmdscope.studies.stem_defects.params import SimulateParams

SETTINGS = ROOT / "pipelines" / "stem_defects" / "params.yaml"
TINY = {
    r"size_px: 512": "size_px: 256",
    r"noise: \[.*\]": "noise: [0.1, 0.2]",
    r"conditions: \d+": "conditions: 4",
    r"(?m)^  frames: 2 ": "  frames: 1 ",
    r"frames: 60": "frames: 10",
    r"per_kind: \d+": "per_kind: 1",
    r"steps: 100": "steps: 2",
    r"(?m)^  (test_)?folds: \d": r"  \1folds: 2",
    r"epochs: \d+": "epochs: 1",
    r"originals: 10": "originals: 5",
    r"copies: 30": "copies: 3",
    r"(still|mobile): \d+": r"\1: 3",
    r"shown: 30": "shown: 4",
    r"bootstrap: 2000": "bootstrap: 200",
    r"trials: \d+": "trials: 2",
    r"permutations: \d+": "permutations: 19",
    r"efficientnet-lite0, weights: imagenet": "resnet18, weights: none",
}


NETWORK = ("search", "train", "detect", "audit", "register")


def test_settings_are_right() -> None:
    assert "every setting is right" in check_study(find_study("stem_defects").at(SETTINGS))


@pytest.mark.parametrize(
    ("section", "change", "match"),
    [
        (
            "search",
            {"space": {"dropuot": {"kind": "uniform", "low": 0.0, "high": 0.5}}},
            "'dropuot' cannot be",
        ),
        ("network", {"target": "multilabel"}, "set target to multiclass"),
    ],
)
def test_a_search_that_suits_no_network_is_told(
    section: str, change: dict[str, object], match: str, tmp_path: Path
) -> None:
    content = read_params(SETTINGS)
    content[section] = {**content[section], **change}
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(content))
    with pytest.raises(ParamsError, match=match):
        check_study(find_study("stem_defects").at(path))


@pytest.mark.parametrize(
    ("change", "match"),
    [({"crystal": "WS3"}, "unknown crystal 'WS3'.*WS2"), ({"noise": [0.1, 0.1]}, "each once")],
)
def test_wrong_settings_are_told(change: dict[str, object], match: str) -> None:
    asked = {**read_params(SETTINGS)["simulate"], **change}
    with pytest.raises(ParamsError, match=match):
        parse_section("simulate", asked, SimulateParams, "here")


@pytest.mark.slow
def test_every_stage_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMDSCOPE_QUIET", "1")
    text = SETTINGS.read_text()
    for old, new in TINY.items():
        text = re.sub(old, new, text)
    target = tmp_path / "pipelines" / "stem_defects" / "params.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(text)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    study = find_study("stem_defects")
    verbs = ("simulate", "split", "localise", "classify", *NETWORK, "attend", "leak", "follow", "report")
    for verb in verbs:
        study.job(verb)(study)
    found = json.loads(Layout("stem_defects").metrics.read_text())
    sites = found["localise"]["sites"]["noise_0.1"]
    assert {"precision", "recall", "false_alarms_per_frame", "rms_px"} <= set(sites)
    assert sites["recall"] > 0.8
    assert sites["rms_px"] < 0.35
    assert {"six", "merged"} <= set(found["classify"])
    assert found["registered"]["model"] == "ws2-defect-classifier version 1"
    assert 0 <= found["registered"]["coverage"] <= 1
    assert {"link_precision", "link_recall"} <= set(found["track"])
    assert {"true", "estimated", "ci95", "published_formula"} <= set(found["track"]["diffusion"])
    assert found["attention"]["middle_px"] > 0
    page = Layout("stem_defects").page.read_text()
    assert "data:image/gif;base64," in page
    assert "All data are simulated" in page
