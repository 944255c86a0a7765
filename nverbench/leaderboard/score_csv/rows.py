"""The rows of a file of predictions, checked one by one and together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from nverbench.data.metadata import columns as meanings
from nverbench.data.metadata import names
from nverbench.data.metadata.columns import FACTS, PREDICTIONS, Columns
from nverbench.data.metadata.grid import Grid, grid
from nverbench.data.metadata.text import Where, read_text
from nverbench.data.metadata.values import Value, check_classes, one_spelling, people
from nverbench.errors import UsageError
from nverbench.leaderboard.fairness.values import fact_of

GROUPS = ("group", "speaker")
KNOWN = ("id", "label", "prediction", *GROUPS, "fold", "replicate")
PROBABILITY = "p_"
MOST_COLUMNS = 1000
ROUNDING = 0.01
"""The largest distance from 1 that a sum of probabilities of one clip may have."""

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
    fact: str = ""
    """The cell of the column that ``--by`` names."""


def prediction_rows(path: Path, by: str = "") -> tuple[list[PredictionRow], list[str]]:
    """The rows of a file, and the labels that have a column of probabilities.

    Args:
        path: the file.
        by: the column of groups of speakers; empty: none.

    Raises:
        UsageError: the file, the line and what does not fit.
    """
    where = Where(str(path), UsageError, row="line")
    try:
        text = read_text(path, where)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise where.fault(
            f"cannot be read ({getattr(error, 'strerror', error)}); give a CSV file of predictions"
        ) from error
    if not text.strip():
        raise where.fault("is empty; expected a line that names the columns", 1)
    found = grid(text, where, partial(_problem, by=by))
    if not found.rows:
        raise where.fault(
            "holds no predictions; expected a line per clip below the names of the columns"
        )
    used = meanings.assign(found.columns, PREDICTIONS, {}, where, found.header)
    if by:
        used = replace(used, index={**used.index, "fact": _place(found, by, where)})
    cells = _cells(found, used, where)
    classes = _classes(found.columns)
    rows = [
        _row(where, row.number, own, classes) for row, own in zip(found.rows, cells, strict=True)
    ]
    check_names(rows, classes, where)
    return rows, classes


def _place(found: Grid, by: str, where: Where) -> int:
    """The column that ``--by`` names, or another usual name of sex, age or language."""
    words = next((words for fact, words in FACTS.items() if fact == fact_of(by)), ())
    keys = [meanings.key(name) for name in found.columns]
    known = next((word for word in (by, *words) if meanings.key(word) in keys), by)
    index = meanings.assign(found.columns, {"by": words}, {"by": known}, where, found.header).index
    return index["by"]


def check_names(rows: Sequence[PredictionRow], classes: Sequence[str], where: Where) -> None:
    """Checks labels, predictions, speakers and folds over the whole file.

    Raises:
        UsageError: a name is a word for a missing value or is written in two ways, or only some
            rows name their speaker or fold.
    """
    for what in ("label", "prediction"):
        for row in rows:
            name = getattr(row, what)
            if names.is_missing_label(name):
                raise where.fault(
                    f"expected a {what}, got {name!r}, a word for a missing value; give one or"
                    " leave the clip out",
                    row.line,
                )
    _check_alike(rows, classes, where)
    check_classes([Value(row.label, row.line) for row in rows], where)
    for what in ("group", "fold"):
        values = [Value(getattr(row, what), row.line) for row in rows]
        if any(value.text for value in values):
            people(values, "speaker" if what == "group" else what, where)


def _check_alike(rows: Sequence[PredictionRow], classes: Sequence[str], where: Where) -> None:
    """Raises where a prediction is a label but for letter case, spaces or such."""
    true = {row.label: row.line for row in reversed(rows)}
    one_spelling([Value(row.label, row.line) for row in rows], "label", where)
    said = {row.prediction: f"on line {row.line}" for row in reversed(rows)}
    said |= {name: f"in column {PROBABILITY}{name}" for name in classes}
    for alike in names.spellings({*true, *said}):
        known = [name for name in alike if name in true]
        other = [name for name in alike if name not in true]
        if known:
            raise where.fault(
                f"prediction {other[0]!r} ({said[other[0]]}) is not a label of any clip, but"
                f" {known[0]!r} is; write both alike"
            )
    for what in ("prediction", "replicate"):
        one_spelling([Value(getattr(row, what), row.line) for row in rows], what, where)


def _cells(found: Grid, used: Columns, where: Where) -> list[dict[str, str]]:
    """The cleaned cells of each row by meaning, and by ``p_<label>``."""
    places = dict(used.index)
    places |= {
        PROBABILITY + label: place
        for place, name in enumerate(found.columns)
        for label in _classes([name])
    }
    for meaning, place in places.items():
        if found.columns[place] in found.structured:
            raise where.fault(f"column {meaning!r} holds lists or objects; expected text")
    cells = [
        {meaning: names.clean(row.cells[place]) for meaning, place in places.items()}
        for row in found.rows
    ]
    for what in GROUPS:
        if what in used.index and all(names.is_missing_person(own[what]) for own in cells):
            cells = [{**own, what: ""} for own in cells]
    return cells


def _classes(columns: Sequence[str]) -> list[str]:
    size = len(PROBABILITY)
    return [names.clean(name[size:]) for name in columns if name[:size].casefold() == PROBABILITY]


def _problem(columns: Sequence[str], by: str) -> str | None:
    """The first problem of the names of the columns."""
    if len(columns) > MOST_COLUMNS:
        return f"expected at most {MOST_COLUMNS} columns, got {len(columns):,}; give one per class"
    found = next(_problems(columns, by), None)
    if found is None:
        return None
    return (
        f"{found}; expected id, label, prediction (or p_<label> for every class), and if known"
        f" {', '.join(KNOWN[3:])}"
    )


def _problems(columns: Sequence[str], by: str) -> Iterator[str]:
    classes = _classes(columns)
    if not any(columns):
        yield "is empty"
    yield from (
        f"column {c!r} holds an invisible character" for c in columns if not c.isprintable()
    )
    folded = [PROBABILITY + _classes([c])[0] if _classes([c]) else c.casefold() for c in columns]
    yield from (f"column {c!r} is there twice" for c in sorted(folded) if folded.count(c) > 1)
    keys = [None if _classes([c]) else meanings.key(c) for c in columns]
    lacking = meanings.lacking(
        [c for c in columns if not _classes([c])], PREDICTIONS, {}, ("id", "label", "prediction")
    )
    taken = {
        next((k for word in words if (k := meanings.key(word)) in keys), None)
        for words in PREDICTIONS.values()
    }
    taken |= {meanings.key(word) for words in ((by,), *FACTS.values()) for word in words}
    yield from (
        f"column {c!r} is unknown"
        for c, key in zip(columns, keys, strict=True)
        if key is not None and key not in taken
    )
    yield from (f"column {c!r} is missing" for c in lacking if c != "prediction")
    if "group" in keys and any(meanings.key(word) in keys for word in PREDICTIONS["speaker"]):
        yield "both group and speaker are given; keep one"
    if classes and "prediction" not in lacking:
        yield "both prediction and probabilities are given; keep one"
    if not classes and "prediction" in lacking:
        yield "column 'prediction' is missing"
    if len(classes) == 1:
        yield "probabilities of one class only"
    yield from (f"column p_{c} names no class" for c in classes if names.is_missing_label(c))


def _row(
    where: Where, line: int, cells: Mapping[str, str], probabilities: Sequence[str]
) -> PredictionRow:
    more: dict[str, object] = {"line": line}
    if probabilities and cells["label"]:
        if cells["label"] not in probabilities:
            raise where.fault(_lacks_column(cells["label"], probabilities), line)
        more["prediction"] = _most_likely(where, line, cells, probabilities)
    try:
        return PredictionRow.model_validate({**cells, **more})
    except ValidationError as error:
        column = error.errors()[0]["loc"][0]
        raise where.fault(f"column {column} is empty; every clip needs one", line) from error


def _lacks_column(label: str, probabilities: Sequence[str]) -> str:
    alike = [other for other in probabilities if names.spellings([label, other])]
    if alike:
        return (
            f"label {label!r} has no column p_{label}, but p_{alike[0]} is there; write both alike"
        )
    return f"label {label!r} has no column p_{label}; give one per class"


def _most_likely(
    where: Where, line: int, cells: Mapping[str, str], probabilities: Sequence[str]
) -> str:
    values = []
    for label in probabilities:
        text = cells[PROBABILITY + label]
        try:
            values.append(float(text))
        except ValueError:
            raise where.fault(
                f"column p_{label}: expected a probability, got {text!r:.60}", line
            ) from None
        if not (math.isfinite(values[-1]) and 0 <= values[-1] <= 1):
            raise where.fault(
                f"column p_{label}: expected a probability between 0 and 1, got {text:.60}; apply"
                " softmax to logits first",
                line,
            )
    if abs(sum(values) - 1) > ROUNDING:
        raise where.fault(
            f"expected probabilities that sum to 1, got {sum(values):.4g}; one column per class,"
            " softmax over classes",
            line,
        )
    return probabilities[values.index(max(values))]
