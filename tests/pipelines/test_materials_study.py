"""The main study from end to end, at tiny size, as a user runs it; `make test` runs it once."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.pipelines.conftest import (
    CROSSVALIDATED,
    SEARCHED,
    TINY_SEARCH,
    TUNED,
    Clone,
    undeclared_above_ground,
)
from tests.support.reads import undeclared
from tmdscope.analysis.descriptors.catalogue import BOUNDS, bounds_of

MODEL = "tmd-material-classifier"
TAGS = {
    "study",
    "experiment",
    "git.commit",
    "git.dirty",
    "dvc.stage",
    "dvc.exp",
    "data.sha256",
    "params.sha256",
    "threads",
    "device",
}


def runs_of(study: Clone) -> tuple[dict[str, object], dict[str, list[object]]]:
    """Parent runs of experiments by name, and the children of each."""
    client = study.client
    experiment = client.get_experiment_by_name("tmd-materials")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    parents = {run.info.run_name: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    children = {
        name: sorted(
            (run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id),
            key=lambda run: run.info.run_name,
        )
        for name, parent in parents.items()
    }
    return parents, children


NOT_ASKED = {
    "check": {"src/tmdscope/jobs/networks.py", "src/tmdscope/scores", "src/tmdscope/vision"},
    **{stage: {"data/pretrained"} for stage in ("audit", "latent", "sequential", "tuned")},
}
"""Read where settings name a network's stages, or look through weights `simulated`: these do not, and
what a search chose may not."""


def test_every_experiment_is_a_run_with_its_folds(study: Clone) -> None:
    parents, children = runs_of(study)
    assert set(parents) == set(CROSSVALIDATED)
    for name, parent in parents.items():
        assert [run.info.run_name for run in children[name]] == ["fold-0", "fold-1"]
        for run in (parent, *children[name]):
            assert run.info.status == "FINISHED"
            assert set(run.data.tags) >= TAGS
            assert run.data.tags["experiment"] == name
            stage = f"tuned@{SEARCHED}" if name == TUNED else f"crossval@{name}"
            assert run.data.tags["dvc.stage"] == stage
        assert [run.data.tags["fold"] for run in children[name]] == ["0", "1"]


def test_runs_name_their_data_and_settings(study: Clone) -> None:
    metrics = json.loads((study.root / "reports" / "metrics.json").read_text())
    parents, children = runs_of(study)
    for name, parent in parents.items():
        for run in (parent, *children[name]):
            (inputs,) = run.inputs.dataset_inputs
            assert inputs.dataset.digest == metrics["data"]["sha256"][:32]
        assert parent.data.tags["data.sha256"] == metrics["data"]["sha256"]
        assert parent.data.params["target"] == CROSSVALIDATED[name]["target"]


def test_metrics_are_the_runs_metrics(study: Clone) -> None:
    metrics = json.loads((study.root / "reports" / "metrics.json").read_text())
    parents, children = runs_of(study)
    for name, parent in parents.items():
        found = metrics["experiments"][name]["val"]["macro_f1"]
        kept = metrics["experiments"][name]
        for part, of in (("test", "ensemble_test"), ("out_of_fold", "out_of_fold")):
            for metric in ("accuracy", "macro_f1"):
                assert parent.data.metrics[f"{part}_{metric}"] == kept[of][metric]
        assert len(parent.data.metrics) == 4
        folds = [run.data.metrics["val_macro_f1"] for run in children[name]]
        assert np.mean(folds) == pytest.approx(found["mean"])
        assert np.std(folds) == pytest.approx(found["std"])


def test_every_fold_logs_epochs_and_a_model(study: Clone) -> None:
    client = study.client
    _, children = runs_of(study)
    for name, folds in children.items():
        for run in folds:
            history = client.get_metric_history(run.info.run_id, "epoch_val_loss")
            assert [point.step for point in history] == list(range(1, CROSSVALIDATED[name]["epochs"] + 1))
            assert len(run.outputs.model_outputs) == 1


def test_best_version_is_registered_and_predicts(study: Clone) -> None:
    client = study.client
    parents, _ = runs_of(study)
    best = max(parents.values(), key=lambda run: float(run.data.tags["selection_macro_f1"]))
    version = client.get_model_version_by_alias(MODEL, "best")
    assert version.run_id == best.info.run_id
    versions = client.search_model_versions(f"name = '{MODEL}'")
    assert {found.tags["experiment"] for found in versions} == {*CROSSVALIDATED, "stage 5-materials"}
    assert all(len(found.tags) <= 8 for found in versions)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@best")
    assert model.metadata.metadata["classes"] == ["MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2"]
    images = np.load(study.root / "data" / "prepared" / "images.npy")[:5]
    probabilities = model.predict(images)
    assert probabilities.shape == (5, 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_search_is_tracked_to_the_fold_and_its_settings_are_used(study: Clone) -> None:
    folder = study.root / "data" / "searches" / SEARCHED
    found = json.loads((folder / "search.json").read_text())
    run_id = json.loads((folder / "run.json").read_text())["run_id"]
    assert found["progress"]["complete"] == TINY_SEARCH["trials"]
    runs = study.runs("tmd-materials/search", f"tags.`optuna.study` = '{found['study']}'")
    trials = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == run_id]
    assert len(trials) == TINY_SEARCH["trials"]
    assert len(runs) == 1 + len(trials) * (1 + 2)
    assert {run.data.tags["dvc.stage"] for run in runs} == {f"search@{SEARCHED}"}
    best = next(run for run in trials if run.data.tags["optuna.trial"] == str(found["trial"]))
    tuned = runs_of(study)[0][TUNED]
    assert tuned.data.params["learning_rate"] == best.data.params["learning_rate"]
    assert float(tuned.data.params["learning_rate"]) == found["settings"]["learning_rate"]
    assert float(tuned.data.tags["val_macro_f1_mean"]) == pytest.approx(found["value"], abs=0.05)
    page = (study.root / "reports" / "index.html").read_text()
    assert found["study"] in page


def test_intervals_of_descriptors_are_written_and_reported_and_are_no_descriptors(study: Clone) -> None:
    table = pd.read_parquet(study.root / "data" / "descriptors.parquet").set_index("image_id")
    truth = pd.read_parquet(study.root / "data" / "prepared" / "manifest.parquet").set_index("image_id")
    low, high = (table[bound] for bound in bounds_of("coverage"))
    assert ((low <= truth["true_coverage"]) & (truth["true_coverage"] <= high)).mean() > 0.6
    related = json.loads((study.root / "data" / "latent.json").read_text())
    assert "coverage" in related["descriptors"]
    assert set(BOUNDS).isdisjoint({*related["descriptors"], *related["left_out"]})
    page = (study.root / "reports" / "index.html").read_text()
    assert "width of the interval" in page


def test_stages_read_what_they_declare(study: Clone) -> None:
    """The ground floor is left out by decision: it computes nothing, and everything depends on it."""
    gaps = undeclared(study.root / "dvc.yaml", study.reads, study.root)
    assert undeclared_above_ground(gaps) == {}
    unused = {stage: gap.unused - NOT_ASKED.get(stage, set()) for stage, gap in gaps.items()}
    assert {stage: paths for stage, paths in unused.items() if paths} == {}


def test_nothing_runs_twice(study: Clone) -> None:
    assert "Data and pipelines are up to date" in study.run("dvc", "repro").stdout
    assert "Data and pipelines are up to date" in study.run("dvc", "status", "dvc.yaml").stdout


@pytest.mark.slow
def test_a_change_of_describe_runs_describe_latent_and_report_only(study: Clone) -> None:
    study.edit({"describe.opening_radius_px": 1})
    try:
        output = study.run("dvc", "repro").stdout
        ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
        assert ran == {"check", "describe", "latent", "report"}
        assert "describe.opening_radius_px" in study.run("dvc", "params", "diff").stdout
        assert "latent.descriptors.grain_density.regression_r" in study.run("dvc", "metrics", "diff").stdout
        page = study.run("dvc", "plots", "diff", "-o", "plots").stdout
        assert "index.html" in page
    finally:
        study.run("git", "checkout", "-q", "params.yaml", "dvc.lock", "reports")
        study.run("dvc", "checkout", "dvc.yaml")


@pytest.mark.slow
def test_queued_experiments_run(study: Clone) -> None:
    study.run("dvc", "exp", "run", "-S", "report.images_per_class=1", "--name", "fewer-images", "--queue")
    study.run("dvc", "exp", "run", "--run-all")
    assert "fewer-images" in study.run("dvc", "exp", "show", "--csv").stdout


@pytest.mark.slow
def test_mlproject_trains_one_experiment_and_promotes(study: Clone) -> None:
    local = ("--env-manager", "local")
    study.run(
        *("mlflow", "run", ".", "-e", "train", "-P", "experiment=features-multiclass", *local),
        MLFLOW_TRACKING_URI=study.uri,
    )
    best = study.client.get_model_version_by_alias(MODEL, "best").version
    study.run(
        *("mlflow", "run", ".", "-e", "promote", "-P", f"version={best}", *local),
        MLFLOW_TRACKING_URI=study.uri,
    )
    assert study.client.get_model_version_by_alias(MODEL, "production").version == best


@pytest.mark.slow
def test_promoting_an_unknown_version_names_the_known_ones(study: Clone) -> None:
    refused = study.tmdscope("promote", "77", check=False)
    assert refused.returncode == 1
    assert "it has: 1, 2" in refused.stderr
