"""Stage `sequential`: materials added one after another (Figure 4); every stage and fold is an MLflow run."""

import os
from pathlib import Path

import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.sequential import (
    NAME,
    SequenceStudy,
    TrackedOutcome,
    restored,
    run_sequential,
    train_tracked,
)
from tmdscope.layout import ATTEMPTS, FEATURES, PREPARED, PRETRAINED, SEQUENTIAL, SPLIT
from tmdscope.learn.experiment import Experiment, fold_parts, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy
from tmdscope.params.materials_study import DataParams, PrepareParams, TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.run import Setup, StageResult
from tmdscope.stage import run_stage
from tmdscope.tracking.dossier import Dossier
from tmdscope.vision.features import best_device
from tmdscope.vision.targets import Target


def main() -> None:
    """Train every stage and control, and compare."""
    params = read_section("sequential", SequentialParams)
    study, heads = describe(params, Dataset.load(PREPARED)), params.strategy is Strategy.FEATURES
    print("\n".join(run_sequential(study, train, apart=heads)))


def describe(params: SequentialParams, dataset: Dataset) -> SequenceStudy:
    """Say what the study's sequences are made of."""
    data, prepare = read_section("data", DataParams), read_section("prepare", PrepareParams)
    scoring, tracking = read_section("scoring", ScoringParams), read_section("tracking", TrackingParams)
    kept = [section.model_dump(mode="json") for section in (data, prepare, scoring, tracking)]
    stored = {"features": FEATURES / "features.npy"} if params.strategy is Strategy.FEATURES else {}
    return SequenceStudy(
        name=tracking.study,
        classes=data.classes,
        manifest=dataset.manifest,
        task=CLASSES,
        params=params,
        epochs=params.training["epochs"],
        scoring=scoring,
        of={"data": dataset.digest, "split": sha256_file(SPLIT)},
        deciding={"split": SPLIT, "weights": PRETRAINED, **stored, "kept": kept},  # kept with an ended stage
        source=PREPARED,
        settings=Path("params.yaml"),
        record=SEQUENTIAL / "sequential.json",
        panels=SEQUENTIAL / "latent.csv",
        runs=SEQUENTIAL / "run.json",
        attempt=ATTEMPTS / NAME,
    )


def train(resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
    """Train the sequences of some encodings; heads of one encoding get a process of their own."""
    keep_freed_memory()
    params = read_section("sequential", SequentialParams)
    heads = params.strategy is Strategy.FEATURES
    if heads:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // len(params.encodings)))
    dataset = Dataset.load(PREPARED)
    study = describe(params, dataset)
    plan = study.plan(encodings)
    classes = [*plan.order, *(name for name in dataset.classes if name not in plan.order)]
    made: dict[tuple[str, int], Experiment] = {}

    def make(encoding: Encoding, target: Target) -> Experiment:
        settings = params.experiment(encoding, 0)
        experiment = make_experiment(settings, dataset, classes, FEATURES, PRETRAINED, best_device(), target)
        made[encoding, len(target.classes)] = experiment
        return experiment

    def package(result: StageResult) -> Dossier | None:
        training = result.training
        registered = training.volume in params.registered and training.seed == params.seeds[0]
        if training.arm != "sequential" or not registered:
            return None
        experiment = made[training.encoding, len(training.stage.classes)]
        return compiler.compile(restored(experiment, result), plan.params.model_dump(mode="json"))

    folds = fold_parts(read_split(SPLIT, dataset.manifest), dataset)
    data, tracking = read_section("data", DataParams), read_section("tracking", TrackingParams)
    prepare = read_section("prepare", PrepareParams)
    compiler = Compiler(dataset, folds, prepare, study.scoring, data.origin)
    samples, dropout = dataset.manifest["sample_id"].to_numpy(), params.experiment(encodings[0], 0).dropout
    setup = Setup(make, folds, samples, heads, dropout)
    return train_tracked(study.tracked(plan, resume, package, tracking.model), setup)


if __name__ == "__main__":
    run_stage(main)
