"""Sequences in MLflow: sequence, stage and fold below one another; interrupted, they end as if run once."""

import os
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import LoggedModelStatus, Run

import tmdscope.sequential.run as run_module
import tmdscope.tracking.runs as runs_module
from tests.sequential.small import ORDER, SETTINGS, assert_same
from tests.tracking.sequences import (
    DATA,
    FOLDS,
    IDENTITY,
    TAGS,
    fork,
    make_plan,
    make_setup,
    packager,
    resume_in,
    run_in,
    track,
)
from tmdscope.jobs.sequences import TrackedOutcome
from tmdscope.sequential.plan import Plan
from tmdscope.sequential.record import StageVersion
from tmdscope.sequential.run import Setup, StageResult
from tmdscope.tracking.models import Program, log_program
from tmdscope.tracking.registration import with_run
from tmdscope.tracking.registry import to_version
from tmdscope.tracking.store import Store, open_study

STAGES = [f"{count}-materials-full" for count in (2, 3, 4)]
EVERY = [STAGES[0], *(s + arm for s in STAGES[1:] for arm in ("", "-direct", "-direct-equal-budget"))]
MODELS = ("-2", "-3", "")

NETWORKS, HEADS = "networks", "heads"
of_networks = pytest.mark.parametrize("unbroken", [NETWORKS], indirect=True)
of_heads = pytest.mark.parametrize("unbroken", [HEADS], indirect=True)
of_both = pytest.mark.parametrize("unbroken", [NETWORKS, HEADS], indirect=True)

Path_ = tuple[str, ...]
"""Names of a run and of those above it, from the sequence down."""

History = dict[str, list[tuple[int, float]]]


def runs_of(study: Store, attempt: str | None = None) -> dict[Path_, Run]:
    """All runs of an attempt, or of a store, by their place; no two have the same."""
    query = "" if attempt is None else f"tags.attempt = '{attempt}'"
    found = {run.info.run_id: run for run in study.client.search_runs([study.experiment_id], query)}

    def path(run: Run) -> Path_:
        parent = run.data.tags.get("mlflow.parentRunId")
        return (*(path(found[parent]) if parent else ()), run.info.run_name)

    paths = Counter(map(path, found.values()))
    assert set(paths.values()) <= {1}, paths
    return {path(run): run for run in found.values()}


def histories(study: Store, runs: Mapping[Path_, Run]) -> dict[Path_, History]:
    """Every metric's points, as the store has them; those that were logged twice show it."""
    points: dict[str, History] = defaultdict(lambda: defaultdict(list))
    with closing(sqlite3.connect(study.uri.removeprefix("sqlite:///"))) as connection:
        query = "select run_uuid, key, step, value from metrics order by step, timestamp"
        for run_id, key, step, value in connection.execute(query):
            points[run_id][key].append((step, value))
    return {path: dict(points[run.info.run_id]) for path, run in runs.items()}


def versions_of(study: Store, model: str) -> dict[str, list[Any]]:
    """Versions of the models of all stages, by name."""
    return {model + end: list(study.client.search_model_versions(f"name = '{model}{end}'")) for end in MODELS}


@dataclass
class Unbroken:
    """A sequence that ran in one go."""

    plan: Plan
    outcome: TrackedOutcome
    attempt: str
    model: str


@pytest.fixture(scope="module")
def quick_export(store: Store) -> Iterator[None]:
    """Log models of no content: an export takes longer than the rest of a sequence."""

    def log(run_id: str, program: Program, name: str) -> str:
        assert program.config.classes == program.ensemble.target.classes
        made = store.client.create_logged_model(store.experiment_id, name=name, source_run_id=run_id)
        store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
        return str(made.model_uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_module, "log_program", log)
        yield


