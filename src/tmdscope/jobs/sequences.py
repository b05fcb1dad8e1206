"""Materials added one after another in a study: trained, tracked, compared and written."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from torch import nn

from tmdscope.dataset.splits import FoldParts
from tmdscope.dataset.store import Dataset
from tmdscope.jobs.compiler import Compiler
from tmdscope.jobs.study import Study
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.sequential import Encoding, SequenceParams, SequentialParams
from tmdscope.processes import run_parts
from tmdscope.run_record import NO_RUNS, StageRuns
from tmdscope.scores.cohort import Cohort
from tmdscope.sequential.drift import latent_panels
from tmdscope.sequential.outcome import say_claims, summarise
from tmdscope.sequential.plan import Plan, make_plan
from tmdscope.sequential.record import SequenceRecord, SequenceSettings, StageVersion, write_left_out
from tmdscope.sequential.run import Setup, StageResult, run_sequences
from tmdscope.tracking.crossval import Trained
from tmdscope.tracking.provenance import identity, machine, provenance, whereabouts
from tmdscope.tracking.runs import DataUse, Dossier
from tmdscope.tracking.sequential import Package, TrackedSequences
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device
from tmdscope.vision.targets import Target

NAME = "sequential"

RECORD, PANELS, RUNS = "sequential.json", "latent.csv", "run.json"
"""Files of the folder that it is written into."""


@dataclass(frozen=True)
class Sequences:
    """What a study's sequences are made of: `epochs` of one stage, and what is `deciding`, see `identity`."""

    study: Study
    cohort: Cohort
    params: SequenceParams
    epochs: int
    deciding: Mapping[str, Any]

    @cached_property
    def of(self) -> dict[str, str]:
        """Say what the result is of: data and split."""
        return self.study.of(self.cohort.digest)

    @cached_property
    def tags(self) -> dict[str, str]:
        """Of every run."""
        study, settings = self.study, self.params.model_dump(mode="json")
        made = provenance(study.experiment, self.of["data"], settings)
        return {**made, "experiment": NAME, "split.sha256": self.of["split"]}

    def plan(self, encodings: Sequence[Encoding] | None = None) -> Plan:
        """List what is trained, of some encodings or of all."""
        own = self.params.model_copy(update={"encodings": list(encodings or self.params.encodings)})
        return make_plan(own, self.cohort.classes)

    def open_attempt(self) -> Resume:
        """Go on with interrupted sequences of the same data, settings, class order and code, or begin."""
        found = identity(self.tags, self.plan().order, **self.deciding)
        return Resume.open(self.study.layout.attempts / NAME, found, machine(self.tags))

    def tracked(
        self, plan: Plan, resume: Resume, package: Package | None = None, model: str = ""
    ) -> TrackedSequences:
        """Prepare the tracking of a plan."""
        tracked, source = open_study(self.tags["study"], NAME), self.study.source.as_posix()
        use = DataUse(tracked.name, self.of["data"], source, len(self.cohort), NAME)
        settings = plan.params.model_dump(mode="json")
        return TrackedSequences(tracked, plan, self.tags, use, settings, resume, package, model)


@dataclass(frozen=True)
class TrackedOutcome:
    """What tracked sequences gave, in the plan's order; `runs` is a sequence's name to its run."""

    results: list[StageResult]
    runs: dict[str, str]
    versions: list[StageVersion]


def train_tracked(
    tracked: TrackedSequences, setup: Setup, known: Sequence[StageResult] = ()
) -> TrackedOutcome:
    """Train all that a plan names and track it; `known` are first stages that were there before."""
    with tracked:
        results = run_sequences(tracked.plan, setup, tracked, tracked.resume, known)
    return TrackedOutcome(results, tracked.sequences, tracked.versions)


