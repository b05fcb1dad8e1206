"""Stage `sequential`: materials added one after another (Figure 4); every stage and fold is an MLflow run."""

import os
from pathlib import Path

import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.sequences import (
    NAME,
    SequenceStudy,
    StageModels,
    TrackedOutcome,
    run_sequential,
    train_tracked,
)
from tmdscope.layout import MAIN
from tmdscope.learn.resume import Resume
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy
from tmdscope.params.images import DataParams, PrepareParams, ModelTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.task import CLASSES
from tmdscope.stage import run_stage


def main() -> None:
    """Train every stage and control, and compare."""
    params = read_section("sequential", SequentialParams)
    study, heads = describe(params, Dataset.load(MAIN.prepared)), params.strategy is Strategy.FEATURES
    print("\n".join(run_sequential(study, train, apart=heads)))


def describe(params: SequentialParams, dataset: Dataset) -> SequenceStudy:
    """Say what the study's sequences are made of."""
    data, prepare = read_section("data", DataParams), read_section("prepare", PrepareParams)
    scoring, tracking = read_section("scoring", ScoringParams), read_section("tracking", ModelTrackingParams)
    kept = [section.model_dump(mode="json") for section in (data, prepare, scoring, tracking)]
    stored = {"features": MAIN.features / "features.npy"} if params.strategy is Strategy.FEATURES else {}
    return SequenceStudy(
        name=tracking.study,
        classes=data.classes,
        manifest=dataset.manifest,
        task=CLASSES,
        params=params,
        epochs=params.training["epochs"],
        scoring=scoring,
        of={"data": dataset.digest, "split": sha256_file(MAIN.split)},
        deciding={
            "split": MAIN.split,
            "weights": MAIN.pretrained,
            **stored,
            "kept": kept,
        },  # kept with an ended stage
        source=MAIN.prepared,
        settings=Path("params.yaml"),
        record=MAIN.sequential / "sequential.json",
        panels=MAIN.sequential / "latent.csv",
        runs=MAIN.sequential / "run.json",
        attempt=MAIN.attempts / NAME,
    )


def train(resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
    """Train the sequences of some encodings; heads of one encoding get a process of their own."""
    keep_freed_memory()
    params = read_section("sequential", SequentialParams)
    if params.strategy is Strategy.FEATURES:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // len(params.encodings)))
    dataset, prepare = Dataset.load(MAIN.prepared), read_section("prepare", PrepareParams)
    study, origin = describe(params, dataset), read_section("data", DataParams).origin
    plan, folds = study.plan(encodings), read_split(MAIN.split, dataset.manifest).rows(dataset.image_ids)
    compiler = Compiler(dataset, folds, prepare, study.scoring, origin)
    models = StageModels(params, plan, dataset, MAIN.features, MAIN.pretrained, compiler)
    model = read_section("tracking", ModelTrackingParams).model
    return train_tracked(study.tracked(plan, resume, models.package, model), models.setup(folds))


if __name__ == "__main__":
    run_stage(main)
