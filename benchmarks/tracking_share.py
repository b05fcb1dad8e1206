"""What tracking costs in a cross-validation, and whether memory stays flat; measured once, no baseline."""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from tests.tracking.programs import make_facts
from torch import nn

from benchmarks.pictures import CLASSES, make_pictures
from benchmarks.train_resnet18 import ARCHITECTURE, BATCH
from benchmarks.worker import worker
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.checkpoint import CheckpointRule
from tmdscope.learn.experiment import Experiment
from tmdscope.learn.fit import Examples, FitSettings
from tmdscope.memory import keep_freed_memory
from tmdscope.tracking import runs
from tmdscope.tracking.crossval import Trained, track_experiment
from tmdscope.tracking.models import log_program
from tmdscope.tracking.runs import DataUse, Dossier, TrackedRun
from tmdscope.tracking.store import Store, open_study
from tmdscope.vision.augment import FLIPS
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.classifier import Backbone, Classifier, Ensemble, EnsembleConfig, Head
from tmdscope.vision.features import best_device
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.published import IMAGENET_NORMALISATION
from tmdscope.vision.targets import Multiclass

NAME = "tracking-share"

IMAGES, SIZE_PX, FOLDS, EPOCHS = 240, 64, 3, 20


def report() -> dict[str, Any]:
    """Cross-validate in a process of its own and say where the time went.

    Returns
    -------
    dict
        ``share`` of the wall time spent in MLflow; ``share_without_export``, that of everything but
        logging the model; ``export_s``, the seconds of that; ``peak_mb``: peak memory of the
        process in MiB after the first and the last epoch of the first fold, and after the first and the
        last fold.
    """
    measured: dict[str, Any] = worker(prepare, IMAGES, EPOCHS).work()
    return measured


def prepare(images: int, epochs: int) -> Callable[[], dict[str, Any]]:
    """Set up a store and an experiment.

    Parameters
    ----------
    images : int
        Number of images.
    epochs : int
        Of each fold.

    Returns
    -------
    callable
        Cross-validates and measures.
    """
    keep_freed_memory()
    folder = tempfile.TemporaryDirectory(prefix="tmdscope-")
    os.environ["DVC_ROOT"] = folder.name
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    study, experiment, folds = open_study("benchmark"), make_experiment(images, epochs), make_folds(images)

    def work() -> dict[str, Any]:
        assert Path(folder.name).is_dir()
        return measure_tracking(study, experiment, folds)

    return work


def measure_tracking(study: Store, experiment: Experiment, folds: list[FoldParts]) -> dict[str, Any]:
    """Cross-validate and measure what tracking takes.

    Parameters
    ----------
    study : Store
        An open store.
    experiment : Experiment
        What to run.
    folds : list of FoldParts
        The folds.

    Returns
    -------
    dict
        As `report`.
    """
    stopwatch, client = Stopwatch(), study.client
    after_epoch: list[int] = []
    after_run: list[int] = []

    def log_batch(*arguments: Any, **entries: Any) -> None:
        after_epoch.append(peak_mb())
        stopwatch.call("log", original, *arguments, **entries)

    def set_terminated(*arguments: Any, **entries: Any) -> None:
        after_run.append(peak_mb())
        stopwatch.call("log", ended, *arguments, **entries)

    original, ended = client.log_batch, client.set_terminated
    data = DataUse("pictures", "0" * 64, "memory", len(experiment.examples.labels), "benchmark")
    begin = time.perf_counter()
    with (
        patch.object(client, "log_batch", log_batch),
        patch.object(client, "create_run", stopwatch.wrap("log", client.create_run)),
        patch.object(client, "log_inputs", stopwatch.wrap("log", client.log_inputs)),
        patch.object(client, "set_terminated", set_terminated),
        patch.object(runs, "log_program", stopwatch.wrap("export", log_program)),
    ):
        track_experiment(study, "benchmark", {}, data, experiment, folds, keep_program)
    wall = time.perf_counter() - begin
    log, exports = sum(stopwatch.seconds["log"]), stopwatch.seconds["export"]
    epochs = experiment.settings.epochs
    return {
        "benchmark": NAME,
        "wall_s": round(wall, 2),
        "share": round((log + sum(exports)) / wall, 4),
        "share_without_export": round(log / wall, 4),
        "export_s": round(sum(exports), 2),
        "peak_mb": {
            "first epoch": after_epoch[0],
            "last epoch": after_epoch[epochs - 1],
            "first fold": after_run[0],
            "last fold": after_run[len(folds) - 1],
        },
        "folds": len(folds),
        "epochs": epochs,
        "images": len(experiment.examples.labels),
        "size_px": experiment.config.size_px,
    }


