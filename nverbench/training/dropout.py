"""Dropout whose masks come from a training's own generator, so that folds trained jointly drop what
they would drop one by one.

Inside the block every ``torch.nn.functional.dropout`` (and so every ``nn.Dropout``) in training
mode reads its mask from here: y = x m / (1 - p), m ~ Bernoulli(1 - p). On the CPU the masks are
those torch's own generator would give for the same seed. The function is replaced for the time
being: torch's own way, a TorchFunctionMode, is asked about every operation and every ``.shape`` of
a model (77 times in a step of fcn).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

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
        return torch.empty(self.shape, dtype=self.dtype, device=self.device).bernoulli_(
            1 - self.p, generator=generator
        )


@contextmanager
def masked(mask: Mask) -> Iterator[None]:
    """Inside, every dropout in training mode takes its mask from ``mask(call)``."""

    def dropped(
        input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:  # the signature is torch's
        if not training or p == 0.0:
            return input
        drawn_mask = mask(Call(tuple(input.shape), p, input.dtype, input.device))
        return input * drawn_mask / (1 - p) if p < 1 else input * 0.0

    before, functional.dropout = functional.dropout, dropped
    try:
        yield
    finally:
        functional.dropout = before


def drawn(generator: torch.Generator) -> AbstractContextManager[None]:
    """Masks drawn one after the other from a generator."""
    return masked(lambda call: call.draw(generator))


def recorded(calls: list[Call]) -> AbstractContextManager[None]:
    """Nothing is dropped; every call is appended to ``calls``."""

    def mask(call: Call) -> Tensor:
        calls.append(call)
        return torch.ones(call.shape, dtype=call.dtype, device=call.device)

    return masked(mask)


def given(masks: Sequence[Tensor]) -> AbstractContextManager[None]:
    """Masks that were drawn before, in the order of the calls."""
    left = iter(masks)
    return masked(lambda call: next(left))
