"""What a person calls a model by, and the predictions that its run keeps."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.lifecycle.tables import table, truth
from tests.tracking.programs import Logged
from tmdscope.errors import UserError
from tmdscope.files import write_table
from tmdscope.scores.scored import PREDICTIONS
from tmdscope.scores.task import CLASSES, quantity
from tmdscope.tracking.predictions import read_predictions, resolve_model
from tmdscope.tracking.registry import FILES_SHA256, TASK, Version, recorded_sha256, register
from tmdscope.tracking.runs import start_run
from tmdscope.tracking.store import Store

NAME = "named-classifier"


@pytest.fixture(scope="module")
def version(store: Store, logged: Logged) -> Version:
    recorded = recorded_sha256(store.client, logged.uri)
    tags = {"experiment": "a", FILES_SHA256: str(recorded)}
    made = register(store.client, NAME, logged.uri, logged.run_id, tags)
    store.client.set_registered_model_alias(NAME, "production", str(made.number))
    return made


def log_predictions(store: Store, folder: Path, predictions: pd.DataFrame) -> str:
    write_table(folder / PREDICTIONS, predictions)
    with start_run(store, "scored", {"data.sha256": "ab"}) as run:
        run.artifact(folder / PREDICTIONS)
    return run.run_id


@pytest.mark.parametrize(
    "text", ["1", "production", "@production", f"models:/{NAME}/1", f"models:/{NAME}@production"]
)
def test_a_version_has_many_names(store: Store, version: Version, text: str) -> None:
    found = resolve_model(store.client, text, NAME)
    assert (found.title, found.run_id, found.uri) == (f"{NAME} version 1", version.run_id, version.uri)
    assert found.tags["experiment"] == "a"


def test_a_run_is_named_by_its_id(store: Store, logged: Logged, tmp_path: Path) -> None:
    found = resolve_model(store.client, logged.run_id, NAME)
    assert (found.run_id, found.uri) == (logged.run_id, logged.uri)
    assert found.title == f"run model ({logged.run_id[:8]})"
    without = resolve_model(store.client, log_predictions(store, tmp_path, table(truth())), NAME)
    assert without.uri is None
    assert without.tags["data.sha256"] == "ab"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("77", "models:/named-classifier/77 is not in sqlite"),
        ("nobody", "has no alias 'nobody'"),
        ("0" * 32, "is not in sqlite.*MLFLOW_TRACKING_URI"),
        ("two words", "'two words' names no model: give a version"),
        ("models:/x", "is no address of a registered model"),
    ],
)
def test_what_names_no_model_is_told(store: Store, version: Version, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        resolve_model(store.client, text, NAME)


def test_a_version_whose_run_is_gone_is_told(store: Store) -> None:
    store.client.create_registered_model("of-a-run-that-is-gone")
    store.client.create_model_version("of-a-run-that-is-gone", "file:///nowhere", "1" * 32)
    with pytest.raises(UserError, match=r"run 1111.* is not in sqlite"):
        resolve_model(store.client, "1", "of-a-run-that-is-gone")


def test_predictions_come_back_as_logged(store: Store, tmp_path: Path) -> None:
    predictions = table(truth())
    found = read_predictions(store.client, log_predictions(store, tmp_path, predictions))
    pd.testing.assert_frame_equal(found, predictions, check_dtype=False)


def test_predictions_of_an_earlier_version_have_the_label(store: Store, tmp_path: Path) -> None:
    predictions = table(truth())
    earlier = predictions.rename(columns={"label": "material"})
    found = read_predictions(store.client, log_predictions(store, tmp_path, earlier))
    pd.testing.assert_frame_equal(found, predictions, check_dtype=False)


def test_a_run_without_predictions_says_what_to_do(store: Store, logged: Logged) -> None:
    with pytest.raises(UserError, match=r"has no predictions.parquet: .*run its experiment again"):
        read_predictions(store.client, logged.run_id)


def test_predictions_of_an_earlier_version_say_what_lacks(store: Store, tmp_path: Path) -> None:
    earlier = table(truth()).drop(columns=["sample_id", "image_sha256"])
    run_id = log_predictions(store, tmp_path, earlier)
    with pytest.raises(UserError, match=r"no column sample_id; .* column image_sha256; run the experiment"):
        read_predictions(store.client, run_id)


@pytest.mark.parametrize(
    "changes", [{"p_MoS2": 1.5}, {"image_sha256": "short"}, {"image_id": "i00"}], ids=lambda c: next(iter(c))
)
def test_predictions_that_break_the_rules_are_refused(
    store: Store, tmp_path: Path, changes: dict[str, object]
) -> None:
    run_id = log_predictions(store, tmp_path, table(truth()).assign(**changes))
    with pytest.raises(UserError, match="is not what a comparison needs"):
        read_predictions(store.client, run_id)


def test_what_a_run_predicts_is_in_its_tags(store: Store) -> None:
    task = quantity("eV", [1.0, 1.5, 2.0])
    with start_run(store, "gaps", {TASK: json.dumps(task.record())}) as run:
        pass
    found = resolve_model(store.client, run.run_id, NAME).task
    assert found.record() == task.record()
    assert [metric.name for metric in found.metrics] == [metric.name for metric in task.metrics]
    with pytest.raises(UserError, match=r"'task'.* is no task that this version knows: classes"):
        _ = Version("m", 1, "run", {TASK: '{"name": "of another time"}'}).task
    assert Version("m", 1, "run", {}).task is CLASSES
