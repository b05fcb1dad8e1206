"""What a GPU does with this project's work, in eight minutes at most: `python -m benchmarks gpu`.

Lines that would not end in time are left out, and named as such. Goals stand beside figures, which
docs/performance.md explains.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.baseline_training import Trainer, training_loader
from benchmarks.harness import processor
from benchmarks.pictures import CLASSES, Pictures, make_pictures
from benchmarks.train_resnet18 import (
    BATCH,
    TARGET,
    against_peak,
    count_flops,
    make_examples,
    make_network,
    make_settings,
)
from tmdscope.dataset.splits import FoldParts
from tmdscope.learn.crossval import cross_validate
from tmdscope.learn.fit import FitSettings, fit
from tmdscope.learn.recorder import Silent
from tmdscope.vision import recorded
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import apply_in_batches, best_device, fold_batch_norm
from tmdscope.vision.precision import Precision, autocast, resolve_precision
from tmdscope.vision.published import IMAGENET_NORMALISATION

LIMIT_S = 480.0
FOLDS = 5
LARGE_BATCH = 256
NEVER = 1 << 62
"""Calls from which on work is recorded, where it is not to be."""
ASKED = patch.dict(os.environ, {recorded.VARIABLE: "1"})


class Clocked(Silent):
    """Notes when epochs end; the device has then done its part."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]

    def epoch(self, *_: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    @property
    def epoch_s(self) -> float:
        """Median time of the epochs behind the first, in s."""
        return statistics.median(np.diff(self.times[1:]))

    @property
    def start_s(self) -> float:
        """How much longer the first took: recording, or compiling, is part of it."""
        return self.times[1] - self.times[0] - self.epoch_s


@dataclass(frozen=True)
class Work:
    """How much is done; `epochs` are timed ones, `images` those of the folds and of the features."""

    pictures: int = 1024
    repeats: int = 4
    size_px: int = 224
    epochs: int = 5
    images: int = 1026
    fold_epochs: int = 60
    loaders: int = 16
    batch: int = BATCH

    @cached_property
    def shown(self) -> Pictures:
        """Pictures, each `repeats` times."""
        made, _ = make_pictures(self.pictures, self.size_px)
        images = np.concatenate([made.images] * self.repeats)
        return Pictures(images, made.paths * self.repeats, made.labels * self.repeats)

    @property
    def settings(self) -> FitSettings:
        """How networks are trained."""
        return replace(make_settings(Precision.AUTO), epochs=1 + self.epochs, batch_size=self.batch)


@dataclass(frozen=True)
class Line:
    """One line: its name, how many seconds it may need, what gives its fields, and the goals beside them."""

    name: str
    needs_s: float
    measure: Callable[[Work], dict[str, Any]]
    goals: dict[str, float] = field(default_factory=dict)


def run(
    work: Work,
    lines: Sequence[Line] | None = None,
    limit_s: float = LIMIT_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[dict[str, Any]]:
    """Measure line by line; those that may not end in time are given with `skipped`."""
    started = clock()
    for line in LINES if lines is None else lines:
        head = {"benchmark": line.name, "device": processor(), "torch": torch.__version__}
        begun = clock()
        if begun - started + line.needs_s > limit_s:
            left = round(limit_s - begun + started)
            yield {**head, "skipped": f"it may need {line.needs_s:.0f} s, {left} s are left"}
            continue
        measured = line.measure(work)
        goals = {f"goal_{name}": goal for name, goal in line.goals.items()}
        yield {**head, **measured, **goals, "line_s": round(clock() - begun, 1)}


def peak(_: Work) -> dict[str, Any]:
    """Measure the matrix peaks."""
    told = against_peak(0.0, Precision.AUTO)
    return {name: value for name, value in told.items() if name.startswith("peak_")}


def train(work: Work, architecture: str, batch: int | None = None, compiled: bool = False) -> dict[str, Any]:
    """Time epochs of ours: steps recorded as a CUDA graph, and one by one."""
    settings = replace(work.settings, batch_size=batch or work.batch, compiled=compiled)
    own, alone = _clock(work, architecture, settings, recorded.PAYS_FROM), None
    if not compiled:
        alone = _clock(work, architecture, replace(settings, epochs=min(3, settings.epochs)), NEVER)
    count = len(work.shown.labels)
    rate = count / own.epoch_s
    return {
        "ours": round(rate, 1),
        "unit": "images/s",
        "batch": settings.batch_size,
        "compiled": compiled,
        "start_s": round(own.start_s, 2),
        **({} if alone is None else {"one_by_one": round(count / alone.epoch_s, 1)}),
        **against_peak(rate * count_flops(work.size_px, True, architecture), settings.precision),
    }


def train_beside_plain(work: Work, architecture: str) -> dict[str, Any]:
    """Time epochs of ours, and of the plain loop as good as it gets: bfloat16, as many loaders as cores."""
    own = train(work, architecture)
    torch.manual_seed(1)
    mixed = resolve_precision(Precision.AUTO, best_device()) is Precision.BF16
    trainer = Trainer(CLASSES, best_device(), architecture=architecture, mixed=mixed)
    loader = training_loader(work.shown.paths, work.shown.labels, work.batch, work.loaders)
    times = [time.perf_counter()]
    for _ in range(3):
        trainer.train_epoch(loader)
        times.append(time.perf_counter())
    plain = len(work.shown.labels) / float(np.diff(times)[1:].min())
    ratio = round(own["ours"] / plain, 3)
    return {**own, "baseline": round(plain, 1), "ratio": ratio, "baseline_loaders": work.loaders}


def features(work: Work, compiled: bool = False) -> dict[str, Any]:
    """Time a frozen ResNet18: recorded, one by one, and compiled."""
    device, images = best_device(), work.shown.images
    torch.manual_seed(1)
    backbone = Backbone(bare_backbone("resnet18"), IMAGENET_NORMALISATION).to(device).eval()
    frozen = fold_batch_norm(backbone)
    precision = resolve_precision(Precision.AUTO, device)

    def see(network: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        with autocast(precision, device):
            return network(batch).float()

    def rate(network: Callable[[Tensor], Tensor], pays_from: int) -> float:
        with ASKED, patch.object(recorded, "PAYS_FROM", pays_from):
            seconds = []
            for _ in range(4):
                start = time.perf_counter()
                apply_in_batches(partial(see, network), images, work.batch, device)
                seconds.append(time.perf_counter() - start)
        return len(images) / min(seconds)

    eager, own = rate(frozen, NEVER), rate(frozen, recorded.PAYS_FROM)
    told = {"one_by_one": round(eager, 1), "unit": "images/s", "batch": work.batch}
    if compiled:
        start = time.perf_counter()
        faster = torch.compile(frozen, dynamic=False)
        apply_in_batches(partial(see, faster), images[: work.batch], work.batch, device)
        told["start_s"] = round(time.perf_counter() - start, 2)
        own = rate(faster, recorded.PAYS_FROM)
    used = against_peak(own * count_flops(work.size_px, False), precision)
    return {"ours": round(own, 1), **told, "compiled": compiled, "ratio": round(own / eager, 3), **used}


def five_folds(work: Work, at_once: int = 1) -> dict[str, Any]:
    """Time a cross-validation: fine-tuning in five folds, all scored; so many train side by side."""
    images, labels = work.shown.images[: work.images], work.shown.labels[: work.images]
    settings = replace(work.settings, epochs=work.fold_epochs)
    rows = np.arange(len(images))
    rest = rows[rows % 10 > 0]
    folds = [
        FoldParts(rest[rest % FOLDS != number], rest[rest % FOLDS == number], rows[::10])
        for number in range(FOLDS)
    ]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    examples = make_examples(images, labels)
    cross_validate(make_network, TARGET, examples, folds, settings, Silent(), at_once=at_once)
    return {
        "ours": round(time.perf_counter() - start, 2),
        "unit": "s",
        "memory_mib": round(torch.cuda.max_memory_reserved() / 2**20),
        "images": len(images),
        "epochs": settings.epochs,
        "batch": settings.batch_size,
        "precision": settings.precision.value,
    }


def side_by_side(work: Work) -> dict[str, Any]:
    """Time all five folds side by side, and one after another; steps are recorded as CUDA graphs in both."""
    with ASKED:
        own, alone = five_folds(work, FOLDS), five_folds(work)
    return {
        **own,
        "one_by_one": alone["ours"],
        "one_by_one_memory_mib": alone["memory_mib"],
        "ratio": round(alone["ours"] / own["ours"], 3),
    }


def _clock(work: Work, architecture: str, settings: FitSettings, pays_from: int) -> Clocked:
    """Train and note when epochs end; two images are scored after each."""
    torch.manual_seed(1)
    examples = make_examples(work.shown.images, work.shown.labels)
    rows = torch.arange(len(examples.labels))
    model, clocked = make_network(architecture), Clocked()
    with ASKED, patch.object(recorded, "PAYS_FROM", pays_from):
        fit(model, TARGET, examples, rows, rows[:2], settings, clocked)
    return clocked


LINES = (
    Line("gpu-peak", 30, peak),
    Line(
        "gpu-train-resnet18-224",
        60,
        partial(train_beside_plain, architecture="resnet18"),
        {"ours": 10_000, "ratio": 1.5},
    ),
    Line(
        "gpu-train-resnet50-224",
        60,
        partial(train_beside_plain, architecture="resnet50"),
        {"ours": 4_000, "ratio": 1.5, "fraction_of_peak": 0.15},
    ),
    Line("gpu-five-folds-224", 120, five_folds, {"ours": 60}),
    Line("gpu-five-folds-224-side-by-side", 120, side_by_side, {"ours": 60, "ratio": 1}),
    Line("gpu-features-224", 20, features),
    Line("gpu-features-224-compiled", 60, partial(features, compiled=True), {"ratio": 1.6}),
    Line(
        "gpu-train-resnet50-224-large-batch",
        30,
        partial(train, architecture="resnet50", batch=LARGE_BATCH),
        {"ours": 4_000},
    ),
    Line(
        "gpu-train-resnet50-224-compiled",
        120,
        partial(train, architecture="resnet50", compiled=True),
        {"ours": 4_000, "fraction_of_peak": 0.4},
    ),
    Line(
        "gpu-train-resnet18-224-compiled",
        60,
        partial(train, architecture="resnet18", compiled=True),
        {"ours": 10_000},
    ),
)
"""The most wanted first."""
