import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from torch import nn

from tests.tracking.killed import make_experiment
from tests.tracking.programs import make_facts
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import FoldResult, cross_validate
from tmdscope.learn.fit import DivergedError
from tmdscope.progress import TrainingTable
from tmdscope.scores.scored import FACTS, PREDICTIONS
from tmdscope.scores.task import CLASSES
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


@pytest.mark.parametrize(
    ("at_once", "error", "statuses"),
    [
        (1, KeyboardInterrupt(), ["FINISHED", "KILLED"]),
        (2, KeyboardInterrupt(), ["KILLED", "KILLED"]),
        (2, DivergedError("epoch 1 ended with training loss nan"), ["FAILED", "FAILED"]),
    ],
    ids=["one by one", "side by side", "diverged"],
)
def test_an_interrupted_study_keeps_the_folds_that_ended(
    store: Store, at_once: int, error: BaseException, statuses: list[str]
) -> None:
    experiment, rows, opened = make_experiment(epochs=2), np.arange(24), []

    def build() -> nn.Module:
        opened.append(len(opened))
        if len(opened) == 2:
            raise error
        return Head(512, 3)

    folds = [FoldParts(rows[8:16], rows[16:], rows[:8]), FoldParts(rows[16:], rows[8:16], rows[:8])]
    data = DataUse("features", "cd" * 32, "data/features", 24, "crossval")
    recorders = []

    def study() -> None:
        with start_run(store, "interrupted", {}, data=data) as run:
            recorders.append(TrackedCrossval(run, {"experiment": "interrupted"}, data))
            settings = experiment.settings
            of = build, experiment.target, experiment.examples, folds, settings
            cross_validate(*of, recorders[0], at_once=at_once)

    with pytest.raises(type(error)):
        study()
    (recorder,) = recorders
    run = recorder.parent
    query = f"tags.mlflow.parentRunId = '{run.run_id}'"
    children = store.client.search_runs([store.experiment_id], query, order_by=["attributes.run_name"])
    assert [child.info.run_name for child in children] == ["fold-0", "fold-1"]
    assert [child.info.status for child in children] == statuses
    assert [child.data.tags["fold"] for child in children] == ["0", "1"]
    assert store.client.get_run(run.run_id).info.status == statuses[1]
    finished = [child.info.run_id for child in children if child.info.status == "FINISHED"]
    assert [fold.run.run_id for fold in recorder.ended] == finished


def test_folds_are_kept_in_their_order_whichever_ends_first(store: Store) -> None:
    models, stream = [Head(4, 3), Head(4, 3)], io.StringIO()
    data = DataUse("features", "cd" * 32, "data/features", 24, "crossval")
    console = Console(file=stream, force_terminal=False, width=200)
    with start_run(store, "order", {}, data=data) as run:
        table = TrainingTable("order", 2, 5, 10, CLASSES.primary, console)
        recorder = TrackedCrossval(run, {}, data, table)
        with recorder.fold(0) as first:
            with recorder.fold(1) as second:
                for listener, number in ((first, 1), (second, 1), (first, 2)):
                    listener.epoch(number, {"val_macro_f1": number / 10}, kept=True)
                second.finish({"val_loss": 1.0}, models[1])
            first.finish({"val_loss": 1.0}, models[0])
    assert recorder.models == models
    assert [fold.number for fold in recorder.ended] == [0, 1]
    told = [line.split(" in ")[0] for line in stream.getvalue().splitlines()]
    assert told == ["order: fold 2 of 2 done: 1 epoch", "order: fold 1 of 2 done: 2 epochs"]
