"""What the tests of training share: one fold of sixty rows, a linear net that keeps what it was
given, and a quick protocol.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nverbench import Batch, Fusion, Loss, Losses, Output, registry
from nverbench.data.folds.assign import Fold
from nverbench.plugin import discovery
from nverbench.training.folds import fit_fold
from nverbench.training.records import FoldPredictions, TrainingSetup

CLASSES, DIM, ROWS = 3, 6, 60
FOLD = Fold("a", tuple(range(36)), tuple(range(36, 48)), tuple(range(48, ROWS)), False)
QUICK = (
    registry.load()
    .protocol("nver-1")
    .model_copy(update={"epochs": 4, "patience": 3, "batch": 8, "lr": 0.02})
)


class Net(torch.nn.Module):
    """A dropout and one linear layer on everything; keeps what it was given."""

    def __init__(self, dims: tuple[int, ...], classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout, self.layer = torch.nn.Dropout(dropout), torch.nn.Linear(sum(dims), classes)
        self.seen: list[tuple[bool, torch.Tensor]] = []

    def forward(self, batch: Batch) -> Output:
        wide = torch.cat(batch.streams, dim=1)
        self.seen.append((self.training, wide.detach().clone()))
        return Output(self.layer(self.dropout(wide)), batch.streams)


def build_loss(classes: int, counts: torch.Tensor) -> Any:
    return lambda output, target: Losses(
        {"ce": torch.nn.functional.cross_entropy(output.logits, target)}
    )


LINEAR = Fusion(name="net", arity=(1, None), build=Net)
ENTROPY = Loss(name="ce", build=build_loss)


def training(fusion: Fusion = LINEAR, loss: Loss = ENTROPY, **protocol: Any) -> TrainingSetup:
    return TrainingSetup(fusion, {}, loss, {}, QUICK.model_copy(update=protocol), CLASSES)


def data(
    rows: int = ROWS, apart: float = 1.0, seed: int = 0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Features (n, d) whose class means lie ``apart``, and targets (n,)."""
    rng = np.random.default_rng(seed)
    target = np.arange(rows) % CLASSES
    means = np.eye(CLASSES, DIM) * apart
    return (means[target] + rng.standard_normal((rows, DIM))).astype(np.float32), target.astype(
        np.int64
    )


def fit(
    plan: TrainingSetup, x: Any = None, fold: Fold = FOLD, replicate: int = 0
) -> FoldPredictions:
    features, target = data()
    return fit_fold(plan, [features if x is None else x], target, fold, replicate)


def garbage(x: np.ndarray[Any, Any], rows: tuple[int, ...]) -> np.ndarray[Any, Any]:
    changed = x.copy()
    changed[list(rows)] = np.random.default_rng(9).standard_normal((len(rows), x.shape[1])) * 1e6
    return changed


def plan(lr: float = 1e-3) -> TrainingSetup:
    parts = discovery.discover()
    return TrainingSetup(
        parts.fusion("fcn"),
        {"dense1": 16, "dense2": 8, "dropout": 0.3},
        parts.loss("cross-entropy"),
        {},
        QUICK.model_copy(update={"lr": lr}),
        CLASSES,
    )
