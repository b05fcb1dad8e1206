"""Stage `sequential`: materials added one after another (Figure 4); every stage and fold is an MLflow run."""

import os
import time
from functools import partial

import torch

from tmdscope.dataset.audit import read_split
from tmdscope.dataset.store import Dataset
from tmdscope.files import sha256_file
from tmdscope.jobs.compiler import Compiler
from tmdscope.layout import ATTEMPTS, FEATURES, PREPARED, PRETRAINED, SEQUENTIAL, SPLIT
from tmdscope.learn.experiment import Experiment, fold_parts, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.memory import keep_freed_memory
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import Strategy
from tmdscope.params.materials_study import DataParams, PrepareParams, TrackingParams
from tmdscope.params.reading import read_section
from tmdscope.params.sequential import Encoding, SequentialParams
from tmdscope.processes import run_parts
from tmdscope.sequential.drawing import Held
from tmdscope.sequential.drift import latent_panels
from tmdscope.sequential.outcome import say_claims, summarise
from tmdscope.sequential.plan import Plan, make_plan
from tmdscope.sequential.run import Bench, StageResult
from tmdscope.stage import run_stage
from tmdscope.tracking.dossier import Dossier
from tmdscope.tracking.provenance import identity, machine, provenance
from tmdscope.tracking.runs import DataUse
from tmdscope.tracking.sequential import (
    SequenceFiles,
    SequenceOutcome,
    gather,
    merge,
    track_sequences,
    write_disabled,
    write_outcome,
)
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device
from tmdscope.vision.targets import Target

NAME = "sequential"
FILES = SequenceFiles(
    found=SEQUENTIAL / "sequential.json",
    panels=SEQUENTIAL / "latent.csv",
    runs=SEQUENTIAL / "run.json",
)


def main() -> None:
    """Train every stage and control, and compare; `sequential.enabled: false` leaves all of it out."""
    params = read_section("sequential", SequentialParams)
    scoring = read_section("scoring", ScoringParams)
    dataset, began = Dataset.load(PREPARED), time.monotonic()
    of = {"data": dataset.digest, "split": sha256_file(SPLIT)}
    if not params.enabled:
        write_disabled(FILES, of)
        print("not run: sequential.enabled is false in params.yaml")
        return
    plan = read_plan(params)
    study = open_study(read_section("tracking", TrackingParams).study)
    tags = make_tags(params, dataset, study.name)
    resume = open_attempt(params, plan, tags)
    if params.strategy is Strategy.FEATURES:
        outcome = merge(run_parts(partial(train, resume), [[encoding] for encoding in params.encodings]))
    else:
        outcome = train(resume, params.encodings)
    labels = plan.label(dataset.manifest["material"].tolist())
    samples = dataset.manifest["sample_id"].to_numpy()
    found = summarise(plan, outcome.results, Held(labels, samples, scoring.bootstrap, scoring.seed))
    panels = latent_panels(plan, outcome.results, labels, dataset.manifest["image_id"].tolist())
    settings = {**params.model_dump(mode="json"), "epochs": params.training["epochs"]}
    facts = {"settings": settings, "seconds": round(time.monotonic() - began, 1)}
    write_outcome(FILES, study, tags, outcome, {**facts, **found}, panels, of)
    resume.finish()
    print("\n".join(say_claims(found)))


def train(resume: Resume, encodings: list[Encoding]) -> SequenceOutcome:
    """Train the sequences of some encodings; heads of one encoding get a process of their own."""
    keep_freed_memory()
    params = read_section("sequential", SequentialParams)
    tracking = read_section("tracking", TrackingParams)
    dataset, study = Dataset.load(PREPARED), open_study(tracking.study)
    own = params.model_copy(update={"encodings": encodings})
    plan = read_plan(own)
    if params.strategy is Strategy.FEATURES:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // len(params.encodings)))
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
        return compiler.compile(gather(experiment, result), own.model_dump(mode="json"))

    folds = fold_parts(read_split(SPLIT, dataset.manifest), dataset)
    prepare, scoring = read_section("prepare", PrepareParams), read_section("scoring", ScoringParams)
    compiler = Compiler(dataset, folds, prepare, scoring, read_section("data", DataParams).origin)
    bench = Bench(
        make,
        folds,
        dataset.manifest["sample_id"].to_numpy(),
        heads=params.strategy is Strategy.FEATURES,
        dropout=params.experiment(encodings[0], 0).dropout,
    )
    data = DataUse(study.name, dataset.digest, PREPARED.as_posix(), len(dataset.images), NAME)
    tags = make_tags(params, dataset, study.name)
    settings = own.model_dump(mode="json")
    return track_sequences(study, plan, bench, tags, data, settings, resume, package, tracking.model)


def read_plan(params: SequentialParams) -> Plan:
    """List what is trained, on the study's classes."""
    return make_plan(params, read_section("data", DataParams).classes)


def open_attempt(params: SequentialParams, plan: Plan, tags: dict[str, str]) -> Resume:
    """Go on with interrupted sequences of the same data, settings, class order and code, or begin them."""
    files = {"split": SPLIT, "weights": PRETRAINED}
    if params.strategy is Strategy.FEATURES:
        files["features"] = FEATURES / "features.npy"
    kept = [
        section.model_dump(mode="json")
        for section in (
            read_section("data", DataParams),
            read_section("prepare", PrepareParams),
            read_section("scoring", ScoringParams),
            read_section("tracking", TrackingParams),
        )
    ]
    found = identity(tags, plan.order, kept=kept, **files)  # what is kept with a stage that has ended
    return Resume.open(ATTEMPTS / NAME, found, machine(tags))


def make_tags(params: SequentialParams, dataset: Dataset, study: str) -> dict[str, str]:
    """Collect the tags of every run."""
    tags = provenance(study, dataset.digest, params.model_dump(mode="json"))
    return {**tags, "experiment": NAME, "split.sha256": sha256_file(SPLIT)}


if __name__ == "__main__":
    run_stage(main)
