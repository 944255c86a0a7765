"""Cells of delimited text or JSON Lines, with the row numbers that an editor shows."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nverbench.data.metadata import names
from nverbench.data.metadata.text import CONTROL, Where
from nverbench.errors import abbreviated

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SEP_LINE = re.compile(r'"?sep=(.)\1*"?', re.IGNORECASE)
"""The line that Excel reads: ``sep=;``."""
QUOTED_AFTER_SPACE = re.compile(r'\s+"')

Problem = Callable[[Sequence[str]], str | None]
"""The problem of the names of the columns, or None."""


@dataclass(frozen=True)
class GridRow:
    """One row: its number, and a cell for each column, as written."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """The cells of a table."""

    columns: tuple[str, ...]
    """Names as written, without invisible characters at their ends."""
    rows: tuple[GridRow, ...]
    header: int
    """The number of the row that names the columns."""
    structured: frozenset[str] = frozenset()
    """Columns of JSON Lines that hold lists or objects."""


def grid(text: str, where: Where, problem: Problem, sep: str = "") -> Grid:
    """The cells of a table as text: JSON Lines if its first character is ``{``, else delimited.

    Comment lines (``#``) and blank lines above the header are passed over. The separator is the
    one that yields names of columns without a ``problem``.

    Raises:
        NverbenchError: the separator is not clear, a row has too few or too many cells, or the
            text is neither CSV nor JSON Lines.
    """
    lines = text.splitlines(keepends=True)  # no control character but these ends of lines is there
    first, sep = _beginning(lines, where, problem, _separator(sep, where))
    if first < len(lines) and lines[first].lstrip().startswith("{"):
        return _json_lines(lines, first, where)
    separator, columns = _header(
        lines[first] if first < len(lines) else "", first, where, problem, sep
    )
    rows = tuple(_rows(lines, first, where, columns, separator))
    return Grid(columns, rows, first + 1)


def _separator(sep: str, where: Where) -> str:
    """The separator that an option names, as a character or a word."""
    words = {**{word: s for s, word in SEPARATORS.items()}, "\\t": "\t"}
    found = words.get(sep.lower(), sep)
    if found and found not in SEPARATORS:
        raise where.fault(f"sep={abbreviated(sep)}: expected {', '.join(SEPARATORS.values())}")
    return found


def _beginning(lines: list[str], where: Where, problem: Problem, sep: str) -> tuple[int, str]:
    """The index of the line that names the columns, and the separator if one is given."""
    for index, line in enumerate(lines):
        text = names.clean(line)
        match = SEP_LINE.fullmatch(text) or SEP_LINE.fullmatch(line.strip("\r\n"))
        if match and not sep:
            sep = match[1]
            if sep not in SEPARATORS:
                raise where.fault(f"separator {sep!r} is not known; use ; or ,", index + 1)
        elif match or not text.strip(",;\t| ") or _is_comment(line, problem):
            continue
        else:
            return index, sep
    return len(lines), sep


def _is_comment(line: str, problem: Problem) -> bool:
    """Whether a line begins with ``#`` and does not name the columns, the first one ``#``."""
    if not line.lstrip().startswith("#"):
        return False
    splits = [columns for separator in SEPARATORS if (columns := _split(line, separator))]
    return not any(columns[0] == "#" and problem(columns) is None for columns in splits)


def _split(line: str, separator: str) -> tuple[str, ...] | None:
    """The cleaned cells of one line; None if it is not CSV with this separator."""
    try:
        cells = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return None
    return tuple(names.clean(cell) for cell in cells)


def _header(
    line: str, first: int, where: Where, problem: Problem, sep: str
) -> tuple[str, tuple[str, ...]]:
    """The separator and the columns that it yields."""
    asked = (sep,) if sep else tuple(SEPARATORS)
    splits = {s: columns for s in asked if (columns := _split(line, s)) is not None}
    if not splits:
        raise where.fault(
            "expected a line that names the columns, got one that is not CSV; check its quotes",
            first + 1,
        )
    fitting = [s for s in splits if problem(splits[s]) is None]
    if len(fitting) > 1:
        words = " and ".join(SEPARATORS[s] for s in fitting)
        raise where.fault(f"the separator may be {words}; use one of them only", first + 1)
    best = fitting[0] if fitting else max(splits, key=lambda s: len(splits[s]))
    found = problem(splits[best])
    if found is not None:
        raise where.fault(found, first + 1)
    return best, splits[best]


def _rows(
    lines: list[str], first: int, where: Where, columns: Sequence[str], separator: str
) -> Iterator[GridRow]:
    reader = csv.reader(lines[first:], delimiter=separator, strict=True)
    number = first + 1
    try:
        next(reader)
        while True:
            number = first + reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if any(names.clean(cell) for cell in cells):
                _check_row(cells, number, where, columns, separator)
                yield GridRow(number, tuple(cells[: len(columns)]))
    except csv.Error as error:
        raise where.fault(
            f"expected CSV, got a line that is not ({error}); check its quotes", number
        ) from error


def _check_row(
    cells: list[str], number: int, where: Where, columns: Sequence[str], separator: str
) -> None:
    extra = [cell for cell in cells[len(columns) :] if names.clean(cell)]
    if extra or len(cells) < len(columns):
        named = ", ".join(name[:40] for name in columns[:8])
        hint = f"; quote a cell that holds {separator!r}" if extra else ""
        raise where.fault(
            f"expected {len(columns)} cells ({named}), got {len(cells)}{hint}", number
        )
    for cell in cells:
        if QUOTED_AFTER_SPACE.match(cell):
            raise where.fault("got a quote after a space; remove the space before it", number)
        pieces = re.split(r"[\r\n]+", cell)[1:]
        # such a piece is a row that a forgotten quote has taken in
        if any(piece.count(separator) >= len(columns) - 1 for piece in pieces):
            raise where.fault(
                "expected cells on one line, got one that spans several; check its quotes", number
            )


def _json_lines(lines: list[str], first: int, where: Where) -> Grid:
    """One object per line; its names are the columns, and numbers are kept as they are written."""
    found: list[tuple[int, dict[str, str]]] = []
    columns: dict[str, None] = {}
    structured: set[str] = set()
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip():
            continue
        record = _record(line, number, where)
        nested = {name for name, value in record.items() if isinstance(value, list | dict)}
        structured |= nested
        cells = {name: "" if name in nested else _cell(value) for name, value in record.items()}
        for cell in (*cells, *cells.values()):
            if CONTROL.search(cell):
                raise where.fault("expected text, got a control character; remove it", number)
        columns.update(dict.fromkeys(cells))
        found.append((number, cells))
    rows = (GridRow(n, tuple(cells.get(c, "") for c in columns)) for n, cells in found)
    return Grid(tuple(columns), tuple(rows), first + 1, frozenset(structured))


def _record(line: str, number: int, where: Where) -> dict[str, object]:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [names.clean(key) for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise where.fault(f"{abbreviated(twice)} is there twice; keep one", number)
        return {key: value for key, (_, value) in zip(keys, pairs, strict=True)}

    try:
        record = json.loads(
            line, object_pairs_hook=unique, parse_int=str, parse_float=str, parse_constant=str
        )
    except (ValueError, RecursionError) as error:
        raise where.fault(
            "expected one JSON object per line, got a line that is none; write each clip on a line"
            " of its own",
            number,
        ) from error
    if not isinstance(record, dict):
        raise where.fault("expected a JSON object, got another value; write {...}", number)
    return record


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
