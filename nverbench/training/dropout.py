"""Dropout with masks from a training's own generator, so that folds trained jointly have the same
masks as folds trained one by one.

Inside the block every ``torch.nn.functional.dropout`` (and so every ``nn.Dropout``) in training
mode reads its mask from here: y = x m / (1 - p), m ~ Bernoulli(1 - p). On the CPU the masks are
those of torch's own generator with the same seed. The function is replaced inside the block;
torch's TorchFunctionMode is slower, because it is called for every operation and every ``.shape``
of a model (77 times in a step of fcn).
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
        """Draw a mask of zeros and ones; a one has probability 1 - p."""
        mask = torch.empty(self.shape, dtype=self.dtype, device=self.device)
        return mask.bernoulli_(1 - self.p, generator=generator)


@contextmanager
def masked(mask: Mask) -> Iterator[None]:
    """Take the mask of every dropout in training mode from ``mask(call)`` inside the block."""

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
    """Draw the masks one after the other from a generator."""
    return masked(lambda call: call.draw(generator))


def recorded(calls: list[Call]) -> AbstractContextManager[None]:
    """Drop nothing, and append every call to ``calls``."""

    def mask(call: Call) -> Tensor:
        calls.append(call)
        return torch.ones(call.shape, dtype=call.dtype, device=call.device)

    return masked(mask)


def given(masks: Sequence[Tensor]) -> AbstractContextManager[None]:
    """Use masks that were drawn before, in the order of the calls."""
    left = iter(masks)
    return masked(lambda call: next(left))
