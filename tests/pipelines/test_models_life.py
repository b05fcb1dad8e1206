"""A registered version's life as a user sees it: promoted, looked at, predicted with, served, taken back."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.pipelines.conftest import TUNED, Clone
from tests.support import serving

pytestmark = pytest.mark.slow

MODEL = "tmd-material-classifier"


def aliases(study: Clone) -> dict[str, int]:
    found = study.client.get_registered_model(MODEL).aliases
    return {name: int(version) for name, version in found.items()}


@pytest.fixture(scope="module")
def promoted(study: Clone) -> int:
    """The best version, made production where none was."""
    client = study.client
    if "production" in aliases(study):
        client.delete_registered_model_alias(MODEL, "production")
    said = study.tmdscope("promote").stdout
    best = aliases(study)["best"]
    assert f"production is version {best} (before: none), promoted" in said
    assert "passed  reference predictions" in said
    return best


@pytest.fixture(scope="module")
def pictures(study: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine prepared images as PNG files, and one file that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(np.load(study.root / "data/prepared/images.npy")[:9]):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"nothing")
    return folder


def predict(study: Clone, *arguments: str) -> tuple[list[dict[str, Any]], "subprocess.CompletedProcess[str]"]:
    done = study.tmdscope("predict", *arguments, "--json", check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done


def test_the_production_model_is_listed_and_says_what_it_is(study: Clone, promoted: int) -> None:
    rows = json.loads(study.tmdscope("models", "--json").stdout)
    (row,) = [row for row in rows if row["model"] == MODEL and row["version"] == promoted]
    assert {"best", "production"} <= set(row["aliases"])
    low, high = row["val_macro_f1_ci95"]
    assert low <= row["val_macro_f1"] <= high
    card = study.tmdscope("card").stdout
    assert f"{row['test_macro_f1']:.3f}" in card
    version = study.client.get_model_version(MODEL, str(promoted))
    assert version.description == card
    assert "Trained and scored on simulated images" in card


def test_every_registered_version_has_a_card_and_predictions(study: Clone) -> None:
    versions = study.client.search_model_versions(f"name LIKE '{MODEL}%'")
    assert len({version.name for version in versions}) > 1
    for version in versions:
        assert version.description.startswith(f"# {version.name} version {version.version}\n")
        kept = {entry.path for entry in study.client.list_artifacts(version.run_id)}
        assert {"predictions.parquet", "facts.json", "model_card.md"} <= kept


def test_files_are_predicted_and_a_bad_one_is_named(study: Clone, promoted: int, pictures: Path) -> None:
    lines, done = predict(study, str(pictures))
    assert done.returncode == 3
    assert [Path(line["file"]).name for line in lines] == [*(f"{k}.png" for k in range(9)), "broken.png"]
    assert "not used" in done.stderr
    assert f"version {promoted}: 9 predicted, 1 not used" in done.stderr
    for line in lines[:9]:
        assert line["material"] == max(line["probabilities"], key=line["probabilities"].get)
        assert sum(line["probabilities"].values()) == pytest.approx(1)
    assert "problem" in lines[9]


@pytest.fixture(scope="module")
def scoring(study: Clone, promoted: int) -> Iterator[int]:
    """The port of a server with the production model, as `make serve` starts it."""
    model = f"models:/{MODEL}@production"
    with serving.start(study.root, model, MLFLOW_TRACKING_URI=study.uri) as (port, _):
        yield port


def test_the_server_says_what_the_command_says(study: Clone, scoring: int, pictures: Path) -> None:
    images = np.load(study.root / "data/prepared/images.npy")[:9]
    status, answer = serving.ask(scoring, "/invocations", {"inputs": images.tolist()})
    assert status == 200
    lines, _ = predict(study, str(pictures))
    said = [list(line["probabilities"].values()) for line in lines[:9]]
    np.testing.assert_allclose(answer["predictions"], said, atol=1e-5)


def test_the_server_says_what_its_model_is(study: Clone, scoring: int, promoted: int) -> None:
    status, about = serving.ask(scoring, "/metadata")
    assert status == 200
    assert about["model"] == f"models:/{MODEL}/{promoted}"
    assert about["size_px"] == about["prepare"]["size_px"] == 32
    tags = study.client.get_model_version(MODEL, str(promoted)).tags
    assert about["files.sha256"] == tags["files.sha256"]


def test_an_audit_made_again_that_fails_stops_the_next_promotion(study: Clone, promoted: int) -> None:
    client = study.client
    run_id = json.loads((study.root / "data/audit.json").read_text())["run_id"]
    audit = client.get_run(run_id)
    kept = {k: v for k, v in audit.data.tags.items() if not k.startswith("mlflow.")}
    again = client.create_run(audit.info.experiment_id, tags=kept).info.run_id
    record = json.loads((study.root / "data/audit.json").read_text())
    client.log_text(again, json.dumps({**record, "failed_checks": ["duplicates", "campaigns"]}), "audit.json")
    client.set_terminated(again)
    other = min({int(v.version) for v in client.search_model_versions(f"name = '{MODEL}'")} - {promoted})
    try:
        refused = study.tmdscope("promote", str(other), check=False)
        assert refused.returncode == 1
        assert "failed: duplicates, campaigns" in refused.stderr
        assert again in refused.stderr
        assert "duplicates, campaigns failed" in study.tmdscope("card", str(other)).stdout
    finally:
        client.delete_run(again)
    assert "no check failed" in study.tmdscope("card", str(other)).stdout
    assert aliases(study)["production"] == promoted


@pytest.fixture(scope="module")
def compared(study: Clone, promoted: int) -> Path:
    """The page of a comparison with the production model."""
    other = min(int(v.version) for v in study.client.search_model_versions(f"name = '{MODEL}'"))
    said = study.tmdscope("compare", str(other), "production").stdout
    assert "95 % interval by sample" in said
    return study.root / "reports" / "comparisons" / f"{other}-production"


def test_a_comparison_is_written_and_tracked(study: Clone, compared: Path) -> None:
    written = {path.name for path in compared.iterdir()}
    assert {"index.html", "comparison.json", "disagreements.csv", "contact_sheet.png"} <= written
    experiment = study.client.get_experiment_by_name("comparisons")
    (run, *_) = study.client.search_runs([experiment.experiment_id])
    found = json.loads((compared / "comparison.json").read_text())
    parts = found["held_out"]
    assert run.data.metrics["held_out_test.macro_f1_difference"] == pytest.approx(
        parts["held-out test"]["difference"]["macro_f1"]
    )


@pytest.mark.browser
def test_the_page_of_a_comparison_opens(compared: Path, page: Page) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((compared / "index.html").as_uri())
    expect(page.get_by_role("img").first).to_be_visible()
    expect(page.get_by_text("McNemar").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems == []


@pytest.mark.browser
def test_the_ui_shows_production_and_the_decision(
    study: Clone, promoted: int, mlflow_ui: str, page: Page
) -> None:
    page.goto(f"{mlflow_ui}/#/models/{MODEL}")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"Version {promoted}", exact=True))
    expect(row.get_by_text("production")).to_be_visible(timeout=60_000)
    experiment = study.client.get_experiment_by_name("promotions")
    (run, *_) = study.client.search_runs(
        [experiment.experiment_id], f"tags.decision = 'promoted' and tags.new = '{promoted}'"
    )
    page.goto(f"{mlflow_ui}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}")
    expect(page.get_by_text("check.reference predictions").first).to_be_visible(timeout=60_000)


@pytest.mark.browser
def test_an_alias_set_in_the_ui_is_used_and_shown_unreviewed(
    study: Clone, promoted: int, mlflow_ui: str, page: Page, pictures: Path
) -> None:
    numbers = {int(v.version) for v in study.client.search_model_versions(f"name = '{MODEL}'")}
    other = min(numbers - {promoted})
    page.goto(f"{mlflow_ui}/#/models/{MODEL}/versions/{other}")
    page.locator("[data-component-id*='modelversionviewaliaseditor']").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill("production")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden(timeout=60_000)
    assert aliases(study)["production"] == other
    _, done = predict(study, str(pictures / "0.png"))
    assert f"{MODEL} version {other}: 1 predicted" in done.stderr
    listed = study.tmdscope("models").stdout
    assert f"production was moved to version {other} outside tmdscope" in listed
    study.tmdscope("rollback", "--reason", "set by hand")
    assert aliases(study)["production"] == promoted
    assert "outside tmdscope" not in study.tmdscope("models").stdout


def test_the_tuned_experiment_is_among_the_versions(study: Clone) -> None:
    rows = json.loads(study.tmdscope("models", "--json").stdout)
    assert TUNED in {row["experiment"] for row in rows}
