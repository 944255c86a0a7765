"""The optimizer of a training, and the two sets of weights of a schedule-free one."""

from __future__ import annotations

from typing import Any

import torch

from nverbench.errors import PartError
from nverbench.training.records import TrainingSetup


def optimizer_of(training: TrainingSetup, parameters: Any) -> torch.optim.Optimizer:
    """The recipe's optimizer where its paper fixes one, else the protocol's."""
    name = training.recipe.optimizer or training.protocol.optimizer
    lr = training.lr
    if name == "radam-schedule-free":
        import schedulefree

        own: torch.optim.Optimizer = schedulefree.RAdamScheduleFree(parameters, lr=lr)
        return own
    if name != "adam":
        raise PartError(
            f"fusion {training.fusion.name}: optimizer {name!r} is not one this version offers;"
            " expected adam or radam-schedule-free"
        )
    # fused: one pass over the weights, of which a 3840-dimensional embedding has 15 million
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def eval_mode(optimizer: Any) -> None:
    """Load the evaluated weights: a schedule-free optimizer trains one set of weights, and its
    running mean is evaluated.
    """
    if hasattr(optimizer, "eval"):
        optimizer.eval()


def train_mode(optimizer: Any) -> None:
    """Load the weights that are trained."""
    if hasattr(optimizer, "train"):
        optimizer.train()
