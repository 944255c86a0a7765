"""Describes what is wrong with a file of weights, in a few words for a line of an error message."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def reason(error: Exception) -> str:
    """The cause of ``error``, without torch's advice to load the file unsafely."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is no torch file, or it asks to run code, which is refused"
    first = (str(error).splitlines() or [""])[0].strip()
    name = type(error).__name__
    return f"{name}: {first}" if first and first != name else name


def is_state(content: object) -> bool:
    """Whether it is a state dict of plain tensors: dense numbers in memory, and none of torch's
    other kinds of tensors, which break later code.
    """
    import torch

    plain = (
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bool,
    )
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(
            isinstance(key, str)
            and isinstance(value, torch.Tensor)
            and value.device.type == "cpu"
            and value.dtype in plain
            and value.layout == torch.strided
            and not value.is_nested
            for key, value in content.items()
        )
    )


def unlike(state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> str:
    """The keys of a state dict that do not fit, in words; empty if all fit. Tensors of another shape
    are not read: they may claim any size.
    """
    import torch

    shapes = {key: tuple(value.shape) for key, value in state.items()}
    fits = [key for key, shape in expected.items() if shapes.get(key) == shape]
    faults = {
        "missing": [key for key in expected if key not in shapes],
        "not expected": [key for key in shapes if key not in expected],
        "of another shape": [
            f"{key} {shapes[key]}, expected {shape}"
            for key, shape in expected.items()
            if key in shapes and shapes[key] != shape
        ],
        "not finite": [key for key in fits if not bool(torch.isfinite(state[key]).all())],
    }
    found = [
        f"{len(keys)} keys {what} ({'; '.join(keys[:3])}{'; ...' if len(keys) > 3 else ''})"
        for what, keys in faults.items()
        if keys
    ]
    return ", ".join(found)
