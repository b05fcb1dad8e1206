"""Stage `features`: what frozen backbones see in every image, stored once for all heads."""

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tmdscope.cluster import cluster_at
from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.layout import Layout
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import FeaturesParams
from tmdscope.params.images import ComputeParams
from tmdscope.processes import Mapper
from tmdscope.vision.chunks import Source, chunks_of, features_of
from tmdscope.vision.features import best_device, frozen_backbone, symmetric_batches
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.stored import About, place_of, write_features


def run(study: Study) -> None:
    """Write, of every backbone, `features.npy` (float32, N x V x F, V symmetries of every image)."""
    settings = study.section("features", FeaturesParams)
    keep_freed_memory()
    where = cluster_at(study.section("compute", ComputeParams).scheduler)
    store_features(settings, Dataset.load(study.layout.prepared), study.layout, where)


def store_features(
    settings: FeaturesParams, dataset: Dataset, layout: Layout, map_chunks: Mapper | None = None
) -> None:
    """Write what some backbones see in the images of a data set.

    `map_chunks` says where that is computed, of the data set in `layout.prepared`; None: here.
    """
    device = best_device()
    precision = resolve_precision(Precision(settings.precision), device)
    for asked in settings.backbones:
        origin = asked.weights, asked.architecture, layout.pretrained, dataset.images.shape[1]
        backbone = frozen_backbone(*origin)
        how = settings.symmetries, settings.batch_size
        if map_chunks is None:
            batches: Iterable[NDArray[np.float32]] = symmetric_batches(
                backbone.to(device), dataset.images, *how, device, precision
            )
        else:
            chunks = chunks_of(layout.prepared, dataset, Source.of(*origin), *how, precision)
            batches = map_chunks(features_of, chunks)
        place, about = (
            place_of(layout.features, asked),
            About(asked.architecture, asked.weights, settings.symmetries, precision.value),
        )
        count, rows = len(dataset.images), chain.from_iterable(batches)
        write_features(place, about, rows, count, dataset.digest, layout.pretrained)
        print(f"{place}: {count} images x {settings.symmetries} symmetries, {precision}")
