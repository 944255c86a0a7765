"""Any system's predictions in a CSV file, strictly read: what ``nverbench score`` takes."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nverbench.errors import UsageError
from nverbench.metrics.jackknife import Decisions

GROUPS = ("group", "speaker")
KNOWN = ("id", "label", "prediction", *GROUPS, "fold", "replicate")
PROBABILITY = "p_"
MOST_COLUMNS = 1000
ROUNDING = 0.01
"""How far probabilities of one clip may sum from 1."""


@dataclass(frozen=True)
class PredictionFile:
    """A file of predictions: rows in the order of the ids."""

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
        """Whether the file says who speaks."""
        return any(group is not None for group in self.predictions.groups)

    def over(self, labels: Sequence[str]) -> Decisions:
        """The same predictions with classes numbered as in ``labels``, which hold all of the
        file's.
        """
        number = np.array([labels.index(label) for label in self.labels])
        return Decisions(
            number[self.predictions.target],
            number[self.predictions.predicted],
            self.predictions.groups,
            len(labels),
        )


@dataclass(frozen=True)
class _PredictionRow:
    """One line of the file."""

    line: int
    id: str
    replicate: str
    label: str
    prediction: str
    group: str | None
    fold: str


def read(path: Path) -> PredictionFile:
    """The predictions in a CSV file.

    Columns: ``id``, ``label`` (what is true), and ``prediction`` or one probability per class in
    columns ``p_<label>``; optional ``group`` (or ``speaker``), ``fold`` and ``replicate``. In any
    order, UTF-8, with or without a byte order mark, any line ends, RFC 4180 quoting.

    Raises:
        UsageError: the file, the line and what does not fit.
    """
    lines: dict[str, dict[str, _PredictionRow]] = {}
    classes: set[str] = set()
    for said in _lines(path, classes):
        own = lines.setdefault(said.replicate, {})
        if said.id in own:
            raise UsageError(
                f"{path}, line {said.line}: clip {said.id!r} has a prediction on line"
                f" {own[said.id].line} already; give one per clip and replicate"
            )
        own[said.id] = said
    if not lines:
        raise UsageError(
            f"{path}: holds no predictions; expected a line per clip below the names of the columns"
        )
    replicates = sorted(lines)
    first = lines[replicates[0]]
    for replicate in replicates[1:]:
        _check_same(path, first, lines[replicate])
    true = {said.label for said in first.values()}
    labels = sorted(
        true | classes | {said.prediction for own in lines.values() for said in own.values()}
    )
    if len(labels) < 2:
        raise UsageError(
            f"{path}: expected labels of at least two classes, found only {labels[0]!r}"
        )
    ids, number = sorted(first), {label: i for i, label in enumerate(labels)}
    target = np.array([number[first[i].label] for i in ids], dtype=np.int64)
    predicted = np.array(
        [[number[lines[r][i].prediction] for i in ids] for r in replicates], dtype=np.int64
    )
    folds = tuple(first[i].fold for i in ids)
    return PredictionFile(
        path,
        tuple(ids),
        tuple(labels),
        Decisions(target, predicted, tuple(first[i].group for i in ids), len(labels)),
        folds if all(folds) else (),
        tuple(replicates),
        tuple(label for label in labels if label not in true),
    )


def same_clips(a: PredictionFile, b: PredictionFile) -> tuple[Decisions, Decisions, list[str]]:
    """Both over the labels of both, rows paired by id; a file without groups takes those of the
    other.

    Raises:
        UsageError: clips, labels or groups differ, naming one.
    """
    missing = sorted(set(a.ids) ^ set(b.ids))
    if missing:
        has, lacks = (a, b) if missing[0] in a.ids else (b, a)
        raise UsageError(
            f"{lacks.path} lacks clip {missing[0]!r} of {has.path} ({len(missing)} clips are in one"
            " only); give the same clips twice"
        )
    labels = sorted({*a.labels, *b.labels})
    one, two = a.over(labels), b.over(labels)
    check_labels(a, [labels[i] for i in one.target], [labels[i] for i in two.target], str(b.path))
    if a.grouped and b.grouped and one.groups != two.groups:
        row = next(i for i, (x, y) in enumerate(zip(one.groups, two.groups, strict=True)) if x != y)
        raise UsageError(
            f"{a.path} and {b.path} differ in the group of clip {a.ids[row]!r}: {one.groups[row]!r}"
            f" and {two.groups[row]!r}; mend one"
        )
    groups = one.groups if a.grouped else two.groups
    # two of them
    return *(Decisions(p.target, p.predicted, groups, p.classes) for p in (one, two)), labels  # type: ignore[return-value]


def check_labels(a: PredictionFile, own: Sequence[str], theirs: Sequence[str], source: str) -> None:
    """Raise when a clip has another label on the other side."""
    wrong = [row for row, (x, y) in enumerate(zip(own, theirs, strict=True)) if x != y]
    if wrong:
        raise UsageError(
            f"{a.path} and {source} differ in the label of clip {a.ids[wrong[0]]!r}:"
            f" {own[wrong[0]]!r} and {theirs[wrong[0]]!r} ({len(wrong)} such clips); mend one"
        )


def _lines(path: Path, classes: set[str]) -> Iterator[_PredictionRow]:
    """The lines of the file, checked one by one; ``classes`` gets those that have a column of
    probabilities.
    """
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            if len(columns) > MOST_COLUMNS:
                raise UsageError(
                    f"{path}, line 1: expected at most {MOST_COLUMNS} columns, got"
                    f" {len(columns):,}; give one per class"
                )
            probabilities = _check_columns(path, columns)
            classes.update(probabilities)
            for cells in reader:
                line = reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(columns):
                    raise UsageError(
                        f"{path}, line {line}: expected {len(columns)} cells"
                        f" ({', '.join(columns)}), got {len(cells)}"
                    )
                yield _said(
                    path,
                    line,
                    dict(zip(columns, (cell.strip() for cell in cells), strict=True)),
                    probabilities,
                )
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: expected UTF-8 text, but byte {error.start} is none; save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num}: not readable as CSV ({error}); quote cells with"
            " commas, quotes or line ends"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise UsageError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}); give a CSV file of"
            " predictions"
        ) from error


def _check_columns(path: Path, columns: Sequence[str]) -> list[str]:
    """The classes that have a column of probabilities."""
    probabilities = [
        name.removeprefix(PROBABILITY)
        for name in columns
        if name.startswith(PROBABILITY) and name != PROBABILITY
    ]
    unknown = [
        name
        for name in columns
        if name not in KNOWN and name.removeprefix(PROBABILITY) not in probabilities
    ]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    hidden = [name for name in columns if not name.isprintable()]
    expected = (
        "expected id, label, prediction (or p_<label> for every class), and if known"
        f" {', '.join(KNOWN[3:])}"
    )
    problem = (
        "is empty"
        if not columns
        else (
            "its columns are parted by ';' or tabs; save it with commas"
            if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0])
            else (
                f"column {hidden[0]!r} holds a sign that cannot be seen"
                if hidden
                else (
                    f"column {twice[0]!r} is there twice"
                    if twice
                    else (
                        f"column {unknown[0]!r} is unknown"
                        if unknown
                        else (
                            "column"
                            f" {next(name for name in ('id', 'label') if name not in columns)!r} is"
                            " missing"
                            if not {"id", "label"} <= set(columns)
                            else (
                                "both group and speaker are given; keep one"
                                if set(GROUPS) <= set(columns)
                                else (
                                    "both prediction and probabilities are given; keep one"
                                    if probabilities and "prediction" in columns
                                    else (
                                        "column 'prediction' is missing"
                                        if not probabilities and "prediction" not in columns
                                        else (
                                            "probabilities of one class only"
                                            if len(probabilities) == 1
                                            else ""
                                        )
                                    )
                                )
                            )
                        )
                    )
                )
            )
        )
    )
    if problem:
        raise UsageError(f"{path}, line 1: {problem}; {expected}")
    return probabilities


def _said(
    path: Path, line: int, cells: Mapping[str, str], probabilities: Sequence[str]
) -> _PredictionRow:
    where = f"{path}, line {line}"
    empty = [
        name
        for name in ("id", "label", "prediction", "replicate")
        if name in cells and not cells[name]
    ]
    if empty:
        raise UsageError(f"{where}: column {empty[0]} is empty; every clip needs one")
    if probabilities and cells["label"] not in probabilities:
        raise UsageError(
            f"{where}: label {cells['label']!r} has no column p_{cells['label']}; give one per"
            " class"
        )
    prediction = _most_likely(where, cells, probabilities) if probabilities else cells["prediction"]
    group = next((cells[name] for name in GROUPS if name in cells), "")
    return _PredictionRow(
        line,
        cells["id"],
        cells.get("replicate", ""),
        cells["label"],
        prediction,
        group or None,
        cells.get("fold", ""),
    )


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
    path: Path, first: Mapping[str, _PredictionRow], other: Mapping[str, _PredictionRow]
) -> None:
    """Raise when two replicates are not of the same clips, labels, groups and folds."""
    replicate = next(iter(other.values())).replicate
    for missing in sorted(set(first) ^ set(other)):
        said = first.get(missing) or other[missing]
        raise UsageError(
            f"{path}, line {said.line}: clip {missing!r} is not in every replicate ({replicate!r}"
            " differs); give the same clips in each"
        )
    for clip, said in other.items():
        for what in ("label", "group", "fold"):
            was, now = getattr(first[clip], what), getattr(said, what)
            if was != now:
                raise UsageError(
                    f"{path}, line {said.line}: {what} {now!r} of clip {clip!r} was {was!r} on line"
                    f" {first[clip].line}; mend one"
                )
