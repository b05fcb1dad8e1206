"""Stage `sequential`: materials added one after another (Figure 4); every stage and fold is an MLflow run."""

import os
from functools import partial

import torch

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.sequences import (
    Sequences,
    StageModels,
    TrackedOutcome,
    run_sequential,
    train_tracked,
)
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import files_of
from tmdscope.learn.resume import Resume
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy
from tmdscope.params.images import DataParams, ModelTrackingParams, PrepareParams
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.scores.cohort import Cohort


def run(study: Study) -> None:
    """Train every stage and control, and compare."""
    heads = study.section("sequential", SequentialParams).strategy is Strategy.FEATURES
    sequences = sequences_of(study, study.cohort(study))
    print("\n".join(run_sequential(sequences, partial(train, study), apart=heads)))


def sequences_of(study: Study, cohort: Cohort) -> Sequences:
    """Say what the study's sequences are made of."""
    params, layout = study.section("sequential", SequentialParams), study.layout
    kept_with = (
        study.section("data", DataParams),
        study.section("prepare", PrepareParams),
        study.section("scoring", ScoringParams),
        study.section("tracking", ModelTrackingParams),
    )
    kept = [section.model_dump(mode="json") for section in kept_with]  # with an ended stage
    files = files_of(params.experiment(params.encodings[0], 0), layout.features, layout.pretrained)
    deciding = {"split": layout.split, **files, "kept": kept}
    return Sequences(study, cohort, params, params.training["epochs"], deciding)


def train(study: Study, resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
    """Train the sequences of some encodings; heads of one encoding get a process of their own."""
    keep_freed_memory()
    params, layout = study.section("sequential", SequentialParams), study.layout
    if params.strategy is Strategy.FEATURES:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // len(params.encodings)))
    dataset, cohort = Dataset.load(layout.prepared), study.cohort(study)
    sequences, scoring = sequences_of(study, cohort), study.section("scoring", ScoringParams)
    plan, folds = sequences.plan(encodings), cohort.rows(cohort.read_split(layout.split))
    prepare, origin = study.section("prepare", PrepareParams), study.section("data", DataParams).origin
    compiler = Compiler(dataset, folds, prepare, scoring, origin)
    models = StageModels(params, plan, dataset, layout.features, layout.pretrained, compiler)
    model = study.section("tracking", ModelTrackingParams).model
    return train_tracked(sequences.tracked(plan, resume, models.package, model), models.setup(folds))
