"""The strict reader of a CSV file with predictions of any system, for ``nverbench score``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from nverbench.errors import UsageError
from nverbench.metrics.jackknife import Decisions

GROUPS = ("group", "speaker")
KNOWN = ("id", "label", "prediction", *GROUPS, "fold", "replicate")
PROBABILITY = "p_"
MOST_COLUMNS = 1000
ROUNDING = 0.01
"""The largest distance from 1 that a sum of probabilities of one clip may have."""


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


Text = Annotated[str, Field(min_length=1)]


class PredictionRow(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(frozen=True)

    line: int
    id: Text
    label: Text
    prediction: Text
    replicate: Text = ""
    group: str = Field("", validation_alias=AliasChoices(*GROUPS))
    fold: str = ""


def read(path: Path) -> PredictionFile:
    """The predictions in a CSV file.

    Columns: ``id``, ``label`` (the true one), and ``prediction`` or one probability per class in
    columns ``p_<label>``; optional ``group`` (or ``speaker``), ``fold`` and ``replicate``. In any
    order, UTF-8, with or without a byte order mark, any line ends, RFC 4180 quoting.

    Raises:
        UsageError: the file, the line and what does not fit.
    """
    classes: set[str] = set()
    lines = _by_replicate(path, _rows(path, classes))
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
    labels = sorted(true | classes | predicted)
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
    )


def _by_replicate(path: Path, rows: Iterator[PredictionRow]) -> dict[str, dict[str, PredictionRow]]:
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


def _rows(path: Path, classes: set[str]) -> Iterator[PredictionRow]:
    """The lines of the file, checked one by one; labels with a column of probabilities are added to
    ``classes``.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            probabilities = _check_columns(path, columns)
            classes.update(probabilities)
            for cells in reader:
                extra = cells.pop(None, [])  # the key that csv gives to more cells
                given = {k: cell.strip() for k, cell in cells.items() if cell is not None}
                if any(given.values()) or any(cell.strip() for cell in extra):
                    where = f"{path}, line {reader.line_num}"
                    if len(given) + len(extra) != len(columns):
                        raise UsageError(
                            f"{where}: expected {len(columns)} cells ({', '.join(columns)}), got"
                            f" {len(given) + len(extra)}"
                        )
                    yield _row(where, reader.line_num, given, probabilities)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: expected UTF-8 text, but byte {error.start} is none; save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.reader.line_num}: not readable as CSV ({error}); quote cells"
            " with commas, quotes or line ends"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise UsageError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}); give a CSV file of"
            " predictions"
        ) from error


def _check_columns(path: Path, columns: Sequence[str]) -> list[str]:
    """The classes that have a column of probabilities."""
    if len(columns) > MOST_COLUMNS:
        raise UsageError(
            f"{path}, line 1: expected at most {MOST_COLUMNS} columns, got {len(columns):,}; give"
            " one per class"
        )
    problem = next(_problems(columns, found := _classes(columns)), None)
    if problem:
        raise UsageError(
            f"{path}, line 1: {problem}; expected id, label, prediction (or p_<label> for every"
            f" class), and if known {', '.join(KNOWN[3:])}"
        )
    return found


def _classes(columns: Sequence[str]) -> list[str]:
    return [name[len(PROBABILITY) :] for name in columns if name.startswith(PROBABILITY)]


def _problems(columns: Sequence[str], classes: Sequence[str]) -> Iterator[str]:
    """Problems of the names of the columns."""
    if not columns:
        yield "is empty"
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        yield "its columns are separated by ';' or tabs; save it with commas"
    yield from (
        f"column {c!r} holds an invisible character" for c in columns if not c.isprintable()
    )
    yield from (f"column {c!r} is there twice" for c in sorted(columns) if columns.count(c) > 1)
    known = {*KNOWN, *(PROBABILITY + label for label in classes if label)}
    yield from (f"column {c!r} is unknown" for c in columns if c not in known)
    yield from (f"column {c!r} is missing" for c in ("id", "label") if c not in columns)
    if set(GROUPS) <= set(columns):
        yield "both group and speaker are given; keep one"
    if classes and "prediction" in columns:
        yield "both prediction and probabilities are given; keep one"
    if not classes and "prediction" not in columns:
        yield "column 'prediction' is missing"
    if len(classes) == 1:
        yield "probabilities of one class only"


def _row(
    where: str, line: int, cells: Mapping[str, str], probabilities: Sequence[str]
) -> PredictionRow:
    more: dict[str, object] = {"line": line}
    if probabilities and cells["label"]:
        if cells["label"] not in probabilities:
            raise UsageError(
                f"{where}: label {cells['label']!r} has no column p_{cells['label']}; give one per"
                " class"
            )
        more["prediction"] = _most_likely(where, cells, probabilities)
    try:
        return PredictionRow.model_validate({**cells, **more})
    except ValidationError as error:
        column = error.errors()[0]["loc"][0]
        raise UsageError(f"{where}: column {column} is empty; every clip needs one") from error


def _most_likely(where: str, cells: Mapping[str, str], probabilities: Sequence[str]) -> str:
    values = []
    for label in probabilities:
        text = cells[PROBABILITY + label]
        try:
            values.append(float(text))
        except ValueError:
            raise UsageError(
                f"{where}: column p_{label}: expected a probability, got {text!r:.60}"
            ) from None
        if not (math.isfinite(values[-1]) and 0 <= values[-1] <= 1):
            raise UsageError(
                f"{where}: column p_{label}: expected a probability between 0 and 1, got {text};"
                " apply softmax to logits first"
            )
    if abs(sum(values) - 1) > ROUNDING:
        raise UsageError(
            f"{where}: expected probabilities that sum to 1, got {sum(values):.4g}; one column per"
            " class, softmax over classes"
        )
    return probabilities[values.index(max(values))]


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
        for what in ("label", "group", "fold"):
            was, now = getattr(first[clip], what), getattr(row, what)
            if was != now:
                raise UsageError(
                    f"{path}, line {row.line}: {what} {now!r} of clip {clip!r} was {was!r} on line"
                    f" {first[clip].line}; correct one of them"
                )