def run_sequential(
    sequences: Sequences, train: Callable[[Resume, list[Encoding]], TrackedOutcome], apart: bool
) -> list[str]:
    """Train every stage and control, compare, and write it; `sequential.enabled: false` leaves all of it out.

    `train`, a module's function, trains the sequences of some encodings; `apart`: of each in a process of its
    own, which reads the study itself. Gives what is to be said, by lines.
    """
    study, params, of, began = sequences.study, sequences.params, sequences.of, time.monotonic()
    record, panels, runs = (study.layout.sequential / name for name in (RECORD, PANELS, RUNS))
    if not params.enabled:
        write_left_out(record, panels, of)
        NO_RUNS.write(runs, of)
        return [f"not run: sequential.enabled is false in {study.layout.settings}"]
    plan, tracked = sequences.plan(), open_study(study.experiment, NAME)
    metric = sequences.cohort.task.primary
    resume = sequences.open_attempt()
    parts = [[encoding] for encoding in params.encodings] if apart else [params.encodings]
    outcomes = run_parts(partial(train, resume), parts)
    results = [result for outcome in outcomes for result in outcome.results]
    labels = plan.label(sequences.cohort.label_names.tolist())
    cohort = replace(sequences.cohort, targets=labels, classes=plan.order)
    summary = summarise(plan, results, cohort, study.section("scoring", ScoringParams))
    found = SequenceRecord(
        **vars(summary),
        versions=[version for outcome in outcomes for version in outcome.versions],
        settings=SequenceSettings.model_validate(
            {**params.model_dump(mode="json"), "epochs": sequences.epochs}
        ),
        seconds=round(time.monotonic() - began, 1),
        panels=latent_panels(plan, results, cohort.targets, cohort.image_ids.tolist()),
    )
    found.write(record, panels, of, metric)
    made = {name: run for outcome in outcomes for name, run in outcome.runs.items()}
    StageRuns(made, **whereabouts(tracked, sequences.tags)).write(runs, of)
    resume.finish()
    return say_claims(summary, metric)


@dataclass(frozen=True)
class StageModels:
    """Experiments of a sequence's stages on images, and what is kept with the models that are registered.

    `features` is the folder of stored features, read by strategy `features` only; `pretrained` the file of
    simulated weights.
    """

    params: SequentialParams
    plan: Plan
    dataset: Dataset
    features: Path
    pretrained: Path
    compiler: Compiler
    made: dict[tuple[str, ...], Experiment] = field(default_factory=dict)

    def setup(self, folds: Sequence[FoldParts]) -> Setup:
        """Say what the sequence is trained with."""
        samples = self.dataset.manifest["sample_id"].to_numpy()
        heads = self.params.strategy is Strategy.FEATURES
        return Setup(self.make, folds, samples, heads)

    def make(self, encoding: Encoding, target: Target) -> Experiment:
        """Prepare the experiment of some classes."""
        key = (encoding, *target.classes)
        if key not in self.made:
            rest = [name for name in self.dataset.classes if name not in self.plan.order]
            self.made[key] = make_experiment(
                self._settings(encoding),
                self.dataset,
                [*self.plan.order, *rest],
                self.features,
                self.pretrained,
                best_device(),
                target,
            )
        return self.made[key]

    def package(self, result: StageResult) -> Dossier | None:
        """Compile what is kept with a model that is to be registered: of the first seed's sequential arm."""
        training = result.training
        registered = training.volume in self.params.registered and training.seed == self.params.seeds[0]
        if training.arm != "sequential" or not registered:
            return None
        experiment = self.made[training.encoding, *training.stage.classes]
        models: list[nn.Module] = []
        for state in result.states:
            models.append(experiment.build())
            models[-1].load_state_dict(dict(state))
        trained = Trained(experiment, models, result.folds, result.parts)
        return self.compiler.compile(trained, self.plan.params.model_dump(mode="json"))

    def _settings(self, encoding: Encoding) -> ExperimentParams:
        return self.params.experiment(encoding, self.params.seeds[0])
