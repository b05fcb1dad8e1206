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
    """Compute the values of the penultimate layer.

    Parameters
    ----------
    classifier : Classifier
        One fold's network.
    images : numpy.ndarray
        uint8, N x S x S.
    image_ids : sequence of str
        Name of each image.
    batch_size : int
        Images in a batch.
    device : torch.device
        Where to compute.
    after_relu : bool, optional
        Give what the last layer sees; the paper's latent features are taken before the ReLU.

    Returns
    -------
    pandas.DataFrame
        N rows named by image, columns ``z000`` to ``z099``.
    """
    values = apply_in_batches(placed(classifier, device).embed, images, batch_size, device)
    if after_relu:
        values = np.maximum(values, 0)
    return pd.DataFrame(values, index=list(image_ids), columns=[f"z{k:03d}" for k in range(values.shape[1])])
