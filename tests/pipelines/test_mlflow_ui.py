"""What a person sees of a study in the MLflow UI."""

import pytest
from playwright.sync_api import Page, expect

from tests.pipelines.conftest import CROSSVALIDATED, Clone
from tmdscope.tracking.views import links

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_runs_table_shows_experiments_and_their_folds(mlflow_ui: str, study: Clone, page: Page) -> None:
    experiment = study.client.get_experiment_by_name("tmd-materials")
    page.goto(f"{mlflow_ui}/#/experiments/{experiment.experiment_id}/runs")
    for name in CROSSVALIDATED:
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        expect(row).to_be_visible(timeout=60_000)
        row.get_by_role("button").click()  # the plus sign before the name
    for fold in ("fold-0", "fold-1"):
        expect(page.get_by_role("link", name=fold)).to_have_count(len(CROSSVALIDATED), timeout=60_000)


def test_parent_run_page_opens(mlflow_ui: str, study: Clone, page: Page) -> None:
    client = study.client
    experiment = client.get_experiment_by_name("tmd-materials")
    best = client.get_model_version_by_alias("tmd-material-classifier", "best")
    page.goto(f"{mlflow_ui}/#/experiments/{experiment.experiment_id}/runs/{best.run_id}")
    expect(page.get_by_text("test_macro_f1").first).to_be_visible(timeout=60_000)


def test_the_links_of_make_ui_compare_experiments(mlflow_ui: str, study: Clone, page: Page) -> None:
    table, charts, curves = list(links(study.client, mlflow_ui))[:3]
    page.goto(table.partition(": ")[2])
    for name in ("test_macro_f1", "out_of_fold_accuracy"):
        expect(page.get_by_role("columnheader").get_by_text(name).first).to_be_visible(timeout=60_000)
    for name in CROSSVALIDATED:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name="fold-0")).to_have_count(0)
    page.goto("about:blank")  # as from a terminal: a new page
    page.goto(charts.partition(": ")[2])
    expect(page.get_by_text("Scores").first).to_be_visible(timeout=60_000)
    page.goto("about:blank")
    page.goto(curves.partition(": ")[2])
    expect(page.get_by_text("epoch_val_macro_f1").first).to_be_visible(timeout=60_000)


def test_registered_model_page_shows_the_alias(mlflow_ui: str, page: Page) -> None:
    page.goto(f"{mlflow_ui}/#/models/tmd-material-classifier")
    expect(page.get_by_text("best").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Version 1").first).to_be_visible(timeout=60_000)
