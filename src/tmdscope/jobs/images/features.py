"""Stage `features`: what frozen backbones see in every image, stored once for all heads."""

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import FeaturesParams
from tmdscope.vision.features import best_device, frozen_backbone, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.stored import StoredFeatures, place_of


def run(study: Study) -> None:
    """Write, of every backbone, `features.npy` (float32, N x V x F, V symmetries of every image)."""
    layout = study.layout
    settings = study.section("features", FeaturesParams)
    dataset, device = Dataset.load(layout.prepared), best_device()
    precision = resolve_precision(Precision(settings.precision), device)
    keep_freed_memory()
    for asked in settings.backbones:
        backbone = frozen_backbone(
            asked.weights, asked.architecture, layout.pretrained, dataset.images.shape[1]
        )
        features = symmetric_features(
            backbone.to(device), dataset.images, settings.symmetries, settings.batch_size, device, precision
        )
        stored, place = (
            StoredFeatures(features, **dict(asked), precision=precision.value),
            place_of(layout.features, asked),
        )
        stored.write(place, dataset.digest, layout.pretrained)
        print(f"{place}: {' x '.join(map(str, features.shape))}, {precision}")
