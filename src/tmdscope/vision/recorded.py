"""Work that a GPU is given in one piece: a CUDA graph, recorded once and then replayed.

The kernels of a small network end sooner than the processor can launch the next ones. A graph launches all of
them by one call; they are the same kernels, and give the same results.
"""

import os
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]
Work = Callable[..., Outputs]

VARIABLE = "TMDSCOPE_CUDA_GRAPHS"
"""Not empty and not 0: work is recorded. It has to be asked for until it was measured on a card."""

WARM_UP = 3
"""Calls one by one before the recording, as `torch.cuda.graph` asks: first uses set things up."""

PAYS_FROM = 50
"""Calls from which on recording is worth its time, that of a few calls."""

_WAITS = "called a synchronizing CUDA operation"


def pays(device: torch.device, calls: int) -> bool:
    """Say whether so many calls of the same work on a device are to be recorded, see `VARIABLE`."""
    asked = os.environ.get(VARIABLE, "") not in ("", "0")
    return asked and device.type == "cuda" and calls >= PAYS_FROM


class Recorded:
    """Work on inputs of one length, recorded after `WARM_UP` calls; it may change other tensors in place.

    Inputs of another length are worked on one by one. So are all where the work waits for the device, as some
    networks do: that cannot be recorded. Other tensors that the work reads must stay where they are.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._left = WARM_UP
        self._waits = False
        self._replay: Callable[[], None] | None = None
        self._inputs: Outputs = ()
        self._outputs: Outputs = ()

    def run(self, work: Work, *inputs: Tensor) -> Outputs:
        """Do the work on inputs, all as long as the first; it is the same work in every call."""
        if len(inputs[0]) != self.length or (self._waits and not self._left):
            return work(*inputs)
        if self._left:
            self._left -= 1
            outputs, self._waits = try_out(work, *inputs)
            return outputs
        if self._replay is None:
            self._inputs = tuple(given.clone() for given in inputs)
            self._replay, self._outputs = record(work, *self._inputs)
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given)
        self._replay()
        return tuple(output.clone() for output in self._outputs)


def record(work: Work, *inputs: Tensor) -> tuple[Callable[[], None], Outputs]:
    """Record work on the current device without doing it; gives what does it, and its future outputs."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=_own_stream(), capture_error_mode="thread_local"):
        outputs = work(*inputs)
    return graph.replay, outputs


def try_out(work: Work, *inputs: Tensor) -> tuple[Outputs, bool]:
    """Do work on a stream of its own, as before a recording; also says whether it waited for the device."""
    here, aside = torch.cuda.current_stream(), _own_stream() or torch.cuda.Stream()
    aside.wait_stream(here)
    before = torch.cuda.get_sync_debug_mode()
    with torch.cuda.stream(aside), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            outputs = work(*inputs)
        finally:
            torch.cuda.set_sync_debug_mode(before)
    here.wait_stream(aside)
    waits = [warning for warning in heard if _WAITS in str(warning.message)]
    for warning in heard:
        if warning not in waits:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return outputs, bool(waits)


def _own_stream() -> torch.cuda.Stream | None:
    """Give the current stream; None for the default one, of which nothing can be recorded.

    Graphs that were recorded on one stream share the workspaces of cuBLAS, so that those that are alive at a
    time have to be of different ones.
    """
    here = torch.cuda.current_stream()
    return None if here == torch.cuda.default_stream() else here


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the CPU to a device; to a GPU from pinned memory, so that nothing waits for it."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
