"""Materials added one after another in a study: trained, tracked, compared and written."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.compiler import Compiler
from tmdscope.learn.crossval import FoldParts
from tmdscope.learn.experiment import Experiment, make_experiment
from tmdscope.learn.resume import Resume
from tmdscope.learn.summary import Cohort
from tmdscope.params.common import ScoringParams
from tmdscope.params.experiments import ExperimentParams, Strategy
from tmdscope.params.sequential import Encoding, SequenceParams, SequentialParams
from tmdscope.processes import run_parts
from tmdscope.record import write_record
from tmdscope.scores.task import Task
from tmdscope.sequential.drift import latent_panels
from tmdscope.sequential.outcome import say_claims, summarise
from tmdscope.sequential.plan import Plan, make_plan
from tmdscope.sequential.record import SequenceRecord, Settings, StageVersion, write_left_out
from tmdscope.sequential.run import Setup, StageResult, run_sequences
from tmdscope.tracking.crossval import Trained
from tmdscope.tracking.provenance import identity, machine, provenance, whereabouts
from tmdscope.tracking.runs import DataUse, Dossier
from tmdscope.tracking.sequential import Package, TrackedSequences
from tmdscope.tracking.store import open_study
from tmdscope.vision.features import best_device
from tmdscope.vision.targets import Target

NAME = "sequential"


@dataclass(frozen=True)
class SequenceStudy:
    """What a study's sequences are made of, and where they are written.

    Attributes
    ----------
    name : str
        Of the MLflow experiment.
    classes : sequence of str
        As the data have them.
    manifest : pandas.DataFrame
        A row per image: ``image_id``, ``sample_id``, ``material``, ``image_sha256``.
    epochs : int
        Of one stage.
    of, deciding : mapping
        What the result is of: ``data`` and, where a record names it, ``split``, to a SHA-256; and what else
        decides it, see `tmdscope.tracking.provenance.identity`.
    source, settings : Path
        Where the images, and `params`, are from.
    """

    name: str
    classes: Sequence[str]
    manifest: pd.DataFrame
    task: Task
    params: SequenceParams
    epochs: int
    scoring: ScoringParams
    of: Mapping[str, str]
    deciding: Mapping[str, Any]
    source: Path
    settings: Path
    record: Path
    panels: Path
    runs: Path
    attempt: Path

    @cached_property
    def tags(self) -> dict[str, str]:
        """Of every run."""
        made = provenance(self.name, self.of["data"], self.params.model_dump(mode="json"))
        return {**made, "experiment": NAME} | (
            {"split.sha256": self.of["split"]} if "split" in self.of else {}
        )

    def plan(self, encodings: Sequence[Encoding] | None = None) -> Plan:
        """List what is trained, of some encodings or of all."""
        own = self.params.model_copy(update={"encodings": list(encodings or self.params.encodings)})
        return make_plan(own, self.classes)

    def open_attempt(self) -> Resume:
        """Go on with interrupted sequences of the same data, settings, class order and code, or begin."""
        found = identity(self.tags, self.plan().order, **self.deciding)
        return Resume.open(self.attempt, found, machine(self.tags))

    def tracked(
        self, plan: Plan, resume: Resume, package: Package | None = None, model: str = ""
    ) -> TrackedSequences:
        """Prepare the tracking of a plan."""
        use = DataUse(self.name, self.of["data"], self.source.as_posix(), len(self.manifest), NAME)
        settings = plan.params.model_dump(mode="json")
        return TrackedSequences(open_study(self.name), plan, self.tags, use, settings, resume, package, model)


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
    study: SequenceStudy, train: Callable[[Resume, list[Encoding]], TrackedOutcome], apart: bool
) -> list[str]:
    """Train every stage and control, compare, and write it; `sequential.enabled: false` leaves all of it out.

    `train`, a module's function, trains the sequences of some encodings; `apart`: of each in a process of its
    own, which reads the study itself. Gives what is to be said, by lines.
    """
    params, began, metric = study.params, time.monotonic(), study.task.primary
    if not params.enabled:
        write_left_out(study.record, study.panels, study.of)
        write_record(study.runs, {"runs": {}}, study.of)
        return [f"not run: sequential.enabled is false in {study.settings}"]
    plan, tracked = study.plan(), open_study(study.name)
    resume = study.open_attempt()
    parts = [[encoding] for encoding in params.encodings] if apart else [params.encodings]
    outcomes = run_parts(partial(train, resume), parts)
    results = [result for outcome in outcomes for result in outcome.results]
    cohort = cohort_of(plan, study.manifest, study.scoring, study.task)
    summary = summarise(plan, results, cohort)
    record = SequenceRecord(
        **vars(summary),
        versions=[version for outcome in outcomes for version in outcome.versions],
        settings=Settings.model_validate({**params.model_dump(mode="json"), "epochs": study.epochs}),
        seconds=round(time.monotonic() - began, 1),
        panels=latent_panels(plan, results, cohort.labels, study.manifest["image_id"].tolist()),
    )
    record.write(study.record, study.panels, study.of, metric)
    runs = {name: run for outcome in outcomes for name, run in outcome.runs.items()}
    write_record(study.runs, {**whereabouts(tracked, study.tags), "runs": runs}, study.of)
    resume.finish()
    return say_claims(summary, metric)


def cohort_of(plan: Plan, manifest: pd.DataFrame, scoring: ScoringParams, task: Task) -> Cohort:
    """Give the images of a plan, labelled in the order of the classes' coming."""
    return Cohort(
        task,
        plan.label(manifest["material"].tolist()),
        manifest["sample_id"].to_numpy(),
        ~manifest["image_sha256"].duplicated().to_numpy(),
        scoring.bootstrap,
        scoring.seed,
    )


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
        return Setup(self.make, folds, samples, heads, self._settings(self.params.encodings[0]).dropout)

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
