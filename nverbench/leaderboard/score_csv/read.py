"""The strict reader of a CSV file with predictions of any system, for ``nverbench score``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nverbench.errors import UsageError
from nverbench.leaderboard.score_csv.rows import PredictionRow, prediction_rows
from nverbench.metrics.jackknife import Decisions


@dataclass(frozen=True)
class PredictionFile:
    """The predictions of a file, rows in the order of the ids."""

    path: Path
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    """Sorted: those of the clips, those that were predicted, and those with a column of
    probabilities.
    """
    predictions: Decisions
    folds: tuple[str, ...]
    """(n,) or empty where the file has none."""
    replicates: tuple[str, ...]
    unheard: tuple[str, ...]
    """Labels that no clip has; macro averages count them."""
    by: str = ""
    """The column of groups of speakers."""
    facts: tuple[str, ...] = ()
    """(n,) its cells; empty where none was asked for."""

    @property
    def grouped(self) -> bool:
        """Whether the file names the speakers."""
        return any(group is not None for group in self.predictions.groups)

    def over(self, labels: Sequence[str]) -> Decisions:
        """The same predictions with classes numbered as in ``labels``, which include all labels of
        the file.
        """
        p, number = self.predictions, np.array([labels.index(label) for label in self.labels])
        return Decisions(number[p.target], number[p.predicted], p.groups, len(labels))


def read(path: Path, by: str = "") -> PredictionFile:
    """The predictions in a CSV file.

    Columns: ``id``, ``label`` (the true one), and ``prediction`` or one probability per class in
    columns ``p_<label>``; optional ``group`` (or ``speaker``), ``fold`` and ``replicate``; other
    usual names of these columns too (``nverbench/data/metadata/columns.py``). In any order,
    encoding and separator that ``table:`` reads. ``by`` names one more column.

    Raises:
        UsageError: the file, the line and what does not fit.
    """
    rows, classes = prediction_rows(path, by)
    lines = _by_replicate(path, rows)
    if not lines:
        raise UsageError(
            f"{path}: holds no predictions; expected a line per clip below the names of the columns"
        )
    replicates = sorted(lines)
    first, *others = (lines[replicate] for replicate in replicates)
    for other in others:
        _check_same(path, first, other)
    predicted = {row.prediction for own in lines.values() for row in own.values()}
    true = {row.label for row in first.values()}
    labels = sorted(true | set(classes) | predicted)
    if len(labels) < 2:
        raise UsageError(
            f"{path}: expected labels of at least two classes, found only {labels[0]!r}"
        )
    ids, number = sorted(first), {label: i for i, label in enumerate(labels)}
    folds = tuple(first[i].fold for i in ids)
    decisions = Decisions(
        np.array([number[first[i].label] for i in ids], dtype=np.int64),
        np.array([[number[lines[r][i].prediction] for i in ids] for r in replicates], np.int64),
        tuple(first[i].group or None for i in ids),
        len(labels),
    )
    return PredictionFile(
        path,
        tuple(ids),
        tuple(labels),
        decisions,
        folds if all(folds) else (),
        tuple(replicates),
        tuple(label for label in labels if label not in true),
        by,
        tuple(first[i].fact for i in ids) if by else (),
    )


def _by_replicate(path: Path, rows: Iterable[PredictionRow]) -> dict[str, dict[str, PredictionRow]]:
    """Replicate -> id -> row."""
    lines: dict[str, dict[str, PredictionRow]] = {}
    for row in rows:
        own = lines.setdefault(row.replicate, {})
        if row.id in own:
            raise UsageError(
                f"{path}, line {row.line}: clip {row.id!r} has a prediction on line"
                f" {own[row.id].line} already; give one per clip and replicate"
            )
        own[row.id] = row
    return lines


def _check_same(
    path: Path, first: Mapping[str, PredictionRow], other: Mapping[str, PredictionRow]
) -> None:
    """Raise when two replicates differ in clips, labels, groups or folds."""
    replicate = next(iter(other.values())).replicate
    for missing in sorted(set(first) ^ set(other)):
        row = first.get(missing) or other[missing]
        raise UsageError(
            f"{path}, line {row.line}: clip {missing!r} is not in every replicate ({replicate!r}"
            " differs); give the same clips in each"
        )
    for clip, row in other.items():
        for what in ("label", "group", "fold", "fact"):
            was, now = getattr(first[clip], what), getattr(row, what)
            if was != now:
                raise UsageError(
                    f"{path}, line {row.line}: {what} {now!r} of clip {clip!r} was {was!r} on line"
                    f" {first[clip].line}; correct one of them"
                )
