"""A tiny tracked sequence, and processes forked from a test that run it in a folder until killed or done."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.sequential.small import FEATURES, ORDER, SETTINGS, plan_of, setup_of
from tests.tracking.programs import make_dossier
from tmdscope.jobs.sequences import TrackedOutcome, train_tracked
from tmdscope.learn.resume import Resume
from tmdscope.sequential.plan import Plan
from tmdscope.sequential.run import Setup, StageResult, stage_target
from tmdscope.tracking.models import Program
from tmdscope.tracking.runs import DataUse, Dossier
from tmdscope.tracking.sequential import Package, TrackedSequences
from tmdscope.tracking.store import Store, open_study
from tmdscope.vision.classifier import Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.published import GREY_NORMALISATION
from tmdscope.vision.targets import Multilabel

SIZE_PX, FOLDS = 8, 2
DATA = DataUse("features", "ef" * 32, "data/features", 96, "sequential")
TAGS = {"study": "sequences", "split.sha256": "12" * 32}
IDENTITY = {"data": "1"}


def make_plan(**changes: Any) -> Plan:
    """Three stages at full volume with their controls: seven trainings."""
    return plan_of(**{"volumes": ["full"], "encodings": ["multilabel"], "measure_leak": False, **changes})


def make_setup(plan: Plan, heads: bool = False, epochs: int = SETTINGS.epochs) -> Setup:
    """Networks that checkpoint, or heads, in two folds."""
    setup = setup_of(plan, heads, replace(SETTINGS, epochs=epochs), dropout=0.0 if heads else 0.2)
    return replace(setup, folds=setup.folds[:FOLDS])


def packager(plan: Plan) -> Package:
    """Make dossiers of sequential stages: heads on a backbone of a few weights, exported in no time."""

    def package(result: StageResult) -> Dossier | None:
        if result.training.arm != "sequential":
            return None
        torch.manual_seed(1)
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, FEATURES))
        target = stage_target(plan, result.training)
        heads = [Head(FEATURES, target.outputs) for _ in result.states]
        for head, state in zip(heads, result.states, strict=True):
            head.load_state_dict(dict(state))
        atoms = target.atoms if isinstance(target, Multilabel) else None
        config = EnsembleConfig(
            "resnet18", target.name, target.classes, SIZE_PX, len(heads), True, GREY_NORMALISATION, atoms
        )
        ensemble = Ensemble([Backbone(pool, GREY_NORMALISATION)], heads, target).eval()
        return make_dossier(Program(ensemble, config))

    return package


def resume_in(folder: Path, identity: Mapping[str, str] = IDENTITY) -> Resume:
    """Open the attempt in a folder; every epoch is a checkpoint."""
    return Resume.open(folder, identity, {"threads": "1"}, every_s=0)


def track(
    study: Store,
    resume: Resume,
    model: str,
    plan: Plan | None = None,
    setup: Setup | None = None,
    package: Package | None = None,
) -> TrackedOutcome:
    """Run the sequence and register its stages."""
    plan = plan or make_plan()
    setup = setup or make_setup(plan)
    settings = {"order": list(ORDER), "training": {"epochs": 2}}
    tracked = TrackedSequences(study, plan, TAGS, DATA, settings, resume, package or packager(plan), model)
    return train_tracked(tracked, setup)


def run_in(folder: Path, name: str, epochs: int) -> None:
    """Run the sequence in a folder, going on with what it holds; a file says that it is done."""
    torch.set_num_threads(1)
    plan = make_plan()
    track(open_study(name), resume_in(folder / name), name, plan, make_setup(plan, epochs=epochs))
    (folder / f"{name}.done").touch()


def fork(work: Callable[..., object], folder: Path, *arguments: Any) -> ForkProcess:
    """Start a process that is this one's copy, with a store in a folder: nothing is imported anew."""

    def run() -> None:
        os.environ["DVC_ROOT"] = str(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        work(*arguments)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process
