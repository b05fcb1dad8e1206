"""Embeddings of many inputs by a trained head or classifier."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tmdscope.vision.classifier import Classifier, Head


@torch.inference_mode()
def embed_inputs(model: nn.Module, inputs: Tensor, batch_size: int = 256) -> NDArray[np.float32]:
    """Compute the values of the penultimate layer before its ReLU, float32, N x 100.

    Inputs are features N x F for a head, uint8 images N x S x S for a classifier, on the model's device. The
    model, which is left in evaluation mode, must be one of the two: else `TypeError`.
    """
    if not isinstance(model, Head | Classifier):
        raise TypeError(f"a {type(model).__name__} has no embedding")
    model.eval()
    batches = [model.embed(batch).float() for batch in inputs.split(batch_size)]
    values: NDArray[np.float32] = torch.cat(batches).cpu().numpy()
    return values
