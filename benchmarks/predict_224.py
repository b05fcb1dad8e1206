"""`tmdscope predict` on pictures of 224 px by five networks, against the five networks alone."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from benchmarks.pictures import CLASSES, Pictures, make_pictures
from benchmarks.train_resnet18 import ARCHITECTURE, BATCH
from benchmarks.worker import worker
from tmdscope.dataset.splits import FoldParts
from tmdscope.lifecycle.predict import writer
from tmdscope.lifecycle.predictor import Predictor
from tmdscope.memory import keep_freed_memory
from tmdscope.params.images import PrepareParams
from tmdscope.reliability.reliability import Reliability, fit_reliability
from tmdscope.tracking.models import Program
from tmdscope.vision.backbones import bare_backbone, feature_count
from tmdscope.vision.classifier import EMBEDDING_WIDTH, Backbone, Ensemble, EnsembleConfig, Head
from tmdscope.vision.features import best_device
from tmdscope.vision.published import IMAGENET_NORMALISATION
from tmdscope.vision.targets import Multiclass

NAME = "predict-224"
UNIT = "images/s"
ITEMS = 96

SIZE_PX = 224
FOLDS = 5
MATERIALS = ("MoS2", "WS2", "WSe2", "MoSe2", "Mo-WSe2")[:CLASSES]


def ours() -> None:
    """Predict the pictures as the command does, to lines of CSV."""
    worker(prepare_ours, ITEMS).work()


def baseline() -> None:
    """Run the networks on the same images, which lie in memory."""
    worker(prepare_baseline, ITEMS).work()


def prepare_ours(count: int) -> Callable[[], Any]:
    """Set up the command's work.

    Parameters
    ----------
    count : int
        Images.

    Returns
    -------
    callable
        Gives the lines.
    """
    keep_freed_memory()
    pictures, keep = _pictures(count)
    program = make_program()
    predictor = Predictor(program, "a benchmark's model")
    head, write = writer("csv", MATERIALS, ())

    def predict() -> Any:
        assert keep.name
        return [head, *(write(prediction) for prediction in predictor.stream(pictures.paths))]

    return predict


def prepare_baseline(count: int) -> Callable[[], Any]:
    """Set up the networks alone.

    Parameters
    ----------
    count : int
        Images.

    Returns
    -------
    callable
        Gives the probabilities.
    """
    keep_freed_memory()
    pictures, _ = _pictures(count)
    device = best_device()
    ensemble = make_program().ensemble.to(device).to(memory_format=torch.channels_last)
    images = torch.from_numpy(pictures.images).to(device)

    @torch.inference_mode()
    def infer() -> Any:
        return torch.cat([ensemble(batch) for batch in images.split(BATCH)]).cpu()

    return infer


@cache
def _pictures(count: int) -> tuple[Pictures, Any]:
    return make_pictures(count, SIZE_PX)


def make_program() -> Program:
    """Make five networks of random weights, with the reliability of random predictions.

    Returns
    -------
    Program
        Nothing in it is trained.
    """
    torch.manual_seed(1)
    backbones = [Backbone(bare_backbone(ARCHITECTURE), IMAGENET_NORMALISATION) for _ in range(FOLDS)]
    heads = [Head(feature_count(ARCHITECTURE), CLASSES) for _ in range(FOLDS)]
    config = EnsembleConfig(
        ARCHITECTURE, "multiclass", MATERIALS, SIZE_PX, FOLDS, False, IMAGENET_NORMALISATION
    )
    prepare = PrepareParams(size_px=SIZE_PX, percentiles=[0.5, 99.5])
    ensemble = Ensemble(backbones, heads, Multiclass(MATERIALS)).eval()
    return Program(ensemble, config, prepare, random_reliability())


def random_reliability() -> Reliability:
    """Fit a reliability to random predictions of 500 images of 250 samples.

    Returns
    -------
    Reliability
        As large as one of a study of that size.
    """
    rng, images = np.random.default_rng(1), 500
    probabilities = rng.dirichlet(np.ones(CLASSES), (FOLDS, images))
    embeddings = rng.normal(size=(FOLDS, images, EMBEDDING_WIDTH))
    samples = np.array([f"s{k // 2}" for k in range(images)])
    part = np.arange(images) // 2 % FOLDS
    rows = np.arange(images)
    folds = [FoldParts(rows[part != fold], rows[part == fold], rows[:0]) for fold in range(FOLDS)]
    return fit_reliability(probabilities, embeddings, rng.integers(0, CLASSES, images), samples, folds)
