"""Dropout whose masks come from a training's own generator, so that folds trained jointly drop what they would drop one by one.

Inside the block every ``torch.nn.functional.dropout`` (and so every ``nn.Dropout``) in training mode reads its mask from here:
y = x m / (1 - p), m ~ Bernoulli(1 - p). On the CPU the masks are those torch's own generator would give for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Mask = Callable[["Call"], Tensor]


@dataclass(frozen=True)
class Call:
    """One dropout of a forward pass."""

    shape: tuple[int, ...]
    p: float
    dtype: torch.dtype
    device: torch.device

    def draw(self, generator: torch.Generator) -> Tensor:
        """A mask of zeros and ones, kept with probability 1 - p."""
        return torch.empty(self.shape, dtype=self.dtype, device=self.device).bernoulli_(1 - self.p, generator=generator)


class Dropout(TorchFunctionMode):
    """Within ``with Dropout(mask):`` every dropout in training mode takes its mask from ``mask(call)``."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self.mask = mask

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.dropout:
            return func(*args, **(kwargs or {}))
        return self.dropped(*args, **(kwargs or {}))

    def dropped(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """The input with some elements zero and the rest scaled up; the signature is torch's."""
        if not training or p == 0.0:
            return input
        mask = self.mask(Call(tuple(input.shape), p, input.dtype, input.device))
        return input * mask / (1 - p) if p < 1 else input * 0.0


def drawn(generator: torch.Generator) -> Dropout:
    """Masks drawn one after the other from a generator."""
    return Dropout(lambda call: call.draw(generator))


def recorded(calls: list[Call]) -> Dropout:
    """Nothing is dropped; every call is appended to ``calls``."""

    def mask(call: Call) -> Tensor:
        calls.append(call)
        return torch.ones(call.shape, dtype=call.dtype, device=call.device)

    return Dropout(mask)


def given(masks: Sequence[Tensor]) -> Dropout:
    """Masks that were drawn before, in the order of the calls."""
    left = iter(masks)
    return Dropout(lambda call: next(left))