def keep_program(_: TrackedRun, trained: Trained) -> Dossier:
    """Keep the folds' ensemble alone.

    Parameters
    ----------
    _ : TrackedRun
        Not used.
    trained : Trained
        The folds' models.

    Returns
    -------
    Dossier
        With the program, and no predictions and facts.
    """
    return Dossier(trained.program, pd.DataFrame({"fold": []}), make_facts())


def peak_mb() -> int:
    """Give the most memory that the process has held so far.

    Returns
    -------
    int
        In MiB.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Stopwatch:
    """Notes the time in s that calls take, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {"log": [], "export": []}

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function and note its time.

        Parameters
        ----------
        name : str
            What the time is noted under.
        function : callable
            What to call.
        *arguments, **named : object
            Given to it.

        Returns
        -------
        object
            What it gave.
        """
        begin = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            self.seconds[name].append(time.perf_counter() - begin)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function whose calls are timed.

        Parameters
        ----------
        name : str
            What the time is noted under.
        function : callable
            What to call.

        Returns
        -------
        callable
            Takes and gives the same.
        """
        return lambda *arguments, **named: self.call(name, function, *arguments, **named)


def make_experiment(images: int, epochs: int) -> Experiment:
    """Prepare the fine-tuning of a ResNet18 from random weights.

    Parameters
    ----------
    images : int
        Number of images.
    epochs : int
        Of each fold.

    Returns
    -------
    Experiment
        Ready to run.
    """
    device = best_device()
    pictures, _ = make_pictures(images, SIZE_PX)
    target = Multiclass([f"class {number}" for number in range(CLASSES)])

    def build() -> nn.Module:
        backbone = Backbone(bare_backbone(ARCHITECTURE), IMAGENET_NORMALISATION)
        model = Classifier(backbone, Head(feature_count(ARCHITECTURE), CLASSES))
        return model.to(device).to(memory_format=torch.channels_last)

    def assemble(models: Any) -> Ensemble:
        return Ensemble([model.backbone for model in models], [model.head for model in models], target)

    labels = torch.tensor(pictures.labels, device=device)
    return Experiment(
        target=target,
        examples=Examples(torch.from_numpy(pictures.images).to(device), labels),
        build=build,
        assemble=assemble,
        config=EnsembleConfig(
            ARCHITECTURE, target.name, target.classes, SIZE_PX, 1, False, IMAGENET_NORMALISATION
        ),
        settings=FitSettings(
            epochs=epochs,
            batch_size=BATCH,
            learning_rate=7.5e-5,
            checkpoint=CheckpointRule.IMPROVES_BOTH,
            sampling="weighted",
            seed=1,
            symmetries=FLIPS,
            precision=resolve_precision(Precision.AUTO, device),
        ),
    )


def make_folds(images: int) -> list[FoldParts]:
    """Cut rows into folds beside a test of a tenth.

    Parameters
    ----------
    images : int
        Number of images.

    Returns
    -------
    list of FoldParts
        `FOLDS` of them.
    """
    rows = np.arange(images)
    test, rest = rows[::10], np.delete(rows, rows[::10])
    part = np.arange(len(rest)) // CLASSES % FOLDS
    return [FoldParts(rest[part != k], rest[part == k], test) for k in range(FOLDS)]
