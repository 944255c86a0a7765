"""Cross-entropy, plain or with every class of the training rows counted alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nverbench import UNSCORED, Losses, Output, PartError


@dataclass(frozen=True)
class CrossEntropy:
    """The callable that the harness minimises; one term, ``cross_entropy``."""

    smoothing: float
    weights: Tensor | None
    """(k,) or None for all ones."""

    def __call__(self, output: Output, target: Tensor) -> Losses:
        weights = None if self.weights is None else self.weights.to(output.logits)  # (k,)
        loss = F.cross_entropy(
            output.logits,
            target,
            weight=weights,
            ignore_index=UNSCORED,
            label_smoothing=self.smoothing,
        )
        return Losses({"cross_entropy": loss})


def inverse_frequency(classes: int, counts: Sequence[int] | Tensor) -> Tensor:
    """(k,) weights 1 / count, scaled to mean 1 over the classes that training has; 0 for a class it
    lacks.

    Raises:
        PartError: ``counts`` is not (k,), or no class has a training row.
    """
    rows = torch.as_tensor(counts, dtype=torch.float64)  # (k,)
    if rows.shape != (classes,):
        raise PartError(
            f"cross-entropy: expected counts of {classes} classes, got shape {tuple(rows.shape)}"
        )
    seen = rows > 0
    if not seen.any():
        raise PartError(
            "cross-entropy: weighted=True needs training rows, and every class has none; give the"
            " fold's counts"
        )
    inverse = torch.where(seen, 1 / rows.clamp(min=1), 0.0)  # (k,)
    return inverse * seen.sum() / inverse.sum()
