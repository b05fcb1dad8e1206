"""Number formats that networks compute in: bfloat16 where the machine multiplies it fast, else float32."""

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum

import torch


class Precision(StrEnum):
    """Formats of a network's matrix products; its weights and its optimiser stay float32.

    ``auto`` is ``bf16`` on a GPU with bfloat16 units and on a CPU with AMX, and ``fp32`` elsewhere: without
    such units bfloat16 is slower than float32.
    """

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """Decide what ``auto`` means on a device."""
    if precision is not Precision.AUTO:
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and multiplies_bfloat16()
    return Precision.BF16 if fast else Precision.FP32


def multiplies_bfloat16() -> bool:
    """Say whether the CPU has matrix units for bfloat16 (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Open a block in which a network computes in a precision; autocast is off for ``fp32``."""
    enabled = resolve_precision(precision, device) is Precision.BF16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """Open a block in which convolutions on a GPU give the same bits every time; on a CPU they do anyway."""
    if device.type != "cuda":
        return nullcontext()
    tf32 = torch.backends.cudnn.allow_tf32
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=tf32)
