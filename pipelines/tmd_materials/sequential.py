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
    StageModels,
    TrackedOutcome,
    run_sequential,
    train_tracked,
)
from tmdscope.layout import ATTEMPTS, FEATURES, PREPARED, PRETRAINED, SEQUENTIAL, SPLIT
from tmdscope.learn.experiment import fold_parts
from tmdscope.learn.resume import Resume
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy
from tmdscope.params.materials_study import DataParams, PrepareParams, TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.task import CLASSES
from tmdscope.stage import run_stage


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
    if params.strategy is Strategy.FEATURES:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // len(params.encodings)))
    dataset, prepare = Dataset.load(PREPARED), read_section("prepare", PrepareParams)
    study, origin = describe(params, dataset), read_section("data", DataParams).origin
    plan, folds = study.plan(encodings), fold_parts(read_split(SPLIT, dataset.manifest), dataset)
    compiler = Compiler(dataset, folds, prepare, study.scoring, origin)
    models = StageModels(params, plan, dataset, FEATURES, PRETRAINED, compiler)
    model = read_section("tracking", TrackingParams).model
    return train_tracked(study.tracked(plan, resume, models.package, model), models.setup(folds))


if __name__ == "__main__":
    run_stage(main)
