from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tmdscope.vision.backbones import bare_backbone
from tmdscope.vision.classifier import Backbone
from tmdscope.vision.features import apply_in_batches, best_device, symmetric_features
from tmdscope.vision.precision import Precision
from tmdscope.vision.published import GREY_NORMALISATION

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 32, 32), dtype=np.uint8)
CPU = torch.device("cpu")


def test_batches_do_not_change_features() -> None:
    network = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION).eval()
    whole = apply_in_batches(network, IMAGES, 5, CPU)
    split = apply_in_batches(network, IMAGES, 2, CPU)
    assert whole.shape == (5, 512)
    np.testing.assert_allclose(whole, split, rtol=1e-4, atol=1e-5)


def test_a_memory_map_is_read_a_batch_at_a_time_and_in_order(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    sizes = []

    def mean_grey(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return batch.float().mean(dim=(1, 2))[:, None]

    values = apply_in_batches(mean_grey, mapped, 2, CPU)
    assert sizes == [2, 2, 1]
    np.testing.assert_allclose(values[:, 0], IMAGES.mean(axis=(1, 2)), rtol=1e-6)


def test_the_best_device_computes() -> None:
    assert float(torch.ones(3, device=best_device()).sum()) == 3


def test_features_of_flipped_images_are_stored_beside_the_images_own() -> None:
    network = Backbone(bare_backbone("resnet18"), GREY_NORMALISATION).eval()
    features = symmetric_features(network, IMAGES, 4, 8, CPU, Precision.FP32)
    assert features.shape == (5, 4, 512)
    flipped = np.ascontiguousarray(IMAGES[:, ::-1, :])
    np.testing.assert_allclose(
        features[:, 0], apply_in_batches(network, IMAGES, 5, CPU), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        features[:, 2], apply_in_batches(network, flipped, 5, CPU), rtol=1e-4, atol=1e-5
    )
