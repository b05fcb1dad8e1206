"""Embeddings of images by a trained classifier."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tmdscope.vision.classifier import Classifier
from tmdscope.vision.features import apply_in_batches, placed


def embed(
    classifier: Classifier,
    images: NDArray[np.uint8],
    image_ids: Sequence[str],
    batch_size: int,
    device: torch.device,
    after_relu: bool = False,
) -> pd.DataFrame:
    """Give ``z000`` to ``z099`` of images, uint8, N x S x S, before the ReLU, as the paper's, or after it."""
    values = apply_in_batches(placed(classifier, device).embed, images, batch_size, device)
    if after_relu:
        values = np.maximum(values, 0)
    return pd.DataFrame(values, index=list(image_ids), columns=[f"z{k:03d}" for k in range(values.shape[1])])
