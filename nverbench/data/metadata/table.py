"""The reader of tables of clips: ``table:``, ``dialogues:`` and any plugin whose corpus has a
listing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from nverbench.data.metadata import columns as meanings
from nverbench.data.metadata import names
from nverbench.data.metadata.columns import MILLISECONDS, Vocabulary
from nverbench.data.metadata.grid import Grid, GridRow, grid
from nverbench.data.metadata.reading import Reading, settled, unused
from nverbench.data.metadata.segments import WHOLE, Segment, segment
from nverbench.data.metadata.speaker_facts import fact_columns, facts_of
from nverbench.data.metadata.text import Where, decode
from nverbench.data.metadata.values import Value, check_labels, one_spelling, people
from nverbench.errors import DatasetError

REQUIRED = ("path", "label")
ALL_OR_NONE = ("speaker", "group", "split")
OPTIONS = ("path", "label", "speaker", "group", "split", "id", "start", "end", "duration")


@dataclass(frozen=True)
class TableRow:
    """One clip of a table: cells by meaning, cleaned; an absent or missing one is empty. ``path``
    is as written.
    """

    number: int
    path: str
    label: str
    speaker: str = ""
    group: str = ""
    split: str = ""
    id: str = ""
    conversation: str = ""
    turn: str = ""
    segment: Segment = WHOLE
    facts: Mapping[str, str] = field(default_factory=dict)
    """What is known about the speaker: sex, age, language, as written."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """Ways to write the path, the likeliest first: as written, without white space and
        invisible characters at its ends, and with composed and decomposed accents.
        """
        ways = [self.path.strip(), self.path, names.clean(self.path)]
        ways += [unicodedata.normalize("NFD", names.clean(self.path))]
        return tuple(dict.fromkeys(ways))


@dataclass(frozen=True)
class Table:
    """The clips of a table, in its order, and what a user should know about it."""

    name: str
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    """Sentences about columns that are not used."""

    def fault(self, problem: str, row: int | None = None) -> DatasetError:
        """The error for a problem of a row, or of the whole table."""
        return DatasetError(str(_where(self.name).fault(problem, row)))


def read_table(
    file: Path,
    *,
    columns: Mapping[str, str] | None = None,
    sep: str = "",
    encoding: str = "",
    required: Sequence[str] = REQUIRED,
) -> Table:
    """Reads a table of clips: CSV of any usual separator and encoding, or JSON Lines.

    Args:
        file: the table.
        columns: meaning -> name of its column, where the name is not one that nverbench knows;
            ``-``: no column has this meaning.
        sep: comma, semicolon, tab or pipe; empty: the one that the header shows.
        encoding: empty: UTF-8, or what a byte order mark says.
        required: the meanings that must have a column. With ``conversation`` and ``turn``, rows
            are turns, and one without a label is context.

    Raises:
        DatasetError: anything that does not fit; the message names the row.
    """
    where = _where(file.name)
    asked = {k: v for k, v in (columns or {}).items() if v}
    vocabulary = meanings.DIALOGUES if "turn" in required else meanings.CLIPS
    text = decode(_content(file), where, encoding)
    problem = partial(_missing, vocabulary=vocabulary, asked=asked, required=required)
    return _table(grid(text, where, problem, sep), file.name, vocabulary, required, asked)


def table_of(name: str, columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> Table:
    """A table of clips whose cells another reader has found: row numbers and cells.

    Raises:
        DatasetError: as :func:`read_table`.
    """
    cells = tuple(GridRow(number, tuple(row)) for number, row in rows)
    found = Grid(tuple(columns), cells, 1)
    problem = _missing(columns, vocabulary=meanings.CLIPS, asked={}, required=REQUIRED)
    if problem is not None:
        raise DatasetError(f"table {name}: {problem}")
    return _table(found, name, meanings.CLIPS, REQUIRED, {})


def _where(name: str) -> Where:
    return Where(f"table {name}", DatasetError, encoding=", or give encoding=latin-1")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except IsADirectoryError as error:
        raise DatasetError(
            f"table {file}: expected a CSV file, found a folder; give the file, or use --dataset"
            f" folder:{file}"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise DatasetError(
            f"table {file}: expected a CSV file that can be read, got"
            f" {getattr(error, 'strerror', error)}; check the path"
        ) from error


def _missing(
    columns: Sequence[str],
    vocabulary: Vocabulary,
    asked: Mapping[str, str],
    required: Sequence[str],
) -> str | None:
    """The problem of the header: required columns that are not there."""
    lacking = meanings.lacking(columns, vocabulary, asked, required)
    if not lacking:
        return None
    absent = [f"{meaning}={asked[meaning]}" for meaning in lacking if asked.get(meaning)]
    found = ", ".join(meanings.shown(name) for name in columns[:12] if name) or "nothing"
    if absent:
        return f"{absent[0]}: expected one column of this name, found {found}"
    return (
        f"expected columns {_and(required)}, {_and(lacking)} missing; found {found}; name them"
        f" there or give {','.join(f'{meaning}=COLUMN' for meaning in lacking)}"
    )


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def _table(
    found: Grid,
    name: str,
    vocabulary: Vocabulary,
    required: Sequence[str],
    asked: Mapping[str, str],
) -> Table:
    where = _where(name)
    if not found.rows:
        raise where.fault(
            "expected at least one row below the header, found none; list your clips there"
        )
    assigned = meanings.assign(found.columns, vocabulary, asked, where, found.header)
    reading = settled(Reading(found, assigned, where, []), asked)
    facts = fact_columns(found, reading.columns.index, asked, where)
    reading = replace(reading, facts=facts)
    rows = _rows(reading, required)
    reading.notes.extend(unused(reading))
    return Table(name, rows, tuple(reading.notes))


def _rows(reading: Reading, required: Sequence[str]) -> tuple[TableRow, ...]:
    where, index = reading.where, reading.columns.index
    wanted = dict.fromkeys(("label", *required, *ALL_OR_NONE, "id"))
    cells = {meaning: reading.values(meaning) for meaning in wanted}
    for meaning in required:
        if meaning != "label":
            _check_filled(cells[meaning], meaning, where)
    _check_text(reading, required)
    labels = cells["label"]
    if "turn" in required:  # a turn without a label is context
        labels = [value for value in labels if not names.is_missing_label(value.text)]
    if "label" in required:
        check_labels(labels, where)
    for what in ALL_OR_NONE:
        if what in index and not people(cells[what], what, where):
            reading.notes.append(f"column {reading.name(index[what])} is empty: no {what} is known")
            cells[what] = [Value("", value.row) for value in cells[what]]
    if "conversation" in cells:
        one_spelling(cells["conversation"], "conversation", where)
    segments, facts = _segments(reading), facts_of(reading.grid, reading.facts)
    made = []
    for place, row in enumerate(reading.grid.rows):
        own = {meaning: values[place].text for meaning, values in cells.items()}
        own["path"] = row.cells[index["path"]]
        for meaning in ("label", "id"):
            own[meaning] = "" if names.is_missing_label(own[meaning]) else own[meaning]
        made.append(TableRow(row.number, **own, segment=segments[place], facts=facts[place]))
    return tuple(made)


def _check_filled(values: Sequence[Value], what: str, where: Where) -> None:
    missing = names.is_missing_label if what != "path" else lambda text: not text
    empty = next((value for value in values if missing(value.text)), None)
    if empty is not None:
        got = f"got {empty.text!r}" if empty.text else "got an empty cell"
        raise where.fault(f"expected a {what}, {got}; fill it in or remove the row", empty.row)


def _check_text(reading: Reading, required: Sequence[str]) -> None:
    """Cells that are used hold one line of text, and no list."""
    for meaning, place in reading.columns.index.items():
        if reading.grid.columns[place] in reading.grid.structured:
            raise reading.where.fault(
                f"column {reading.name(place)}, the {meaning}, holds lists or objects; expected"
                f" text; give {meaning}=COLUMN"
            )
        for row in reading.grid.rows:
            if "\n" in row.cells[place] or "\r" in row.cells[place]:
                raise reading.where.fault(
                    "expected cells on one line, got one that spans several; check its quotes",
                    row.number,
                )


def _segments(reading: Reading) -> list[Segment]:
    index, where = reading.columns.index, reading.where
    if not {"start", "end", "duration"} & index.keys():
        return [WHOLE] * len(reading.grid.rows)
    times = {meaning: reading.values(meaning) for meaning in ("start", "end", "duration")}
    given = {
        m for m, values in times.items() if any(not names.is_missing_label(v.text) for v in values)
    }
    if "duration" in given and not given & {"start", "end"}:
        reading.notes.append(
            f"column {reading.name(index['duration'])} is not used: no column says where a clip"
            " starts, so whole files are read"
        )
        return [WHOLE] * len(reading.grid.rows)
    small = set(map(meanings.key, MILLISECONDS))
    units = {
        meaning: Decimal("0.001" if meanings.key(reading.grid.columns[place]) in small else 1)
        for meaning, place in index.items()
    }
    rows = zip(*(times[meaning] for meaning in ("start", "end", "duration")), strict=True)
    return [segment(*row, units=units, where=where) for row in rows]
