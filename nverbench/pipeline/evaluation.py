"""``nverbench.evaluate(X, y, groups)``: the protocol on features of one's own, in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench import registry
from nverbench.data.folds import assign
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.errors import UsageError
from nverbench.metrics import jackknife
from nverbench.metrics.scores import SHOWN
from nverbench.pipeline.assemble import pooled
from nverbench.pipeline.result import fold_scores
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve, split
from nverbench.plugin.records import Clip
from nverbench.results import scoring
from nverbench.results.predictions import Predictions
from nverbench.results.record import Score
from nverbench.results.scoring import score_text
from nverbench.training.folds import fit_folds
from nverbench.training.records import TrainingSetup

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Evaluation:
    """Scores with intervals, and the out-of-fold predictions behind them."""

    scores: dict[str, Score]
    folds: assign.FoldSet
    labels: tuple[str, ...]
    predictions: Predictions
    per_group_accuracy: dict[str, float]

    def __str__(self) -> str:
        lines = [f"{heading} {score_text(self.scores[name])}" for name, heading in SHOWN]
        return f"{', '.join(lines)} ({self.folds.kind} folds, {len(self.predictions.ids)} clips)"


def evaluate(
    X: Any,
    y: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    fusion: str = "linear",
    loss: str | None = None,
    folds_kind: str | None = None,
    ids: Sequence[str] | None = None,
    protocol: str = registry.DEFAULT_PROTOCOL,
    seeds: int = 1,
) -> Evaluation:
    """Accuracy, macro-F1, UAR and weighted F1 of a head or fusion on given features,
    cross-validated by the protocol.

    Args:
        X: (n, d) features, one row per clip; or a list of such matrices, one per backbone, for a
            fusion of several.
        y: (n,) labels.
        groups: (n,) speakers; folds keep them together and intervals are taken over them. None:
            random folds, intervals over clips.
        fusion: name and options of an installed fusion, such as ``"fcn"`` or
            ``"reno:align_dim=128"``.
        loss: name and options; None: the fusion's default.
        folds_kind: speaker, random, leave-one-group-out, holdout=GROUP; None: speaker where there
            are at least five groups.
        ids: (n,) stable names; folds depend on them. None: the row numbers.
        protocol: name of a protocol of the registry.
        seeds: replicates, averaged.

    Raises:
        UsageError: shapes do not fit, features are not finite, or a name is unknown.
    """
    clips, streams = _in_order(_clips(y, groups, ids), X)
    constants = registry.load().protocol(protocol)
    labels = tuple(sorted({str(c.label) for c in clips}))
    training = _setup(fusion, loss, constants, len(labels), len(streams))
    if seeds < 1:
        raise UsageError(f"evaluate: expected at least one replicate, got seeds={seeds}")
    kinds = ("speaker", "random", "leave-one-group-out")
    kind = folds_kind or constants.folds or assign.default_kind(clips, kinds)
    cut = folds_of_protocol(clips, kind, constants)
    target = np.array([labels.index(str(c.label)) for c in clips], dtype=np.int64)
    fitted = fit_folds(training, streams, target, cut.folds, seeds)
    predictions = pooled(cut, fitted, clips, target)
    hard = predictions.decisions(len(labels))
    per_fold = fold_scores(cut, fitted, predictions, list(labels))
    scores = scoring.summarise(hard, per_fold, constants.seed)
    few = groups is not None and 1 < len(set(groups)) < jackknife.MIN_GROUPS
    return Evaluation(scores, cut, labels, predictions, jackknife.per_group(hard) if few else {})


def _setup(
    fusion: str, loss: str | None, protocol: registry.Protocol, classes: int, streams: int
) -> TrainingSetup:
    """What to train: a fusion for that many matrices, and its loss."""
    parts = discovery.discover()
    head = parts.fusion(split(fusion)[0])
    low, high = head.arity
    if not low <= streams <= (high or streams):
        raise UsageError(
            f"fusion {head.name} takes {low} to {high or 'any number of'} matrices, got {streams}"
        )
    text = loss or head.default_loss
    objective = parts.loss(split(text)[0])
    if objective.needs == "views" and not head.views:
        raise UsageError(
            f"evaluate: loss {objective.name} needs aligned views, and fusion {head.name} gives"
            " none; use cross-entropy"
        )
    options = resolve(head, fusion).full, resolve(objective, text).full
    return TrainingSetup(head, options[0], objective, options[1], protocol, classes)


def _clips(y: Sequence[str], groups: Sequence[str] | None, ids: Sequence[str] | None) -> list[Clip]:
    for name, values in (("groups", groups), ("ids", ids)):
        if values is not None and len(values) != len(y):
            raise UsageError(
                f"evaluate: expected {len(y)} {name}, one per label, got {len(values)}"
            )
    if ids is not None and len({str(i) for i in ids}) != len(ids):
        raise UsageError("evaluate: ids must be unique")
    if len({str(label) for label in y}) < 2:
        raise UsageError("evaluate: expected labels of at least two classes")
    names = [str(i) for i in ids] if ids is not None else [f"{i:08d}" for i in range(len(y))]
    return [
        Clip(n, Path(), str(label), None if groups is None else str(groups[i]))
        for i, (n, label) in enumerate(zip(names, y, strict=True))
    ]


def _in_order(clips: list[Clip], X: Any) -> tuple[list[Clip], list[NDArray[np.float32]]]:
    """The clips sorted by id, and the matrices with their rows in that order."""
    order = sorted(range(len(clips)), key=lambda i: clips[i].id)
    return [clips[i] for i in order], [m[order] for m in _matrices(X, len(clips))]


def _matrices(X: Any, rows: int) -> list[NDArray[np.float32]]:
    several = isinstance(X, list | tuple) and len(X) > 0 and getattr(X[0], "ndim", 0) == 2
    try:
        matrices = [np.asarray(m, dtype=np.float32) for m in (X if several else [X])]
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"evaluate: expected features (n={rows}, d) of numbers, got something else ({error})"
        ) from error
    for m in matrices:
        if m.ndim != 2 or len(m) != rows:
            raise UsageError(f"evaluate: expected features (n={rows}, d), got {m.shape}")
        if not np.isfinite(m).all():
            raise UsageError(
                f"evaluate: {int((~np.isfinite(m)).any(axis=1).sum())} rows of features hold"
                " numbers that are not finite"
            )
    return matrices
