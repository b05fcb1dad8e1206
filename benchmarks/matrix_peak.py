"""The machine's matrix peak: how many products and sums a second its best matrix product reaches."""

import time
from functools import cache

import torch
from torch import Tensor

SIZE = {"cpu": 2048, "cuda": 8192}
REPEATS = 8


@cache
def matrix_peak(dtype: torch.dtype, device: str) -> float:
    """Measure the best of several matrix products.

    Parameters
    ----------
    dtype : torch.dtype
        ``torch.float32`` or ``torch.bfloat16``.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    float
        In 10^9 operations a second; a product and a sum are two.
    """
    size = SIZE[device]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = min(_seconds(left, right) for _ in range(REPEATS))
    return 2 * size**3 / best / 1e9


def _seconds(left: Tensor, right: Tensor) -> float:
    start = time.perf_counter()
    product = left @ right
    if product.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
