"""What MLflow's pages open with, and where the links of `make ui` lead."""

import json

import pytest

from tmdscope.scores.task import CLASSES, quantity
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store, open_study
from tmdscope.tracking.views import links, save_views, shown_metrics

AT = "http://127.0.0.1:5000"


def state_of(study: Store, key: str) -> dict[str, object]:
    view = json.loads(study.client.get_experiment(study.experiment_id).tags[f"mlflow.sharedViewState.{key}"])
    assert {"name", "createdAt", "updatedAt"} < set(view)
    found: dict[str, object] = json.loads(view["state"])
    return found


@pytest.mark.parametrize(
    ("task", "first", "rising"), [(CLASSES, "macro_f1", False), (quantity("eV"), "mae", True)]
)
def test_experiments_come_best_first_by_the_task(
    store: Store, task: object, first: str, rising: bool
) -> None:
    study = open_study(f"viewed-{first}")
    save_views(study, task)  # type: ignore[arg-type]
    state = state_of(study, "experiments")
    assert (state["orderByKey"], state["orderByAsc"]) == (f"metrics.`test_{first}`", rising)
    assert state["searchFilter"] == "tags.fold IS NULL"
    columns = state["selectedColumns"]
    assert isinstance(columns, list)
    assert columns[0] == f"metrics.`test_{first}`"
    assert f"metrics.`out_of_fold_{first}`" in columns
    curves = state_of(study, "folds")
    assert f"epoch_val_{first}" in json.dumps(curves["compareRunCharts"])


def test_a_view_is_saved_once(store: Store) -> None:
    save_views(store, CLASSES)
    before = store.client.get_experiment(store.experiment_id)
    save_views(store, CLASSES)
    assert store.client.get_experiment(store.experiment_id).last_update_time == before.last_update_time


def test_the_filter_finds_experiments_and_no_folds(store: Store) -> None:
    study = open_study("filtered")
    save_views(study, CLASSES)
    with start_run(study, "a", {}) as parent, start_run(study, "fold-0", {"fold": "0"}, parent):
        pass
    for key, name in (("experiments", "a"), ("folds", "fold-0")):
        query = str(state_of(study, key)["searchFilter"])
        (run,) = study.client.search_runs([study.experiment_id], query)
        assert run.info.run_name == name


def test_an_experiments_run_shows_few_scores_the_deciding_first() -> None:
    found = shown_metrics(CLASSES, {"accuracy": 0.7, "macro_f1": 0.6}, {"accuracy": 0.8, "macro_f1": 0.5})
    assert [*found] == ["test_macro_f1", "test_accuracy", "out_of_fold_macro_f1", "out_of_fold_accuracy"]
    assert found["out_of_fold_macro_f1"] == 0.5


def test_links_lead_to_the_comparison_to_other_kinds_and_to_models(store: Store) -> None:
    study, searches = open_study("linked"), open_study("linked", "search")
    save_views(study, CLASSES)
    store.client.create_registered_model("linked model")
    store.client.create_registered_model("promotion-lock.linked model")
    told = dict(line.split(": ", 1) for line in links(store.client, AT) if "linked" in line)
    page = f"{AT}/#/experiments/{study.experiment_id}/runs?workflowType=machine_learning"
    assert told == {
        "linked, experiments compared": f"{page}&viewStateShareKey=experiments",
        "linked, the same drawn": f"{page}&viewStateShareKey=experiments&compareRunsMode=CHART",
        "linked, training curves": f"{page}&viewStateShareKey=folds&compareRunsMode=CHART",
        "linked/search": f"{AT}/#/experiments/{searches.experiment_id}/runs?workflowType=machine_learning",
        "registered model linked model": f"{AT}/#/models/linked%20model",
    }
