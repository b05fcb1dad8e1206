"""Stage `features`: what frozen backbones see in every image, stored once for all heads."""

from itertools import chain

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import FeaturesParams
from tmdscope.vision.features import best_device, frozen_backbone, symmetric_batches
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.stored import About, place_of, write_features


def run(study: Study) -> None:
    """Write, of every backbone, `features.npy` (float32, N x V x F, V symmetries of every image)."""
    settings = study.section("features", FeaturesParams)
    keep_freed_memory()
    store_features(settings, Dataset.load(study.layout.prepared), study.layout)


def store_features(settings: FeaturesParams, dataset: Dataset, layout: Layout) -> None:
    """Write what some backbones see in the images of a data set."""
    device = best_device()
    precision = resolve_precision(Precision(settings.precision), device)
    for asked in settings.backbones:
        backbone = frozen_backbone(
            asked.weights, asked.architecture, layout.pretrained, dataset.images.shape[1]
        )
        batches = symmetric_batches(
            backbone.to(device), dataset.images, settings.symmetries, settings.batch_size, device, precision
        )
        place, about = (
            place_of(layout.features, asked),
            About(asked.architecture, asked.weights, settings.symmetries, precision.value),
        )
        count, rows = len(dataset.images), chain.from_iterable(batches)
        write_features(place, about, rows, count, dataset.digest, layout.pretrained)
        print(f"{place}: {count} images x {settings.symmetries} symmetries, {precision}")
