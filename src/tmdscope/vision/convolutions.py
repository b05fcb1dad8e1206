"""Convolutions the way a CPU trains them fastest; equal to PyTorch's own to rounding.

oneDNN, by which PyTorch convolves, brings weights and their gradients into an order of its own and back, in
every step. Where the maps hold few pixels and the weights are many, as in the last layers of a network on
images of 64 to 112 pixels, that takes longer than one product of matrices. And it has no fast way back
through convolutions of single channels in bfloat16.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode


def fast_convolutions(device: torch.device) -> AbstractContextManager[Any]:
    """Open a block for the way forward of a step of training on a device; it changes nothing but on a CPU."""
    return _Fast() if device.type == "cpu" else nullcontext()


class _Fast(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return (_convolve if func is F.conv2d else func)(*args, **(kwargs or {}))


def _convolve(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve as `torch.nn.functional.conv2d`."""
    if images.ndim == 4 and groups == weight.shape[0] > 1:
        with torch.autocast("cpu", enabled=False):
            single = images.float(), weight.float(), None if bias is None else bias.float()
            return F.conv2d(*single, stride, padding, dilation, groups).to(images.dtype)
    if images.ndim == 4 and groups == 1 and not isinstance(padding, str) and _pair(dilation) == (1, 1):
        outputs, _, high, wide = weight.shape
        (down, across), (above, beside) = _pair(stride), _pair(padding)
        rows = len(images) * ((images.shape[2] + 2 * above - high) // down + 1)
        rows *= (images.shape[3] + 2 * beside - wide) // across + 1
        if 0 < rows <= outputs:  # weights are no fewer than what they are multiplied with
            maps = F.pad(images.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
            seen = maps.unfold(1, high, down).unfold(2, wide, across).permute(0, 1, 2, 4, 5, 3)
            kernels = weight.permute(0, 2, 3, 1).flatten(1)  # in the order in which both lie in memory
            return F.linear(seen.flatten(3), kernels, bias).permute(0, 3, 1, 2)
    return F.conv2d(images, weight, bias, stride, padding, dilation, groups)


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[-1])
