"""The numbers of one epoch that enter its learning curve: means of loss terms, scores of the
watched part, and gradient shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nverbench.errors import FitError
from nverbench.metrics import scores
from nverbench.training.early_stopping import WEIGHTED_F1
from nverbench.training.records import TrainingSetup


class TermMeans:
    """The terms of an epoch, step by step; they stay on the device until the epoch ends, so that no
    step waits for it.
    """

    def __init__(self) -> None:
        self.steps: dict[str, list[Tensor]] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the scalars of one step."""
        for name, value in values.items():
            self.steps.setdefault(name, []).append(value.detach())

    def means(self, training: TrainingSetup, fold: str, epoch: int) -> dict[str, float]:
        """The mean of every term over the steps.

        Raises:
            FitError: a term is not finite; names the first one, from which others follow.
        """
        values = {name: torch.stack(own).cpu().numpy() for name, own in self.steps.items()}
        # Name -> the first step with a value that is not finite.
        broken = {
            n: int(np.argmin(f)) for n, v in values.items() if not (f := np.isfinite(v)).all()
        }
        if broken:
            first = min(broken, key=lambda name: broken[name])
            raise FitError(
                f"fold {fold}, epoch {epoch}: {first} of loss {training.loss.name} is not a finite"
                " number; lower the learning rate or choose another loss option"
            )
        return {f"train_{n}": float(np.add.accumulate(v)[-1]) / len(v) for n, v in values.items()}


def watched_scores(logits: Tensor, target: Tensor, classes: int, select: str) -> dict[str, float]:
    """Cross-entropy, accuracy and macro-F1 of the watched part, and the score that early stopping
    selects by.

    Args:
        logits: (n, k).
        target: (n,) classes.
    """
    counts = scores.confusion(target.cpu().numpy(), logits.argmax(-1).cpu().numpy(), classes)
    found = scores.scores(counts, present_only=True)
    names = ["accuracy", "macro_f1", *(["weighted_f1"] if select == WEIGHTED_F1 else [])]
    loss = float(functional.cross_entropy(logits, target))
    return {"watched_cross_entropy": loss} | {f"watched_{n}": float(found[n]) for n in names}


def gradient_shares(
    terms: Mapping[str, Tensor], parameters: Sequence[torch.nn.Parameter]
) -> dict[str, float]:
    """The share of each term in the gradient: its norm over the sum of all norms. Empty for a
    single term, or where the sum is 0 or not finite.
    """
    if len(terms) < 2:
        return {}
    norms = {}
    for name, term in terms.items():
        found: Sequence[Tensor | None] = ()
        if term.requires_grad:
            found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        squares = (float(g.double().square().sum()) for g in found if g is not None)
        norms[name] = math.sqrt(sum(squares))
    whole = sum(norms.values())
    if not 0 < whole < math.inf:
        return {}
    return {f"gradient_share_{name}": norm / whole for name, norm in norms.items()}
