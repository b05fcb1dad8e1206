"""The job that both studies' stages `sequential` are: trained, tracked, compared and written."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.sequential import small
from tests.support.cohorts import make_cohort
from tmdscope.jobs import sequences as job
from tmdscope.jobs.sequences import Sequences, StageModels, TrackedOutcome, run_sequential, train_tracked
from tmdscope.layout import Layout
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.resume import Resume
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams
from tmdscope.params.sequential import Encoding, SequenceParams, SequentialParams
from tmdscope.record import read_record
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.plan import Plan
from tmdscope.sequential.record import SequenceRecord
from tmdscope.sequential.run import run_sequences
from tmdscope.tracking.store import open_study

LABELS = np.array([small.CLASSES.index(name) for name in small.NAMES])
COHORT = make_cohort(None, small.SAMPLE_IDS, LABELS, small.CLASSES)
BOTH: list[Encoding] = ["multiclass", "multilabel"]


def sequences_in(folder: Path, params: SequenceParams) -> Sequences:
    study: Any = SimpleNamespace(
        experiment="sequences",
        layout=Layout(str(folder)),  # an absolute name is the folder itself
        source=Path("data"),
        section=lambda *_: ScoringParams(bootstrap=100, seed=1),
        of=lambda _: {"data": "ab" * 32, "split": "cd" * 32},
    )
    return Sequences(study, COHORT, params, small.SETTINGS.epochs, {"split": "cd"})


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of its own; parts run one after another: nothing is imported anew."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(job, "run_parts", lambda work, parts: [work(part) for part in parts])


def read(sequences: Sequences) -> SequenceRecord | None:
    folder = sequences.study.layout.sequential
    return SequenceRecord.read(folder / job.RECORD, folder / job.PANELS, sequences.of, CLASSES.primary)


@pytest.mark.usefixtures("in_process")
def test_encodings_that_ran_apart_are_one_record(tmp_path: Path) -> None:
    sequences = sequences_in(
        tmp_path, small.params(encodings=BOTH, order=list(small.ORDER[:3]), volumes=["full"])
    )
    asked: list[list[Encoding]] = []

    def train(resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
        asked.append(encodings)
        plan = sequences.plan(encodings)
        return train_tracked(sequences.tracked(plan, resume), small.setup_of(plan))

    said = run_sequential(sequences, train, apart=True)
    assert asked == [["multiclass"], ["multilabel"]]
    assert [line.split(",")[0] for line in said] == [
        *(f"sequential - {arm} {name}" for arm in ("direct", "direct-equal-budget") for name in BOTH),
        "multilabel - multiclass",
    ]
    record = read(sequences)
    assert record is not None
    assert [chain.encoding for chain in record.chains] == BOTH
    assert {(point.arm, point.encoding) for point in record.points} == {
        (arm, name) for arm in ("sequential", "direct", "direct-equal-budget", "other-start") for name in BOTH
    }
    assert list(dict.fromkeys(record.panels["encoding"])) == BOTH
    assert (record.settings.encodings, record.settings.epochs) == (BOTH, small.SETTINGS.epochs)
    runs = read_record(sequences.study.layout.sequential / job.RUNS, sequences.of)
    assert set(runs["runs"]) == {"sequential-multiclass-1", "sequential-multilabel-1"}
    client = open_study("sequences").client
    for name, run_id in runs["runs"].items():
        run = client.get_run(run_id)
        assert (run.info.run_name, run.info.status) == (name, "FINISHED")
        assert run.data.tags.items() >= {"experiment": "sequential", "split.sha256": "cd" * 32}.items()
    assert not (sequences.study.layout.attempts / job.NAME).exists()


@pytest.mark.usefixtures("in_process")
def test_sequences_that_are_left_out_write_every_file_and_train_nothing(tmp_path: Path) -> None:
    sequences = sequences_in(tmp_path, small.params(enabled=False, order=["no such class"]))
    said = run_sequential(sequences, lambda *_: pytest.fail("trained"), apart=False)
    assert len(said) == 1
    assert said[0].startswith("not run: sequential.enabled is false in ")
    assert read(sequences) is None
    assert json.loads((sequences.study.layout.sequential / job.RUNS).read_text())["runs"] == {}
    assert not (tmp_path / "mlruns").exists()


TRAINING = {
    "strategy": "features",
    "architecture": "resnet18",
    "weights": "imagenet-v1",
    "flips": False,
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.01,
    "dropout": 0.25,
    "checkpoint": "last",
}


def models_of(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> tuple[StageModels, list[Any]]:
    """Models of heads on features, and what their compiler is given."""
    compiled: list[Any] = []

    def make(settings: ExperimentParams, data: Any, classes: Any, *rest: Any) -> Experiment:
        assert (settings.target, tuple(classes)) == ("multiclass", small.ORDER)
        made = small.setup_of(plan).make("multiclass", rest[-1])
        return Experiment(*vars(made).values(), assemble=lambda _: NotImplemented, config=None)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "make_experiment", make)
    content = {**small.params().model_dump(mode="json"), "training": TRAINING, "registered": ["full"]}
    return (
        StageModels(
            params=SequentialParams.model_validate(content),
            plan=plan,
            dataset=SimpleNamespace(manifest=COHORT.manifest, classes=small.CLASSES),  # type: ignore[arg-type]
            features=Path("features"),
            pretrained=Path("backbone"),
            compiler=SimpleNamespace(compile=lambda *given: compiled.append(given) or "dossier"),  # type: ignore[arg-type]
        ),
        compiled,
    )


def test_models_of_registered_volumes_are_kept_with_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small.plan_of(volumes=["full", 8], measure_leak=False)
    models, compiled = models_of(plan, monkeypatch)
    setup = models.setup(small.folds())
    assert setup.heads
    heard = small.Heard()
    run_sequences(plan, setup, heard)
    assert len(models.made) == len(plan.stages)  # one for every stage, whatever is trained of it
    kept = [result for result in heard.of("result") if models.package(result) is not None]
    assert [result.training.name for result in kept] == [f"{count}-materials-full" for count in (2, 3, 4)]
    for result, (trained, settings) in zip(kept, compiled, strict=True):
        assert settings == plan.params.model_dump(mode="json")
        assert (trained.results, trained.folds) == (result.folds, result.parts)
        for model, state in zip(trained.models, result.states, strict=True):
            assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
