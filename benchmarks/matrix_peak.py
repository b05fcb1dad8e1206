"""The machine's matrix peak: how many products and sums a second its best matrix product reaches."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

SMALLEST = 256
LARGEST = {"cpu": 4096, "cuda": 16384}
ENOUGH_S = 0.1
"""A product that takes so long ends the search: bfloat16 without units for it can be 100 times slower."""

REPEATS = 4


@cache
def matrix_peak(dtype: torch.dtype, device: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Measure matrix products, each size twice the one before, and take the best.

    Parameters
    ----------
    dtype : torch.dtype
        ``torch.float32`` or ``torch.bfloat16``. On a GPU float32 is TensorFloat-32 where PyTorch lets
        convolutions use it.
    device : str
        ``cpu`` or ``cuda``.
    clock : callable, optional
        Gives the time in s.

    Returns
    -------
    float
        In 10^9 operations a second; a product and a sum are two.
    """
    best, size, seconds = 0.0, SMALLEST, 0.0
    with _as_convolutions(device):
        while size <= LARGEST[device] and seconds < ENOUGH_S:
            seconds = _product_s(size, dtype, device, clock)
            best, size = max(best, 2 * size**3 / seconds / 1e9), 2 * size
    return best


def _product_s(size: int, dtype: torch.dtype, device: str, clock: Callable[[], float]) -> float:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(REPEATS):
        start = clock()
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - start)
    return min(seconds)


@contextmanager
def _as_convolutions(device: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    if device == "cuda" and torch.backends.cudnn.allow_tf32:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
