"""A loss as a strict type checker wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nverbench import Loss, Losses, Output, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


def build(
    classes: int, counts: Tensor, smoothing: float = 0.1
) -> Callable[[Output, Tensor], Losses]:
    """Cross-entropy with smoothed labels."""
    import torch

    def loss(output: Output, target: Tensor) -> Losses:
        return Losses(
            {
                "cross-entropy": torch.nn.functional.cross_entropy(
                    output.logits, target, label_smoothing=smoothing
                )
            }
        )

    return loss


@hookimpl
def nverbench_losses() -> Iterable[Loss]:
    """One loss."""
    return [Loss(name="myloss", build=build)]
