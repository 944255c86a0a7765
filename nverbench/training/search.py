"""The search inside the training part (``docs/protocol.md``, nver-2, "Search"): validation parts
choose the learning rate and the number of epochs, or the L2 penalty of a convex head; then the head
is fitted again to the whole training part.

Every head has the same candidates, validation parts and limits. The test part is used once, after
the last fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from nverbench.data.folds.assign import Fold
from nverbench.data.folds.inner import inner_folds
from nverbench.training import convex
from nverbench.training.data import FoldData
from nverbench.training.early_stopping import best_epoch, out_of_patience, watched_score
from nverbench.training.loop import FoldTraining, one_epoch, train
from nverbench.training.optimizers import eval_mode, optimizer_of
from nverbench.training.records import FoldPredictions, TrainingSetup

Curve = Mapping[str, float]
Prepare = Callable[[Fold], FoldData]
"""Scales the data by the training rows of a fold."""


def searches(training: TrainingSetup) -> bool:
    """Whether validation parts choose more than the epoch of one training."""
    return training.protocol.selection == "inner" and bool(training.protocol.rates)


@dataclass(frozen=True)
class _Candidate:
    """One learning rate, with the mean curve of its trainings."""

    rate: float
    curves: tuple[Curve, ...]
    epoch: int
    """The best epoch of the mean curve."""
    score: float
    """What the validation parts give at this epoch."""


def fit_searched(
    training: TrainingSetup, prepare: Prepare, labels: Tensor, fold: Fold, replicate: int
) -> FoldPredictions:
    """Search on the validation parts of a replicate, fit the whole training part, and predict the
    test part.

    Args:
        training: what and how.
        prepare: scales the data by the training rows of a fold.
        labels: (n,) classes of all rows.
        fold: with its validation parts.
        replicate: chooses seeds and validation parts.

    Raises:
        FoldError: there is no validation part.
        FitError: a loss is not finite, or a convex fit does not converge.
    """
    began = time.perf_counter()
    inner = inner_folds(fold, training.protocol, replicate)
    data = [prepare(own) for own in inner]
    layers = any(any(own.layers) for own in data)
    if training.is_convex and not layers:
        fitted = convex.fit_searched(training, prepare, data, labels, inner, fold)
    else:
        fitted = _fit_gradually(training, prepare, data, labels, inner, fold, replicate)
    return replace(fitted, seconds=time.perf_counter() - began)


def _fit_gradually(
    training: TrainingSetup,
    prepare: Prepare,
    data: Sequence[FoldData],
    labels: Tensor,
    inner: Sequence[Fold],
    fold: Fold,
    replicate: int,
) -> FoldPredictions:
    """Choose rate and number of epochs, and train on the whole training part with them."""
    tried = []
    for rate in training.protocol.rates:
        setup = with_constants(training, lr=rate)
        runs = [
            FoldTraining(setup, own, labels, part, replicate)
            for own, part in zip(data, inner, strict=True)
        ]
        tried.append(_candidate(rate, _mean_curves(runs), setup.select))
    best = max(tried, key=lambda candidate: candidate.score)  # of equal ones the lowest rate
    final = with_constants(training, lr=best.rate, epochs=best.epoch, selection="last")
    fitted = train(FoldTraining(final, prepare(fold), labels, fold, replicate))
    return replace(
        fitted,
        best_epoch=best.epoch,
        curves=best.curves,
        chosen={"lr": best.rate},
        tried={f"lr={one.rate:g}": one.score for one in tried},
    )


def with_constants(training: TrainingSetup, **constants: object) -> TrainingSetup:
    """The setup under changed constants of its protocol."""
    return replace(training, protocol=training.protocol.model_copy(update=constants))


def _mean_curves(runs: Sequence[FoldTraining]) -> tuple[Curve, ...]:
    """Train one run per validation part, epoch by epoch, until the mean of what they watch has not
    improved for the protocol's patience.
    """
    training = runs[0].training
    optimizers = [optimizer_of(training, run.module.parameters()) for run in runs]
    curves: list[Curve] = []
    for epoch in range(1, training.epochs + 1):
        own = []
        for run, optimizer in zip(runs, optimizers, strict=True):
            curve = one_epoch(run, optimizer, epoch)
            eval_mode(optimizer)
            own.append(curve | run.watched())
        names = own[0].keys()
        curves.append({name: math.fsum(c[name] for c in own) / len(own) for name in names})
        if out_of_patience(epoch, best_epoch(curves, training.select), training.patience):
            break
    return tuple(curves)


def _candidate(rate: float, curves: tuple[Curve, ...], select: str) -> _Candidate:
    epoch = best_epoch(curves, select) or 1
    return _Candidate(rate, curves, epoch, watched_score(curves[epoch - 1], select))
