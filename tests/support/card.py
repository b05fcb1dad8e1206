"""A card that is not there: what is sent to it computes on the CPU and does not mix with the rest."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

CARD = torch.device("cuda")
"""What code under test is told to compute on."""

_CPU = torch.device("cpu")
_MOVES = (Tensor.to, Tensor.cuda, Tensor.cpu)
_ACROSS = (
    Tensor.copy_,
    Tensor.__setitem__,
    Tensor.data.__set__,  # type: ignore[attr-defined]
    torch._has_compatible_shallow_copy_type,
)
_HOST_ONLY = (Tensor.numpy, Tensor.__array__)
_ASKS = (
    *(Tensor.item, Tensor.tolist, Tensor.__float__, Tensor.__int__, Tensor.__bool__, Tensor.__index__),
    *(torch.equal, Tensor.equal, torch.allclose, torch.nonzero, Tensor.nonzero, torch.bincount),
    *(torch.masked_select, Tensor.masked_select, torch.unique, Tensor.unique),
)
"""What makes the processor wait until a card has come so far."""


class FakeCard(TorchFunctionMode):
    """While it is entered, `CARD` is a device: a storage is on it or not, and a function takes one kind.

    As on a real one, tensors on it have no `numpy`, tensors of no dimension and indices may be on the CPU,
    and copying crosses over. What is not tensors' functions, such as autograd inside, is not watched.
    `reads` are the times that the processor waited for the card, `sends` the tensors that went there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads, self.sends = 0, 0
        self._held: dict[int, StorageWeakRef] = {}  # an address means nothing once its storage is gone

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is on the card."""
        with torch._C.DisableTorchFunction():
            known = self._held.get(tensor.untyped_storage().data_ptr())
            return known is not None and not known.expired()

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function == Tensor.device.__get__:  # type: ignore[attr-defined]
            return CARD if self.holds(args[0]) else _CPU
        if function == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return self.holds(args[0])
        given = list(_tensors((args, kwargs)))
        self._count(function, args, given)
        if function is Tensor.pin_memory:
            return args[0]
        if function in _MOVES:
            return self._move(function, args, kwargs)
        if function in _HOST_ONLY and self.holds(args[0]):
            raise TypeError("can't convert cuda device type tensor to numpy")
        device = kwargs.get("device")
        if device is not None and torch.device(device) == CARD:
            self.sends += function in (torch.tensor, torch.as_tensor)
            kwargs["device"] = _CPU
        where = {self.holds(tensor) for tensor in _mixed(function, args, given)}
        if len(where) > 1:
            raise RuntimeError(f"{function.__name__}: expected all tensors to be on the same device")
        held = any(map(self.holds, given[:1])) or True in where
        result = function(*args, **kwargs)
        self._mark(result, held if device is None else torch.device(device) == CARD, args)
        return result

    def _move(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        tensor, target = args[0], None
        if function is Tensor.cpu:
            target, args = _CPU, (tensor,)
        elif function is Tensor.cuda:
            target, args = CARD, (tensor,)
        else:
            for value in (*args[1:], *kwargs.values()):
                if isinstance(value, str | torch.device):
                    target = torch.device(value)
                elif isinstance(value, Tensor):
                    target = CARD if self.holds(value) else _CPU
            args = tuple(_CPU if isinstance(value, str | torch.device) else value for value in args)
            kwargs |= {"device": _CPU} if "device" in kwargs else {}
        before = self.holds(tensor)
        after = before if target is None else target == CARD
        self.reads += before and not after
        self.sends += after and not before
        moved: Tensor = tensor.to(*args[1:], **kwargs) if len(args) > 1 or kwargs else tensor
        if after != before and moved.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
            moved = moved.clone()
        self._mark(moved, after, ())
        return moved

    def _count(self, function: Any, args: tuple[Any, ...], given: list[Tensor]) -> None:
        """Count what waits for the card by itself, and indices that are sent there by themselves."""
        if function in _ASKS:
            self.reads += any(map(self.holds, given))
        elif function in (Tensor.__getitem__, Tensor.__setitem__) and self.holds(args[0]):
            with torch._C.DisableTorchFunction():
                indices = [index for index in _tensors(args[1]) if index.dim() > 0]
                masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
            self.reads += any(map(self.holds, masks))
            self.sends += sum(not self.holds(index) for index in indices)

    def _mark(self, result: Any, held: bool, args: Any) -> None:
        with torch._C.DisableTorchFunction():
            for tensor in _tensors(result):
                storage = tensor.untyped_storage()
                if held:
                    self._held[storage.data_ptr()] = StorageWeakRef(storage)
                else:
                    self._held.pop(storage.data_ptr(), None)


def _tensors(content: Any) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, dict):
        yield from _tensors(list(content.values()))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _tensors(value)


def _mixed(function: Any, args: tuple[Any, ...], given: list[Tensor]) -> list[Tensor]:
    """The tensors that must be on one device."""
    if function in _ACROSS:
        return []
    with torch._C.DisableTorchFunction():
        if function is Tensor.__getitem__:
            return [args[0]]
        return [tensor for tensor in given if tensor.dim() > 0]