@pytest.fixture(scope="module")
def unbroken(
    store: Store,
    quick_export: None,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Unbroken:
    """Of networks, or of heads where a test asks for them."""
    plan, resume = make_plan(), resume_in(tmp_path_factory.mktemp("unbroken") / "attempt")
    heads = getattr(request, "param", NETWORKS) == HEADS
    model = f"unbroken-{'heads' if heads else 'networks'}"
    outcome = track(store, resume, model, plan, make_setup(plan, heads))
    return Unbroken(plan, outcome, resume.attempt, model)


@of_networks
def test_sequence_stage_and_fold_are_runs_below_one_another(store: Store, unbroken: Unbroken) -> None:
    runs = runs_of(store, unbroken.attempt)
    top = "sequential-multilabel-1"
    folds = [f"fold-{number}" for number in range(FOLDS)]
    assert set(runs) == {
        (top,),
        *((top, stage) for stage in EVERY),
        *((top, stage, fold) for stage in EVERY for fold in folds),
    }
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert unbroken.outcome.runs == {top: runs[top,].info.run_id}
    for path, run in runs.items():
        assert run.data.tags.items() >= TAGS.items()
        assert (run.data.tags["encoding"], run.data.tags["seed"]) == ("multilabel", "1")
        assert run.inputs.dataset_inputs[0].dataset.digest == DATA.sha256[:32]
        if len(path) > 1:
            number = EVERY.index(path[1])
            tags = run.data.tags
            assert tags["stage"] == path[1].removesuffix("-direct-equal-budget").removesuffix(
                "-direct"
            ).removesuffix("-full")
            assert tags["materials"] == ", ".join(ORDER[: 2 + (number + 2) // 3])
            assert (path[1] + "-").startswith(f"{tags['stage']}-{tags['volume']}-")
            assert tags["arm"] == (path[1].split("-full-")[1] if "-full-" in path[1] else "sequential")
        if len(path) > 2:
            assert run.data.tags["fold"] == path[2][-1]
    assert runs[top,].data.params == {"order": str(list(ORDER)), "training.epochs": "2"}


@of_both
def test_runs_hold_the_scores_of_their_training(store: Store, unbroken: Unbroken) -> None:
    runs = runs_of(store, unbroken.attempt)
    found = histories(store, runs)
    for result in unbroken.outcome.results:
        training = result.training
        place = (training.sequence, training.name)
        stage = runs[place].data.metrics
        for key in ("test_macro_f1", "val_accuracy", *(f"test_recall.{c}" for c in training.stage.classes)):
            values = [fold.scores[key] for fold in result.folds]
            assert stage[f"{key}.mean"] == pytest.approx(np.mean(values))
            assert stage[f"{key}.std"] == pytest.approx(np.std(values))
        for fold in result.folds:
            own = found[*place, f"fold-{fold.fold}"]
            epochs = unbroken.plan.epochs(training, SETTINGS.epochs)
            assert {key: points for key, points in own.items() if not key.startswith("epoch_")} == {
                key: [(0, value)] for key, value in fold.scores.items()
            }
            assert own["epoch_val_loss"] == [
                (number, scores.val_loss) for number, scores in enumerate(fold.fit.history, 1)
            ]
            assert len(own["epoch_train_macro_f1"]) == epochs


@of_networks
def test_stages_are_registered_under_their_number_of_classes(store: Store, unbroken: Unbroken) -> None:
    model, runs = unbroken.model, runs_of(store, unbroken.attempt)
    found = versions_of(store, model)
    assert [len(found[model + end]) for end in MODELS] == [1, 1, 1]
    before = "none"
    for number, (end, stage) in enumerate(zip(MODELS, STAGES, strict=True)):
        (version,) = found[model + end]
        run = runs["sequential-multilabel-1", stage]
        assert version.run_id == run.info.run_id
        assert run.data.tags["version"] == f"models:/{model}{end}/1"
        assert len(version.tags) <= 8 - len(("promoted.run", "demoted.run"))
        assert version.tags["experiment"] == f"stage {number + 2}-materials"
        tags = with_run(store.client, to_version(version)).tags
        assert tags["stage"] == f"{number + 2}-materials"
        assert tags["materials"] == ", ".join(ORDER[: number + 2])
        assert (tags["volume"], tags["encoding"], tags["arm"]) == ("full", "multilabel", "sequential")
        assert tags["parent_version"] == before
        assert tags["data.sha256"] == DATA.sha256
        assert tags["split.sha256"] == TAGS["split.sha256"]
        assert tags["epochs"] == str(SETTINGS.epochs * (number + 1))
        before = f"{model}{end}/1"
    assert unbroken.outcome.versions == [
        StageVersion(model + end, 1, "multilabel", count, "full", 1)
        for end, count in zip(MODELS, (2, 3, 4), strict=True)
    ]


class Stop(BaseException):
    """Stands in for whatever ends a process early."""


def stop_between_stages(setup: Setup, stage: int) -> Setup:
    """Raise when what a stage trains is made."""
    made = iter(range(100))

    def make(*arguments: Any) -> Any:
        if next(made) == stage:
            raise KeyboardInterrupt
        return setup.make(*arguments)

    return replace(setup, make=make)


def stop_at_package(plan: Plan, stage: int) -> Any:
    """Raise when a stage's model is to be registered; all of its folds have ended."""
    package = packager(plan)

    def stop(result: StageResult) -> Program | None:
        if result.training.name == STAGES[stage]:
            raise Stop
        return package(result)

    return stop


def statuses(runs: Mapping[Path_, Run]) -> Counter[str]:
    return Counter(run.info.status for run in runs.values())


def check_like_unbroken(
    store: Store, unbroken: Unbroken, attempt: str, model: str, outcome: TrackedOutcome
) -> None:
    """No run is there twice, all are finished, and they hold what those of the unbroken one hold."""
    exact = "networks" in unbroken.model  # products of fewer heads round otherwise
    wanted, runs = runs_of(store, unbroken.attempt), runs_of(store, attempt)
    assert runs.keys() == wanted.keys()
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    theirs, ours = histories(store, wanted), histories(store, runs)
    for path, own in ours.items():
        assert own.keys() == theirs[path].keys()
        for key, points in own.items():
            assert [step for step, _ in points] == [step for step, _ in theirs[path][key]]
            values = [value for _, value in theirs[path][key]]
            assert [value for _, value in points] == (values if exact else pytest.approx(values, abs=1e-4))
    found = versions_of(store, model)
    parents = [
        [with_run(store.client, to_version(version)).tags for version in found[model + end]] for end in MODELS
    ]
    assert [[tags["parent_version"] for tags in known] for known in parents] == [
        ["none"],
        [f"{model}-2/1"],
        [f"{model}-3/1"],
    ]
    assert [entry.materials for entry in outcome.versions] == [2, 3, 4]
    assert outcome.runs.keys() == unbroken.outcome.runs.keys()
    assert_same(outcome.results, unbroken.outcome.results, exact)


@of_heads
def test_a_sequence_that_stops_between_stages_goes_on(
    store: Store, unbroken: Unbroken, tmp_path: Path
) -> None:
    heads = unbroken.model.endswith("heads")
    model, plan = f"between-{heads}", make_plan()
    setup = make_setup(plan, heads)
    first = resume_in(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        track(store, first, model, plan, stop_between_stages(setup, 1))
    assert statuses(runs_of(store, first.attempt)) == {"KILLED": 1, "FINISHED": 1 + FOLDS}
    second = resume_in(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        track(store, second, model, plan, stop_between_stages(setup, 2))
    outcome = track(store, resume_in(tmp_path / "a"), model, plan, setup)
    check_like_unbroken(store, unbroken, first.attempt, model, outcome)


@of_networks
def test_a_sequence_that_stops_in_a_stages_run_goes_on(
    store: Store, unbroken: Unbroken, tmp_path: Path
) -> None:
    heads = unbroken.model.endswith("heads")
    model, plan = f"within-{heads}", make_plan()
    setup = make_setup(plan, heads)
    first = resume_in(tmp_path / "a")
    with pytest.raises(Stop):
        track(store, first, model, plan, setup, stop_at_package(plan, 1))
    runs = runs_of(store, first.attempt)
    assert statuses(runs) == {"FAILED": 2, "FINISHED": 1 + 2 * FOLDS}
    outcome = track(store, resume_in(tmp_path / "a"), model, plan, setup)
    again = runs_of(store, first.attempt)
    assert {path: again[path].info.run_id for path in runs} == {p: r.info.run_id for p, r in runs.items()}
    check_like_unbroken(store, unbroken, first.attempt, model, outcome)


@of_heads
def test_a_run_that_ended_before_its_result_was_stored_is_left_as_it_is(
    store: Store, unbroken: Unbroken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = unbroken.model.endswith("heads")
    model, plan = f"stored-{heads}", make_plan()
    setup, save = make_setup(plan, heads), run_module._save

    def stop(result: StageResult, resume: Any) -> None:
        if result.training.name == STAGES[1]:
            raise Stop
        save(result, resume)

    first = resume_in(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "_save", stop)
        with pytest.raises(Stop):
            track(store, first, model, plan, setup)
    ended = runs_of(store, first.attempt)["sequential-multilabel-1", STAGES[1]].info
    assert ended.status == "FINISHED"
    outcome = track(store, resume_in(tmp_path / "a"), model, plan, setup)
    again = runs_of(store, first.attempt)["sequential-multilabel-1", STAGES[1]].info
    assert (again.run_id, again.end_time) == (ended.run_id, ended.end_time)
    check_like_unbroken(store, unbroken, first.attempt, model, outcome)


def test_a_sequence_that_is_done_leaves_its_runs_alone(
    store: Store, quick_export: None, tmp_path: Path
) -> None:
    plan = make_plan(order=list(ORDER[:3]))
    setup, first = make_setup(plan, heads=True), resume_in(tmp_path / "a")
    one = track(store, first, "done", plan, setup)
    before = {path: run.info.end_time for path, run in runs_of(store, first.attempt).items() if len(path) > 1}
    two = track(store, resume_in(tmp_path / "a"), "done", plan, setup)
    after = {path: run.info.end_time for path, run in runs_of(store, first.attempt).items() if len(path) > 1}
    assert before == after
    assert (one.versions, one.runs) == (two.versions, two.runs)
    assert_same(two.results, one.results)


def test_runs_of_an_abandoned_attempt_are_ended_as_killed(store: Store, tmp_path: Path) -> None:
    plan = make_plan(order=list(ORDER[:3]))
    first = resume_in(tmp_path / "a")
    client = store.client
    left = client.create_run(store.experiment_id, tags={"attempt": first.attempt}, run_name="sequence")
    below = {"attempt": first.attempt, "mlflow.parentRunId": left.info.run_id}
    stage = client.create_run(store.experiment_id, tags=below, run_name=STAGES[0])
    second = resume_in(tmp_path / "a", {**IDENTITY, "data": "2"})
    assert second.abandoned == first.attempt
    track(store, second, "abandoned", plan, make_setup(plan, heads=True), lambda _: None)  # type: ignore[arg-type,return-value]
    for run in (left, stage):
        assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert set(statuses(runs_of(store, second.attempt))) == {"FINISHED"}
    assert not any(versions_of(store, "abandoned").values())  # none was packaged


KILLS = 5
EPOCHS = 6


@pytest.mark.own_process
@pytest.mark.slow
def test_kills_in_the_middle_of_stages_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "log_program", log_program)  # real exports
    maker = fork(open_study, tmp_path, "warm")  # the schema is there before the clock starts
    maker.join()
    began = time.monotonic()
    whole = fork(run_in, tmp_path, tmp_path, "unbroken", EPOCHS)
    whole.join()
    seconds = time.monotonic() - began
    assert (tmp_path / "unbroken.done").exists()
    rng, killed = np.random.default_rng(7), 0
    for kill in range(KILLS):
        process = fork(run_in, tmp_path, tmp_path, "killed", EPOCHS)
        time.sleep(rng.uniform(0.15, 0.6) * seconds * (kill + 2) / KILLS / 2)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if (tmp_path / "killed.done").exists():  # it got through between two kills
            break
        killed += 1
    assert killed > 1
    last = fork(run_in, tmp_path, tmp_path, "killed", EPOCHS)
    last.join()
    assert last.exitcode == 0
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    studies = [open_study(name) for name in ("unbroken", "killed")]
    wanted, got = (runs_of(study) for study in studies)
    assert got.keys() == wanted.keys()
    assert {run.info.status for run in got.values()} == {"FINISHED"}
    assert histories(studies[1], got) == histories(studies[0], wanted)
    assert [len(found) for found in versions_of(studies[1], "killed").values()] == [1, 1, 1]
