"""Stage `sequential`: materials added one after another to heads on the published features (Figure 4)."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.published import PublishedTables, read_tables
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.learn.resume import Resume
from tmdscope.materials import MATERIALS
from tmdscope.models.tabular import table_folds
from tmdscope.params.common import ScoringParams, TrainingParams
from tmdscope.params.published_study import PublishedTrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, PublishedSequentialParams
from tmdscope.processes import run_parts
from tmdscope.sequential.drawing import Held
from tmdscope.sequential.drift import latent_panels
from tmdscope.sequential.outcome import say_claims, summarise
from tmdscope.sequential.plan import make_plan
from tmdscope.sequential.run import Bench, Heads
from tmdscope.stage import run_stage
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.sequential import (
    SequenceFiles,
    SequenceOutcome,
    merge,
    track_sequences,
    write_disabled,
    write_outcome,
)
from tmdscope.tracking.store import open_study
from tmdscope.vision.classifier import Head
from tmdscope.vision.targets import Target

NAME = "sequential"
PARAMS = Path("pipelines/published_features/params.yaml")
TABLES = Path("data/published/tables")
SPLIT = Path("data/published/split.json")
ATTEMPT = Path("data/attempts/published-sequential")
FILES = SequenceFiles(
    found=Path("data/published/sequential.json"),
    panels=Path("data/published/sequential_latent.csv"),
    runs=Path("data/published/sequential_run.json"),
)


def main() -> None:
    """Train every stage and control, and compare; `sequential.enabled: false` leaves all of it out."""
    params = read_section("sequential", PublishedSequentialParams, PARAMS)
    scoring = read_section("scoring", ScoringParams, PARAMS)
    tables = read_tables(TABLES)
    of = {"data": tables.digest}
    if not params.enabled:
        write_disabled(FILES, of)
        print(f"not run: sequential.enabled is false in {PARAMS}")
        return
    began = time.monotonic()
    study = open_study(read_section("tracking", PublishedTrackingParams, PARAMS).study)
    tags = make_tags(params, tables, study.name)
    plan = make_plan(params, MATERIALS)
    resume = Resume.open(ATTEMPT, identity(tags, plan.order, split=SPLIT), machine(tags))
    outcome = merge(run_parts(partial(train, resume), params.encodings))
    labels = plan.label(tables.materials)
    held = Held(labels, np.array(tables.sample_ids), scoring.bootstrap, scoring.seed)
    found = summarise(plan, outcome.results, held)
    settings = {**params.model_dump(mode="json"), "epochs": params.training.epochs}
    facts = {"settings": settings, "seconds": round(time.monotonic() - began, 1)}
    panels = latent_panels(plan, outcome.results, labels, tables.image_ids)
    write_outcome(FILES, study, tags, outcome, {**facts, **found}, panels, of)
    resume.finish()
    print("\n".join(say_claims(found)))


def train(resume: Resume, encoding: Encoding) -> SequenceOutcome:
    """Train the sequences of one encoding, each in a process of its own."""
    torch.set_num_threads(1)
    params = read_section("sequential", PublishedSequentialParams, PARAMS)
    own = params.model_copy(update={"encodings": [encoding]})
    study = open_study(read_section("tracking", PublishedTrackingParams, PARAMS).study)
    tables = read_tables(TABLES)
    plan = make_plan(own, MATERIALS)
    examples = Examples(torch.tensor(tables.features), torch.tensor(plan.label(tables.materials)))
    width = examples.inputs.shape[1]

    def make(_: Encoding, target: Target) -> Heads:
        return Heads(target, examples, lambda: Head(width, target.outputs), fit_settings(params.training))

    folds = table_folds(read_split(SPLIT, tables.manifest), tables.image_ids)
    bench = Bench(make, folds, np.array(tables.sample_ids), heads=True, dropout=params.training.dropout)
    data = DataUse(study.name, tables.digest, TABLES.as_posix(), len(tables.labels), NAME)
    tags = make_tags(params, tables, study.name)
    return track_sequences(study, plan, bench, tags, data, own.model_dump(mode="json"), resume)


def make_tags(params: PublishedSequentialParams, tables: PublishedTables, study: str) -> dict[str, str]:
    """Collect the tags of every run."""
    return {**provenance(study, tables.digest, params.model_dump(mode="json")), "experiment": NAME}


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
