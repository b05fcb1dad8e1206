"""Stage `features`: what a frozen backbone sees in every image, stored once for all heads."""

from pathlib import Path

import numpy as np

from tmdscope.dataset.store import Dataset
from tmdscope.files import atomic_path, write_json
from tmdscope.params import FeaturesParams, read_section
from tmdscope.stage import run_stage
from tmdscope.vision.backbones import build_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import apply_in_batches, best_device
from tmdscope.vision.weights import Weights, normalisation_of

PREPARED = Path("data/prepared")
PRETRAINED = Path("data/pretrained/backbone.safetensors")
FEATURES = Path("data/features")


def main() -> None:
    """Write `features.npy` (float32, N x F) and which backbone it came from."""
    settings = read_section("features", FeaturesParams)
    dataset = Dataset.load(PREPARED)
    weights, device = Weights(settings.weights), best_device()
    network = build_backbone(settings.architecture, weights, PRETRAINED)
    backbone = Backbone(network, normalisation_of(weights)).to(device).eval()
    features = apply_in_batches(backbone, dataset.images, settings.batch_size, device)
    with atomic_path(FEATURES) as temporary:
        temporary.mkdir()
        np.save(temporary / "features.npy", features)
        source = {"architecture": settings.architecture, "weights": settings.weights, "data": dataset.digest}
        write_json(temporary / "features.json", source)
    print(f"{FEATURES}: {features.shape[0]} x {features.shape[1]} from {settings.architecture}")


if __name__ == "__main__":
    run_stage(main)
