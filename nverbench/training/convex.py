"""Heads whose objective is convex, fitted to the optimum: mean cross-entropy plus an L2 penalty
that validation parts choose (``docs/protocol.md``, nver-2, "Linear heads").

    f(W, b) = 1/n sum_i l(W x_i + b, y_i) + penalty / 2 ||W||^2

Gradient descent for a few epochs gives such a head a result that depends on the learning rate; the
minimum does not. L-BFGS (scipy) finds it in float64, and the norm of the gradient certifies it: the
largest partial derivative is at most ``CERTIFIED``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from nverbench.data.folds.assign import Fold
from nverbench.errors import FitError
from nverbench.plugin.types import Batch
from nverbench.training.curves import watched_scores
from nverbench.training.data import FoldData
from nverbench.training.early_stopping import watched_score
from nverbench.training.records import FoldPredictions, TrainingSetup

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTIFIED = 1e-6
"""The largest partial derivative at the optimum; the loss and the features are of size 1."""
SEARCHED = 1e-4
"""The same in the search, whose fits only choose a penalty."""
STEPS = 5000
"""Iterations after which a fit has failed."""


@dataclass
class _Problem:
    """The objective of a module on some rows, as a function of all its parameters."""

    module: torch.nn.Module
    objective: Callable[..., Any]
    batch: Batch
    """Every training row, float64."""
    target: Tensor

    def minimise(self, start: NDArray[np.float64], penalty: float, largest: float) -> Any:
        """The parameters (p,) of the minimum, from a start, as scipy returns them."""
        from scipy.optimize import minimize

        options = {"maxiter": STEPS, "maxfun": 2 * STEPS, "gtol": largest, "ftol": 0.0}
        return minimize(
            self._value, start, (penalty,), method="L-BFGS-B", jac=True, options=options
        )

    def _value(
        self, parameters: NDArray[np.float64], penalty: float
    ) -> tuple[float, NDArray[np.float64]]:
        """The objective and its gradient (p,)."""
        own = list(self.module.parameters())
        vector_to_parameters(torch.from_numpy(parameters), own)
        output = self.module(self.batch)
        loss = torch.stack(list(self.objective(output, self.target).terms.values())).sum()
        # the intercept is not penalised: a constant shift of the logits of a class costs nothing
        weights = [p.square().sum() for p in own if p.ndim > 1]
        total = loss + 0.5 * penalty * torch.stack(weights).sum()
        gradient = torch.autograd.grad(total, own)
        return float(total.detach()), parameters_to_vector(gradient).numpy()


def fit_searched(
    training: TrainingSetup,
    prepare: Callable[[Fold], FoldData],
    data: Sequence[FoldData],
    labels: Tensor,
    inner: Sequence[Fold],
    fold: Fold,
) -> FoldPredictions:
    """Choose the penalty by the validation parts, fit the whole training part to its optimum, and
    predict the test part. The curves hold one entry per penalty, the strongest first.

    Raises:
        FitError: a fit does not converge.
    """
    penalties = sorted(training.protocol.penalties, reverse=True)
    paths = [
        _path(training, own, labels, part, penalties) for own, part in zip(data, inner, strict=True)
    ]  # splits x penalties
    curves = [
        {name: math.fsum(p[i][name] for p in paths) / len(paths) for name in paths[0][i]}
        for i in range(len(penalties))
    ]
    scores = [watched_score(curve, training.select) for curve in curves]
    best = scores.index(max(scores))  # of equal ones the strongest penalty
    whole = prepare(fold)
    problem = _problem(training, whole, labels, fold)
    found, steepest = _optimum(problem, penalties[: best + 1], CERTIFIED, fold.name)
    test = torch.tensor(fold.test, dtype=torch.long, device=labels.device)
    return FoldPredictions(
        _logits(problem, found, whole, test).softmax(-1).cpu().numpy(),
        best + 1,
        tuple(curves),
        len(found),
        0.0,
        chosen={"l2": penalties[best], "gradient": steepest},
        tried={f"l2={p:g}": s for p, s in zip(penalties, scores, strict=True)},
    )


def _path(
    training: TrainingSetup, data: FoldData, labels: Tensor, part: Fold, penalties: Sequence[float]
) -> list[dict[str, float]]:
    """What the validation part gives under each penalty; each fit starts from the last one."""
    problem = _problem(training, data, labels, part)
    rows = torch.tensor(part.validation, dtype=torch.long, device=labels.device)
    parameters, found = _zeros(problem), []
    for penalty in penalties:
        parameters = problem.minimise(parameters, penalty, SEARCHED).x
        logits = _logits(problem, parameters, data, rows)
        found.append(watched_scores(logits, labels[rows], training.classes, training.select))
    return found


def _optimum(
    problem: _Problem, penalties: Sequence[float], largest: float, name: str
) -> tuple[NDArray[np.float64], float]:
    """The parameters (p,) at the last penalty and their largest partial derivative."""
    parameters = _zeros(problem)
    for penalty in penalties:
        limit = largest if penalty == penalties[-1] else SEARCHED
        fit = problem.minimise(parameters, penalty, limit)
        parameters = fit.x
    steepest = float(np.abs(fit.jac).max())
    if not steepest <= 10 * largest:
        raise FitError(
            f"fold {name}: the convex fit stopped at a derivative of {steepest:.1e} (expected at"
            f" most {largest:.0e}): {fit.message}; scale the features"
        )
    return parameters, steepest


def _problem(training: TrainingSetup, data: FoldData, labels: Tensor, fold: Fold) -> _Problem:
    rows = torch.tensor(fold.train, dtype=torch.long, device=labels.device)
    counts = torch.bincount(labels[rows], minlength=training.classes)  # (k,) training rows only
    module = training.fusion.build(data.dims, training.classes, **training.fusion_options)
    objective = training.loss.build(training.classes, counts, **training.loss_options)
    batch = _doubled(data.batch(rows))
    return _Problem(module.to(labels.device).double(), objective, batch, labels[rows])


def _doubled(batch: Batch) -> Batch:
    return Batch(tuple(stream.double() for stream in batch.streams))


def _zeros(problem: _Problem) -> NDArray[np.float64]:
    return np.zeros(sum(p.numel() for p in problem.module.parameters()))


@torch.no_grad()
def _logits(
    problem: _Problem, parameters: NDArray[np.float64], data: FoldData, rows: Tensor
) -> Tensor:
    """Logits (n, k) of some rows."""
    vector_to_parameters(torch.from_numpy(parameters), problem.module.parameters())
    logits: Tensor = problem.module(_doubled(data.batch(rows))).logits
    return logits
