"""``nverbench.evaluate(X, y, groups)``: the protocol on features of one's own, in a notebook."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nverbench import registry
from nverbench.data.folds import assign
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.errors import UsageError, abbreviated
from nverbench.metrics import jackknife
from nverbench.metrics.scores import SHOWN
from nverbench.pipeline import feature_matrices, texts
from nverbench.pipeline.assemble import pooled
from nverbench.pipeline.evaluation_notes import notes
from nverbench.pipeline.positional import check_aligned, check_length, check_unique
from nverbench.pipeline.result import fold_scores
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve, split
from nverbench.plugin.records import Clip
from nverbench.results import scoring
from nverbench.results.predictions import Predictions
from nverbench.results.record import Score
from nverbench.results.scoring import score_text
from nverbench.results.warnings import of_training
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
    notes: tuple[str, ...] = ()
    """Sentences on what the scores may hide: copies of rows, classes that are never tested, a score
    below the majority class, trainings that may be too short.
    """

    def __str__(self) -> str:
        lines = [f"{heading} {score_text(self.scores[name])}" for name, heading in SHOWN]
        what = f"({self.folds.kind} folds, {len(self.predictions.ids)} clips)"
        return "\n".join([f"{', '.join(lines)} {what}", *(f"note: {note}" for note in self.notes)])


def evaluate(
    X: Any,
    y: Any,
    groups: Any | None = None,
    *,
    fusion: str = "linear",
    loss: str | None = None,
    folds_kind: str | None = None,
    ids: Any | None = None,
    protocol: str = registry.DEFAULT_PROTOCOL,
    seeds: int = 1,
) -> Evaluation:
    """Accuracy, macro-F1, UAR and weighted F1 of a head or fusion on given features,
    cross-validated by the protocol.

    Rows are read by position: value i of ``y``, ``groups`` and ``ids`` belongs to row i of ``X``.
    Lists, arrays, tensors, iterators and columns of pandas, polars or xarray give the same result.

    Args:
        X: (n, d) features, one row per clip; or a list of such matrices, one per backbone, for a
            fusion of several.
        y: (n,) labels: text or whole numbers.
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
        UsageError: shapes or pandas indexes do not fit together; a feature is not a finite number;
            a label, group or id is missing or written in two ways; or a name is unknown.
        FoldError: the rows cannot be cut into folds of that kind.
    """
    _check_options(fusion, loss, folds_kind, protocol, seeds)
    containers = feature_matrices.containers(X)
    named = [("X" if len(containers) == 1 else f"X[{i}]", x) for i, x in enumerate(containers)]
    check_aligned([("y", y), ("groups", groups), ("ids", ids), *named])
    clips, streams = _in_order(_clips(y, groups, ids), containers)
    constants = registry.load().protocol(protocol)
    labels = tuple(sorted({str(c.label) for c in clips}))
    training = _setup(fusion, loss, constants, len(labels), len(streams))
    kinds = ("speaker", "random", "leave-one-group-out")
    default = constants.folds or assign.default_kind(clips, kinds)
    kind = default if folds_kind is None else folds_kind
    cut = folds_of_protocol(clips, kind, constants, replicates=int(seeds))
    target = np.array([labels.index(str(c.label)) for c in clips], dtype=np.int64)
    fitted = fit_folds(training, streams, target, cut.folds, int(seeds))
    predictions = pooled(cut, fitted, clips, target)
    hard = predictions.decisions(len(labels))
    per_fold = fold_scores(cut, fitted, predictions, list(labels), constants)
    scores = scoring.summarise(hard, per_fold, constants.seed, rule=constants.intervals)
    few = groups is not None and 1 < len({c.unit for c in clips}) < jackknife.MIN_GROUPS
    per_group = jackknife.per_group(hard) if few else {}
    remarks = notes(clips, streams, target, cut.folds)
    confusion = scoring.confusion(hard).tolist()
    doubts = of_training(scores, confusion, per_fold, selection=constants.selection)
    return Evaluation(scores, cut, labels, predictions, per_group, (*remarks, *doubts))


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
    text = head.default_loss if loss is None else loss
    objective = parts.loss(split(text)[0])
    if objective.needs == "views" and not head.views:
        raise UsageError(
            f"evaluate: loss {objective.name} needs aligned views, and fusion {head.name} gives"
            " none; use cross-entropy"
        )
    options = resolve(head, fusion).full, resolve(objective, text).full
    return TrainingSetup(head, options[0], objective, options[1], protocol, classes)


def _check_options(
    fusion: object, loss: object, folds_kind: object, protocol: object, seeds: object
) -> None:
    """Raise UsageError for an option of a wrong type."""
    for name, value, example, optional in (
        ("fusion", fusion, "linear", False),
        ("loss", loss, "cross-entropy", True),
        ("folds_kind", folds_kind, "speaker", True),
        ("protocol", protocol, registry.DEFAULT_PROTOCOL, False),
    ):
        if not isinstance(value, str) and not (optional and value is None):
            what = f"text such as {example!r}{' or None' if optional else ''}"
            given = f"{abbreviated(value)} ({type(value).__name__})"
            raise UsageError(f"evaluate: {name}: expected {what}, got {given}")
    if isinstance(seeds, bool) or not isinstance(seeds, numbers.Integral):
        raise UsageError(
            "evaluate: seeds: expected a whole number of replicates such as 5, got"
            f" {abbreviated(seeds)} ({type(seeds).__name__})"
        )
    if seeds < 1:
        raise UsageError(f"evaluate: expected at least one replicate, got seeds={seeds}")


def _clips(y: Any, groups: Any | None, ids: Any | None) -> list[Clip]:
    """One clip per row, in the order of the rows."""
    labels = texts.labels(y)
    speakers = None if groups is None else texts.groups(groups)
    names = [f"{i:08d}" for i in range(len(labels))] if ids is None else texts.ids(ids)
    check_length("groups", labels if speakers is None else speakers, len(labels))
    check_length("ids", names, len(labels))
    check_unique(names)
    return [
        Clip(name, Path(), label, None if speakers is None else speakers[i])
        for i, (name, label) in enumerate(zip(names, labels, strict=True))
    ]


def _in_order(
    clips: list[Clip], containers: Sequence[Any]
) -> tuple[list[Clip], list[NDArray[np.float32]]]:
    """The clips sorted by id, and the matrices with their rows in that order."""
    order = sorted(range(len(clips)), key=lambda i: clips[i].id)
    streams = feature_matrices.matrices(containers, len(clips))
    return [clips[i] for i in order], [m[order] for m in streams]
