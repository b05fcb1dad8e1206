from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from torch import nn

from tests.tracking.killed import make_experiment
from tests.tracking.programs import make_facts
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult, cross_validate
from tmdscope.scores.scored import FACTS, PREDICTIONS
from tmdscope.tracking.crossval import TrackedCrossval, Trained, track_experiment
from tmdscope.tracking.models import load_program
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun, start_run
from tmdscope.tracking.store import Store
from tmdscope.tracking.views import SHOWN
from tmdscope.vision.classifier import Head


@pytest.mark.slow
def test_an_experiment_is_tracked_to_the_fold(store: Store) -> None:
    rows = np.arange(24)
    folds = [FoldParts(rows[8:16], rows[16:], rows[:8]), FoldParts(rows[16:], rows[8:16], rows[:8])]
    seen: list[Sequence[FoldResult]] = []

    def on_results(run: TrackedRun, trained: Trained) -> Dossier:
        seen.append(trained.results)
        run.tags({"heard": "yes"})
        return Dossier(trained.program, pd.DataFrame({"fold": [0, 1]}), make_facts())

    data = DataUse("features", "cd" * 32, "data/features", 24, "crossval")
    record = track_experiment(
        store, "heads", {"study": "tests"}, data, make_experiment(epochs=2), folds, on_results
    )
    parent = store.client.get_run(record.run_id)
    shown = [metric.name for metric in make_facts().task.metrics]
    assert set(parent.data.metrics) == {f"{part}_{name}" for part in SHOWN for name in shown}
    assert (parent.data.tags["heard"], parent.data.tags["experiment"]) == ("yes", "heads")
    for number, run_id in enumerate(record.fold_run_ids):
        fold = store.client.get_run(run_id)
        assert fold.info.run_name == f"fold-{number}"
        assert fold.inputs.dataset_inputs[0].dataset.digest == ("cd" * 32)[:32]
        assert fold.data.tags["mlflow.parentRunId"] == record.run_id
        assert fold.data.metrics["test_accuracy"] == seen[0][number].scores["test_accuracy"]
        assert len(store.client.get_metric_history(run_id, "epoch_val_loss")) == 2
    kept = {entry.path for entry in store.client.list_artifacts(record.run_id)}
    assert kept == {PREDICTIONS, FACTS}
    assert load_program(record.model_uri).config.members == 2
    for run_id in (record.run_id, *record.fold_run_ids):  # the folds' run shows the model that holds them
        outputs = store.client.get_run(run_id).outputs.model_outputs
        assert [f"models:/{model.model_id}" for model in outputs] == [record.model_uri]
    logged = store.client.search_logged_models([store.experiment_id])
    ours = [model for model in logged if model.source_run_id in (record.run_id, *record.fold_run_ids)]
    assert [model.source_run_id for model in ours] == [record.run_id]


def test_an_interrupted_study_keeps_the_folds_that_ended(store: Store) -> None:
    experiment, rows, opened = make_experiment(epochs=2), np.arange(24), []

    def build() -> nn.Module:
        opened.append(len(opened))
        if len(opened) == 2:
            raise KeyboardInterrupt
        return Head(512, 3)

    folds = [FoldParts(rows[8:16], rows[16:], rows[:8]), FoldParts(rows[16:], rows[8:16], rows[:8])]
    data = DataUse("features", "cd" * 32, "data/features", 24, "crossval")
    recorders = []

    def study() -> None:
        with start_run(store, "interrupted", {}, data=data) as run:
            recorders.append(TrackedCrossval(run, {"experiment": "interrupted"}, data))
            settings = experiment.settings
            cross_validate(build, experiment.target, experiment.examples, folds, settings, recorders[0])

    with pytest.raises(KeyboardInterrupt):
        study()
    (recorder,) = recorders
    run = recorder.parent
    query = f"tags.mlflow.parentRunId = '{run.run_id}'"
    children = store.client.search_runs([store.experiment_id], query, order_by=["attributes.run_name"])
    assert [(child.info.run_name, child.info.status) for child in children] == [
        ("fold-0", "FINISHED"),
        ("fold-1", "KILLED"),
    ]
    assert [child.data.tags["fold"] for child in children] == ["0", "1"]
    assert store.client.get_run(run.run_id).info.status == "KILLED"
    assert [run.run_id for run in recorder.runs] == [children[0].info.run_id]
