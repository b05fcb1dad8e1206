"""Stage `sequential`: materials added one after another to heads on the published features (Figure 4)."""

from pathlib import Path

import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import PublishedTables, read_tables
from tmdscope.jobs.sequential import SequenceStudy, TrackedOutcome, run_sequential, train_tracked
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Trainable
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.resume import Resume
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import table_folds
from tmdscope.params.common import ScoringParams, TrainingParams
from tmdscope.params.published_study import PublishedTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, PublishedSequentialParams
from tmdscope.scores.task import CLASSES
from tmdscope.sequential.run import Setup
from tmdscope.stage import run_stage
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Target

PARAMS = Path("pipelines/published_features/params.yaml")
DATA = Path("data/published")
TABLES, SPLIT = DATA / "tables", DATA / "split.json"


def main() -> None:
    """Train every stage and control, and compare."""
    params = read_section("sequential", PublishedSequentialParams, PARAMS)
    print("\n".join(run_sequential(describe(params, read_tables(TABLES)), train, apart=True)))


def describe(params: PublishedSequentialParams, tables: PublishedTables) -> SequenceStudy:
    """Say what the study's sequences are made of."""
    return SequenceStudy(
        name=read_section("tracking", PublishedTrackingParams, PARAMS).study,
        classes=MATERIALS,
        manifest=tables.manifest,
        task=CLASSES,
        params=params,
        epochs=params.training.epochs,
        scoring=read_section("scoring", ScoringParams, PARAMS),
        of={"data": tables.digest},
        deciding={"split": SPLIT},
        source=TABLES,
        settings=PARAMS,
        record=DATA / "sequential.json",
        panels=DATA / "sequential_latent.csv",
        runs=DATA / "sequential_run.json",
        attempt=Path("data/attempts/published-sequential"),
    )


def train(resume: Resume, encodings: list[Encoding]) -> TrackedOutcome:
    """Train the sequences of some encodings in a process of their own."""
    torch.set_num_threads(1)
    params = read_section("sequential", PublishedSequentialParams, PARAMS)
    tables = read_tables(TABLES)
    study = describe(params, tables)
    plan = study.plan(encodings)
    examples = Examples(torch.tensor(tables.features), torch.tensor(plan.label(tables.materials)))
    width = examples.inputs.shape[1]

    def make(_: Encoding, target: Target) -> Trainable:
        return Trainable(target, examples, lambda: Head(width, target.outputs), fit_settings(params.training))

    folds = table_folds(read_split(SPLIT, tables.manifest), tables.image_ids)
    samples = tables.manifest["sample_id"].to_numpy()
    setup = Setup(make, folds, samples, heads=True, dropout=params.training.dropout)
    return train_tracked(study.tracked(plan, resume), setup)


def fit_settings(params: TrainingParams) -> FitSettings:
    """Say how a stage is trained; every training has a seed of its own.

    Classes are balanced by weighted sampling, as in the authors' code for their networks.
    """
    return FitSettings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        checkpoint=CheckpointRule(params.checkpoint),
        sampling="weighted",
        seed=0,
    )


if __name__ == "__main__":
    run_stage(main)
