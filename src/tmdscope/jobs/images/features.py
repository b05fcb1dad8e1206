"""Stage `features`: what a frozen backbone sees in every image, stored once for all heads."""

from tmdscope.dataset.store import Dataset
from tmdscope.jobs.study import Study
from tmdscope.memory import keep_freed_memory
from tmdscope.params.experiments import FeaturesParams
from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import best_device, symmetric_features
from tmdscope.vision.precision import Precision, resolve_precision
from tmdscope.vision.stored import StoredFeatures
from tmdscope.vision.weights import Weights, load_weights


def run(study: Study) -> None:
    """Write `features.npy` (float32, N x V x F, V symmetries of every image) and what they are of."""
    layout = study.layout
    settings = study.section("features", FeaturesParams)
    dataset = Dataset.load(layout.prepared)
    weights, device = Weights(settings.weights), best_device()
    precision = resolve_precision(Precision(settings.precision), device)
    keep_freed_memory()
    network = bare_backbone(
        settings.architecture, load_weights(weights, settings.architecture, layout.pretrained)
    )
    backbone = Backbone(network, weights.source.normalisation).to(device).eval()
    features = symmetric_features(
        backbone, dataset.images, settings.symmetries, settings.batch_size, device, precision
    )
    stored = StoredFeatures(features, settings.architecture, settings.weights, precision.value)
    stored.write(layout.features, dataset.digest, layout.pretrained)
    print(
        f"{layout.features}: {' x '.join(map(str, features.shape))} from {settings.architecture}, {precision}"
    )
