"""What a person sees of a study in the MLflow UI."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pipelines.conftest import TINY_EXPERIMENTS, Clone

pytestmark = [pytest.mark.browser, pytest.mark.slow]

READY_WITHIN_S = 120


@pytest.fixture(scope="module")
def server(study: Clone) -> Iterator[str]:
    """The study's store, served as `make ui` does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mlflow = Path(sys.executable).parent / "mlflow"
    command = [str(mlflow), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", study.uri]
    command += ["--artifacts-destination", str(study.root / "mlruns" / "artifacts")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    process = subprocess.Popen(
        command, env=environment, cwd=study.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _await_health(address)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await_health(address: str) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the MLflow server was not ready within {READY_WITHIN_S} s")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.set_default_timeout(60_000)
    yield opened
    folder = os.environ.get("TMDSCOPE_SCREENSHOTS")
    if folder:
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
        opened.screenshot(path=str(Path(folder) / f"{name}.png"))
    opened.close()


def test_runs_table_shows_experiments_and_their_folds(server: str, study: Clone, page: Page) -> None:
    experiment = study.client.get_experiment_by_name("tmd-materials")
    page.goto(f"{server}/#/experiments/{experiment.experiment_id}/runs")
    for name in TINY_EXPERIMENTS:
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name))
        expect(row).to_be_visible(timeout=60_000)
        row.get_by_role("button").click()  # the plus sign before the name
    for fold in ("fold-0", "fold-1"):
        expect(page.get_by_role("link", name=fold)).to_have_count(len(TINY_EXPERIMENTS), timeout=60_000)


def test_parent_run_page_opens(server: str, study: Clone, page: Page) -> None:
    client = study.client
    experiment = client.get_experiment_by_name("tmd-materials")
    best = client.get_model_version_by_alias("tmd-material-classifier", "best")
    page.goto(f"{server}/#/experiments/{experiment.experiment_id}/runs/{best.run_id}")
    expect(page.get_by_text("val.macro_f1.mean").first).to_be_visible(timeout=60_000)


def test_registered_model_page_shows_the_alias(server: str, page: Page) -> None:
    page.goto(f"{server}/#/models/tmd-material-classifier")
    expect(page.get_by_text("best").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Version 1").first).to_be_visible(timeout=60_000)
