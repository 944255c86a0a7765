"""Puts a frozen network on a device in a precision: eval mode, no gradients, half precision through
autocast only.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from nverbench import LoadContext, UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)

FULL, HALF = ("float32", "float64"), ("float16", "bfloat16")


def freeze(module: Module, ctx: LoadContext) -> Module:
    """The module on ``ctx.device``, in eval mode, without gradients; in ``ctx.dtype`` if that is a
    full precision, else in float32.
    """
    import torch

    if ctx.dtype not in FULL + HALF:
        raise UsageError(
            f"dtype {ctx.dtype!r} is not known; expected one of {', '.join(FULL + HALF)}"
        )
    dtype = torch.float64 if ctx.dtype == "float64" else torch.float32
    return module.to(device=ctx.device, dtype=dtype).eval().requires_grad_(False)


def half_precision(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    """Autocast for float16 and bfloat16 (the published way: weights and sums that need it stay
    float32), nothing for full precision.
    """
    import torch

    return (
        torch.autocast(device.type, dtype=getattr(torch, dtype)) if dtype in HALF else nullcontext()
    )
