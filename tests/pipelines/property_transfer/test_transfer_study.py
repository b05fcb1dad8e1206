"""The study on properties that help one another from end to end, tiny: runs, numbers, a model, its life."""

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.pipelines.conftest import Clone, make_clone, undeclared_above_ground
from tests.support.reads import undeclared
from tmdscope.files import sha256_file

pytestmark = pytest.mark.slow

FOLDER = "pipelines/property_transfer"
SETTINGS, PIPELINE = f"{FOLDER}/params.yaml", f"{FOLDER}/dvc.yaml"
MODEL = "experimental-band-gap"
METHODS = (
    *("composition", "linear", "difference_known", "latent_known"),
    *("difference_predicted", "latent_predicted"),
)
TINY: dict[str, dict[str, Any]] = {
    "tables": {"source": "simulated"},
    "ways": {"regressor": "ridge"},
    "split": {"test_folds": 5, "folds": 2},
    "pooled": {"test_folds": 2, "folds": 2},
    "curves": {"labels": [25, 100], "draws": 1, "folds": 3},
    "benchmark": {"trees": 20, "rounds": 20, "inner_trees": 10},
    "reactions": {"paths": 60, "draws": 1},
    "scoring": {"bootstrap": 200},
}


@pytest.fixture(scope="module")
def transfer(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    pytest.importorskip("elementembeddings")
    clone = make_clone(tmp_path_factory.mktemp("transfer"))
    yaml, path = YAML(), clone.root / SETTINGS
    content = yaml.load(path)
    for section, own in TINY.items():
        content[section] |= own
    content["benchmark"]["search"] |= {"trials": 2, "startup": 1}
    content["search"] |= {"trials": 2, "startup": 1}
    yaml.dump(content, path)
    clone.commit("Tiny")
    clone.run("dvc", "repro", PIPELINE)
    return clone


def test_numbers_are_where_others_read_them(transfer: Clone) -> None:
    metrics = json.loads((transfer.root / "reports/property_transfer/metrics.json").read_text())
    gap, benchmark = metrics["simulated_gap"], metrics["simulated_benchmark"]
    for method in METHODS:
        for label in ("25", "100", "all"):
            assert gap[method][label]["mae"] > 0
    low, high = gap["difference_less_composition_100"]["ci95"]
    assert low < high
    for rung in ("composition", "dft_predicted", "dft_known"):
        assert len(benchmark[rung]["mae_per_fold"]) == 5
        assert benchmark[rung]["mae"] == pytest.approx(sum(benchmark[rung]["mae_per_fold"]) / 5)
    assert benchmark["lookup"]["mae"] > 0
    words = {one["word"] for claim in metrics["claims"].values() for one in claim.values()}
    assert words <= {"holds", "fails", "cannot be told"}


def test_every_method_fold_and_point_is_a_run(transfer: Clone) -> None:
    names = {run.info.run_name for run in transfer.runs("property-transfer")}
    assert {"difference_known-100", "latent_predicted-all", "dft_known-fold-4", "trial-1"} <= names
    assert not transfer.runs("property-transfer", "attributes.status != 'FINISHED'")


def test_the_model_goes_through_the_gate_and_predicts(transfer: Clone) -> None:
    production = f"models:/{MODEL}@production"
    promoted = transfer.tmdscope(
        "promote", "--params", SETTINGS, "--force", "--reason", "a test", check=False
    )
    assert promoted.returncode == 0, promoted.stderr
    for check in ("classes", "input contract", "data hash", "files", "reference predictions", "not worse"):
        assert f"passed  {check}" in promoted.stdout
    assert "not audited" not in promoted.stdout
    table = transfer.root / "data/property_transfer/tables/benchmark.parquet"
    (version,) = transfer.client.search_model_versions(f"name = '{MODEL}'")
    assert version.tags["data.sha256"] == sha256_file(table)
    said = transfer.tmdscope("predict", "--model", production, "GaAs", "ZnO")
    assert [line.split()[0] for line in said.stdout.splitlines()] == ["formula", "GaAs", "ZnO"]
    assert "made compounds" in said.stderr
    wrong = transfer.tmdscope("predict", "--model", production, "GaAs", "Gaas", check=False)
    assert wrong.returncode == 3
    assert "Gaas" in wrong.stdout
    card = transfer.tmdscope("card", f"models:/{MODEL}/1").stdout
    assert "Trained and scored on made compounds" in card
    assert MODEL in transfer.tmdscope("models", "--params", SETTINGS).stdout


def test_nothing_runs_again_and_profiles_are_checked(transfer: Clone) -> None:
    assert "didn't change" in transfer.run("dvc", "repro", PIPELINE).stdout
    shown = transfer.tmdscope("profile", "apply", "published", "--params", SETTINGS, "--dry-run")
    assert "+  source: published" in shown.stdout


def test_stages_read_what_they_declare(transfer: Clone) -> None:
    gaps = undeclared(transfer.root / PIPELINE, transfer.reads, transfer.root)
    assert undeclared_above_ground(gaps) == {}
