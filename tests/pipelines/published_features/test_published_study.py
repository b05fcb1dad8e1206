"""The published study from end to end on the real tables: the numbers of the paper come out."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipelines.conftest import Clone, make_clone, undeclared_above_ground
from tests.support.reads import undeclared

pytestmark = [pytest.mark.slow, pytest.mark.realdata]

PIPELINE = "pipelines/published_features/dvc.yaml"
SCORES = {"train_accuracy", "val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1"}
POOLED = {"accuracy", "macro_f1", "accuracy_ci95", "macro_f1_ci95", "images", "samples", "distinct"}
DATA_SHA256 = "e2b603a6c9705da37706a8f85960498f517a40dd6b98883e5380a95ed4946a31"
NAMES = {"mlp", "svc", "logistic", "sample_id_only"}
SEEDS = 3
OUTER, INNER, TRIALS = 10, 5, 5
COSINES = {
    ("local_variation", "dissimilarity"): 0.864,
    ("local_variation", "grain_density"): 0.951,
    ("dissimilarity", "grain_density"): 0.698,
}
"""Measured by an independent script on the published tables."""


def shorten(path: Path) -> None:
    """Search few trials, short ones; audit one embargo, the widest; add one material.

    Nothing is asked below of other embargoes, which the verdict leaves out, and of materials added.
    """
    yaml = YAML()
    content = yaml.load(path)
    content["search"] |= {"trials": TRIALS, "startup": 3}
    content["search"]["space"]["epochs"]["high"] = 12
    content["audit"]["embargo"] = content["audit"]["embargo"][-1:]
    content["sequential"] |= {"first": 4, "volumes": ["full"], "seeds": [1]}
    yaml.dump(content, path)


@pytest.fixture(scope="module")
def published(published_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = make_clone(tmp_path_factory.mktemp("published"))
    shorten(clone.root / "pipelines" / "published_features" / "params.yaml")
    clone.commit("Few of everything")
    clone.run("dvc", "repro", PIPELINE, TMDSCOPE_PUBLISHED_DIR=str(published_dir.resolve()))
    return clone


@pytest.fixture(scope="module")
def metrics(published: Clone) -> dict[str, Any]:
    path = published.root / "reports" / "published_features" / "metrics.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_data_and_split_are_the_papers(metrics: dict[str, Any]) -> None:
    counts = {"images": 1026, "distinct_images": 905, "samples": 626}
    assert metrics["dataset"] == {**counts, "sha256": DATA_SHA256}
    assert metrics["split"] == {"test": {"MoS2": 47, "WS2": 18, "WSe2": 13, "MoSe2": 12, "Mo-WSe2": 14}}


def test_classifiers_reach_the_papers_figures(metrics: dict[str, Any]) -> None:
    classifiers = metrics["classifiers"]
    assert set(classifiers) == NAMES
    for scores in classifiers.values():
        assert set(scores) == SCORES
        assert all(set(score) == {"mean", "std"} for score in scores.values())
    assert classifiers["mlp"]["val_accuracy"]["mean"] == pytest.approx(0.75, abs=0.03)
    assert classifiers["svc"]["test_accuracy"]["mean"] >= 0.84
    assert classifiers["sample_id_only"]["test_accuracy"]["mean"] >= 0.95


def test_pooled_scores_carry_intervals(metrics: dict[str, Any]) -> None:
    assert set(metrics["pooled"]) == NAMES
    for score in metrics["pooled"].values():
        assert set(score) == POOLED
        assert (score["images"], score["samples"]) == (1026, 626)
        for name in ("accuracy", "macro_f1"):
            low, high = score[f"{name}_ci95"]
            assert low < score[name] < high
    assert metrics["pooled"]["svc"]["accuracy"] == pytest.approx(0.813, abs=0.007)


def test_the_search_scores_every_image_once(metrics: dict[str, Any], published: Clone) -> None:
    search = metrics["search"]
    assert search["accuracy"] >= 0.74  # few trials: the whole search finds more
    for score in ("accuracy", "macro_f1"):
        low, high = search[f"{score}_ci95"]
        assert low < search[score] < high
    assert sum(search["families"].values()) == OUTER
    assert sum(search["trials"].values()) == OUTER * TRIALS
    found = json.loads((published.root / "data" / "published_features" / "search.json").read_text())
    assert sum(fold["images"] for fold in found["folds"]) == found["pooled"]["images"] == 1026
    assert f"{TRIALS} trials" in found["method"]


def test_latent_relations_are_those_of_table_5(metrics: dict[str, Any]) -> None:
    latent = metrics["latent"]
    assert set(latent) == {
        "cumulative_explained_variance_10",
        "explained_variance",
        "descriptors",
        "regression_cosine",
        "separation",
    }
    assert latent["cumulative_explained_variance_10"] == pytest.approx(0.990, abs=0.001)
    table_5 = {
        "grain_density": (-0.25, 5, 0.48, 7, 0.61),
        "local_variation": (-0.25, 4, 0.50, 7, 0.65),
        "dissimilarity": (-0.28, 3, 0.48, 7, 0.66),
    }
    assert set(latent["descriptors"]) == set(table_5)
    for name, (low, low_at, high, high_at, regression) in table_5.items():
        found = latent["descriptors"][name]
        assert found["negative"] == {"r": pytest.approx(low, abs=0.01), "component": low_at}
        assert found["positive"] == {"r": pytest.approx(high, abs=0.01), "component": high_at}
        assert found["regression_r"] == pytest.approx(regression, abs=0.01)
    for (a, b), cosine in COSINES.items():
        assert latent["regression_cosine"][a][b] == pytest.approx(cosine, abs=0.01)
        assert latent["regression_cosine"][b][a] == pytest.approx(cosine, abs=0.01)


def test_carried_layers_raise_validation_alone(metrics: dict[str, Any]) -> None:
    assert metrics["carryover"]["enabled"] is True
    gain = metrics["carryover"]["gain"]
    assert gain["val_accuracy"]["mean"] > 0.06
    assert abs(gain["test_accuracy"]["mean"]) < 0.03


def test_the_audit_tells_surface_from_campaign(metrics: dict[str, Any]) -> None:
    found = metrics["audit"]
    assert found["accuracy"]["features"] == pytest.approx(0.81, abs=0.02)
    assert found["accuracy"]["order"] > 0.93 > found["accuracy"]["features"] > found["accuracy"]["statistics"]
    blocks = found["campaigns"]["10 blocks"]
    assert blocks["drop"] == pytest.approx(0.15, abs=0.04)
    assert blocks["drop_ci95"][0] > 0
    within = found["campaigns"]["10 blocks within classes"]
    assert 0 < within["drop"] < blocks["drop"]
    assert found["early_late"]["MoS2"] == pytest.approx(0.90, abs=0.02)
    assert found["checks"] == {
        "duplicates": True,
        "samples": True,
        "folds": True,
        "campaigns": True,
        "beyond metadata": False,
    }


def test_every_fold_is_a_run(published: Clone) -> None:
    runs = published.runs("published-features", "tags.experiment != 'sequential'")
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {run.info.run_name for run in parents} == {*NAMES, "search", "carryover", "audit"}
    others = [run for run in runs if run.data.tags["experiment"] != "search"]
    assert len(others) == len(NAMES) * 6 + 1 + SEEDS * 2 * 6 + 1
    assert {run.info.status for run in others} == {"FINISHED"}


def test_a_search_is_runs_of_studies_trials_and_folds(published: Clone, metrics: dict[str, Any]) -> None:
    runs = published.runs("published-features/search")
    children: dict[str, list[Any]] = {run.info.run_id: [] for run in runs}
    for run in runs:
        parent = run.data.tags.get("mlflow.parentRunId")
        if parent is not None:
            children[parent].append(run)
    top = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    studies = children[top.info.run_id]
    assert sorted(run.info.run_name for run in studies) == [f"outer-{number}" for number in range(OUTER)]
    assert all("outer_accuracy" in run.data.metrics for run in studies)
    trials = [trial for study in studies for trial in children[study.info.run_id]]
    assert len(trials) == OUTER * TRIALS
    assert all("family" in trial.data.params for trial in trials)
    ended = [trial.data.tags["optuna.state"] for trial in trials]
    assert ended.count("COMPLETE") == metrics["search"]["trials"]["complete"]
    folds = [len(children[trial.info.run_id]) for trial in trials if trial.info.status == "FINISHED"]
    assert all(1 <= count <= INNER for count in folds)
    assert len(runs) == 1 + OUTER + len(trials) + sum(len(children[t.info.run_id]) for t in trials)


NOT_ASKED = {"check": {"src/tmdscope/jobs/networks.py", "src/tmdscope/scores", "src/tmdscope/vision"}}
"""Read where settings name networks: these name none."""


def test_stages_read_what_they_declare(published: Clone) -> None:
    gaps = undeclared(published.root / PIPELINE, published.reads, published.root)
    assert undeclared_above_ground(gaps) == {}
    unused = {stage: gap.unused - NOT_ASKED.get(stage, set()) for stage, gap in gaps.items()}
    assert {stage: paths for stage, paths in unused.items() if paths} == {}
