"""Scores are those of the predictions beside them, which are one of every fold for every image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.dataset.test_store import small_dataset
from tests.report.numbers import POOLED, RELIABILITY, experiment_run
from tests.tracking.programs import make_facts
from tmdscope.errors import UserError
from tmdscope.record import write_record
from tmdscope.scores.folds import mean_std
from tmdscope.scores.records import ExperimentScores
from tmdscope.scores.scored import FACTS, PREDICTIONS, RUN, SCORES, Scored
from tmdscope.scores.task import CLASSES as TASK

DATASET = small_dataset(12)
OF = {"data": DATASET.digest, "split": "b" * 64}
CLASSES = ("MoS2", "WS2")
Change = Callable[[pd.DataFrame], pd.DataFrame]


def predictions() -> pd.DataFrame:
    """Two folds of four images each, and a test of four."""
    manifest = DATASET.manifest[["image_id", "sample_id", "label", "image_sha256"]]
    share = np.random.default_rng(1).uniform(size=(2, 12)).astype(np.float32)
    parts = [["test"] * 4 + ["train"] * 4 + ["val"] * 4, ["test"] * 4 + ["val"] * 4 + ["train"] * 4]
    folds = []
    for fold in (0, 1):
        table = manifest.assign(part=parts[fold], decoded="", p_MoS2=share[fold], p_WS2=1 - share[fold])
        table.insert(0, "fold", fold)
        folds.append(table)
    return pd.concat(folds, ignore_index=True)


def score(table: pd.DataFrame) -> dict[str, Any]:
    labels = (table["label"] == "WS2").to_numpy().astype(int)
    predicted = (table["p_WS2"] > table["p_MoS2"]).to_numpy().astype(int)
    found: dict[str, Any] = {}
    rows = {
        (f, p): ((table.fold == f) & (table.part == p)).to_numpy()
        for f in (0, 1)
        for p in table.part.unique()
    }
    for part in ("train", "val", "test"):
        each = [TASK.scores(labels[rows[f, part]], predicted[rows[f, part]]) for f in (0, 1)]
        found[part] = {name: mean_std([scores[name] for scores in each]) for name in each[0]}
    val = (table.part == "val").to_numpy()
    mean = np.mean([table.loc[rows[f, "test"], ["p_MoS2", "p_WS2"]].to_numpy() for f in (0, 1)], axis=0)
    test = labels[rows[0, "test"]]
    found["out_of_fold"] = TASK.scores(labels[val], predicted[val])
    found["ensemble_test"] = TASK.scores(test, mean.argmax(axis=1))
    by_fold = [TASK.score(labels[rows[f, "val"]], predicted[rows[f, "val"]]) for f in (0, 1)]
    return {**found, "best_fold": int(np.argmax(by_fold))}


def whole(found: dict[str, Any]) -> dict[str, Any]:
    """Scores beside all else that an experiment's record holds."""
    pooled = {name: POOLED | found[name] for name in ("out_of_fold", "ensemble_test")}
    shown = {"selection": {"macro_f1": 0.6}, "reliability": RELIABILITY, "test_confusion": [[4.0]]}
    return {**shown, **found, **pooled}


def write(folder: Path, table: pd.DataFrame, scores: dict[str, Any], experiment: str = "mine") -> Path:
    """All records with hashes of their own, as if a stage had written them."""
    place = folder / "data" / "experiments" / "mine"
    place.mkdir(parents=True)
    table.to_parquet(place / PREDICTIONS, index=False)
    write_record(place / SCORES, whole(scores), OF)
    make_facts(scores=score(predictions())).write(place / FACTS, OF)
    experiment_run(experiment).write(place / RUN, OF, [place / PREDICTIONS])
    return place


def test_round_trip(tmp_path: Path) -> None:
    found = Scored.read(write(tmp_path, predictions(), score(predictions())), OF)
    assert found.run == experiment_run("mine")
    assert found.facts.scores == score(predictions())
    assert found.scores == ExperimentScores.parse(whole(score(predictions())))
    pd.testing.assert_frame_equal(found.predictions, predictions(), check_dtype=False)


@pytest.mark.parametrize(
    "key", ["val.macro_f1.mean", "test.accuracy.std", "out_of_fold.accuracy", "ensemble_test.macro_f1"]
)
@pytest.mark.parametrize("value", [0.99, "high", None, -1e-3])
def test_a_raised_score_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    scores = score(predictions())
    *outer, last = key.split(".")
    place = scores
    for name in outer:
        place = place[name]
    place[last] = place[last] + value if value == -1e-3 else value
    folder = write(tmp_path, predictions(), scores)
    with pytest.raises(
        UserError,
        match=rf"scores\.json is not (of predictions\.parquet.*{key}|what tmdscope writes).*crossval@mine",
    ):
        Scored.read(folder, OF)


def swapped(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[[0, 1]] = table.loc[[1, 0]].to_numpy()
    return table


def with_value(column: str, value: Any) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].where(table.index != 3, value)
        return table

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[1:],
        lambda table: table[table["fold"] == 0],
        lambda table: table[::-1],
        lambda table: table[:0],
        lambda table: pd.concat([table, table[:1]]),
        lambda table: table.drop(columns="part"),
        lambda table: table.drop(columns=["p_WS2"]),
        swapped,
        with_value("p_WS2", np.nan),
        with_value("p_WS2", 0.9),
        with_value("image_id", "foreign"),
        with_value("label", "MoS2"),
        with_value("part", "val"),
        with_value("part", "all"),
    ],
    ids=[
        "row missing",
        "fold missing",
        "reversed",
        "empty",
        "row twice",
        "no parts",
        "class missing",
        "swapped",
        "NaN",
        "sum",
        "foreign image",
        "label",
        "part",
        "unknown part",
    ],
)
def test_other_predictions_are_refused(tmp_path: Path, change: Change) -> None:
    folder = write(tmp_path, change(predictions()), score(predictions()))
    with pytest.raises(
        UserError, match=r"(predictions\.parquet|scores\.json).*dvc repro --force crossval@mine$"
    ):
        Scored.read(folder, OF)


def test_predictions_written_later_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, predictions(), score(predictions()))
    predictions().assign(decoded="WS2").to_parquet(folder / PREDICTIONS, index=False)
    with pytest.raises(
        UserError, match=r"predictions\.parquet is not the file that .*run\.json was written with"
    ):
        Scored.read(folder, OF)


def test_records_of_another_experiment_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, predictions(), score(predictions()), "other")
    with pytest.raises(UserError, match=r"run\.json is of experiment 'other', not of 'mine'"):
        Scored.read(folder, OF)


@pytest.mark.parametrize("what", ["data", "split"])
def test_records_of_another_study_are_refused(tmp_path: Path, what: str) -> None:
    folder = write(tmp_path, predictions(), score(predictions()))
    with pytest.raises(UserError, match=rf"run\.json is of other {what}"):
        Scored.read(folder, {**OF, what: "c" * 64})
