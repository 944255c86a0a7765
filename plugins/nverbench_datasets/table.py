"""One's own recordings, listed in a table: ``--dataset table:FILE.csv``.

A header line names the columns, in any order and letter case: ``path`` and ``label``; optional
``speaker``, ``group``, ``split``, ``id``, and ``start`` and ``end`` in seconds. Other columns are
ignored. Separator: comma, semicolon or tab. Row numbers in messages are line numbers of the file,
as an editor shows them.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard
from nverbench_datasets.file_listing import a_file

REQUIRED = ("path", "label")
KNOWN = (*REQUIRED, "speaker", "group", "split", "id", "start", "end")
ALL_OR_NONE = ("speaker", "group", "split")
SEPARATORS = ",;\t"
CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]"
)  # no text table holds these


@dataclass(frozen=True)
class Row:
    """One line of the table: where it stands, and its known cells, stripped; a cell that is absent
    is empty.
    """

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def load(root: Path | None, *, path: str, audio: str = "") -> Iterator[Clip]:
    """The clips a table lists, in its order; an id is the ``id`` cell or the path as written, with
    ``#start-end`` for a segment.

    Args:
        root: not used; the dataset has no corpus of its own.
        path: the table.
        audio: the folder that relative paths start from; empty: the table's own folder.

    Raises:
        DatasetError: anything in the table that does not fit; the message names the row.
    """
    file = Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises for ~nobody
    folder = Path(os.path.expanduser(audio)) if audio else file.parent  # noqa: PTH111
    rows = _rows(_text(file), file.name)
    # Path.is_dir raises for names that no folder can have
    if not os.path.isdir(folder):  # noqa: PTH112
        raise DatasetError(
            f"table {file.name}: expected a folder at audio={audio}, found none; give the folder"
            " that the paths start from"
        )
    _check_cells(rows, file.name)
    found = _found(rows, folder, file.name)
    ids = _ids(rows, file.name)
    for row, clip_id, clip_path in zip(rows, ids, found, strict=True):
        start, end = _segment(row, file.name)
        speaker, group, split = (row[column] or None for column in ALL_OR_NONE)
        yield Clip(clip_id, clip_path, row["label"], speaker, group, split, start, end)


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
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
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"table {file.name}, row {row}: expected UTF-8 text, got byte 0x{raw[error.start]:02x};"
            " save it as CSV UTF-8"
        ) from error
    strange = CONTROL.search(text)
    if strange is not None:
        row = text.count("\n", 0, strange.start()) + 1
        raise DatasetError(
            f"table {file.name}, row {row}: expected text, got control character {strange[0]!a};"
            " save it as CSV UTF-8"
        )
    return text


def _rows(text: str, name: str) -> list[Row]:
    """The rows below the header; empty lines are passed over."""
    columns, separator = _header(text, name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if any(cell.strip() for cell in cells[len(columns) :]):
                raise DatasetError(
                    f"table {name}, row {reader.line_num}: expected {len(columns)} cells, got"
                    f" {len(cells)}; quote a cell that holds {separator!r}"
                )
            if any("\n" in cell or "\r" in cell for cell in cells):
                raise DatasetError(
                    f"table {name}, row {reader.line_num}: expected cells on one line, got one that"
                    " spans several; check its quotes"
                )
            values = (
                unicodedata.normalize("NFC", cell.strip()) if c != "path" else cell.strip()
                for c, cell in zip(columns, cells, strict=False)
            )
            rows.append(
                Row(
                    reader.line_num,
                    {c: v for c, v in zip(columns, values, strict=False) if c in KNOWN},
                )
            )
    except csv.Error as error:
        raise DatasetError(
            f"table {name}, row {reader.line_num}: expected CSV, got a line that is not ({error});"
            " check its quotes"
        ) from error
    if not rows:
        raise DatasetError(
            f"table {name}: expected at least one row below the header, found none; list your clips"
            " there"
        )
    return rows


def _header(text: str, name: str) -> tuple[list[str], str]:
    """The columns, lower case, and the separator that yields both required ones; a path with a
    comma cannot mislead it.
    """
    line = text.splitlines()[0] if text.strip() else ""
    try:
        splits = {
            s: [cell.strip().lower() for cell in next(csv.reader([line], delimiter=s), [])]
            for s in SEPARATORS
        }
    except csv.Error as error:
        raise DatasetError(
            f"table {name}, row 1: expected a line that names the columns, got one that is not CSV"
            f" ({error}); write it"
        ) from error
    separator = max(SEPARATORS, key=lambda s: (set(REQUIRED) <= set(splits[s]), len(splits[s])))
    columns = splits[separator]
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        found = ", ".join(filter(None, columns)) or "nothing"
        raise DatasetError(
            f"table {name}, row 1: expected columns path and label, {' and '.join(missing)}"
            f" missing; found {found}; name them there"
        )
    twice = [column for column in KNOWN if columns.count(column) > 1]
    if twice:
        raise DatasetError(
            f"table {name}, row 1: expected one column {twice[0]}, found {columns.count(twice[0])};"
            " rename or remove the others"
        )
    return columns, separator


def _check_cells(rows: list[Row], name: str) -> None:
    for column in REQUIRED:
        empty = next((row for row in rows if not row[column]), None)
        if empty is not None:
            raise DatasetError(
                f"table {name}, row {empty.number}: expected a {column}, got an empty cell; fill it"
                " in or remove the row"
            )
    for column in ALL_OR_NONE:
        given = [row for row in rows if row[column]]
        if given and len(given) < len(rows):
            # Half-known speakers cannot be kept apart: a row without one could be of a speaker on
            # the other side of the fold.
            first = next(row for row in rows if not row[column])
            raise DatasetError(
                f"table {name}, row {first.number}: expected a {column}, as in {len(given)} of"
                f" {len(rows)} rows, got an empty cell; fill it in for every row or leave the"
                " column empty"
            )


def _found(rows: list[Row], folder: Path, name: str) -> list[Path]:
    """The audio file of every row; a path written with backslashes is found too."""
    paths = []
    for row in rows:
        written, turned = folder / row["path"], folder / row["path"].replace("\\", "/")
        paths.append(turned if a_file(turned) and not a_file(written) else written)
    missing = [
        f"{row['path']} (row {row.number})"
        for row, path in zip(rows, paths, strict=True)
        if not a_file(path)
    ]
    if missing:
        raise DatasetError(
            f"table {name}: {len(missing)} of {len(rows)} audio files are not there:"
            f" {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; expected them under"
            f" {folder}; correct the paths or give audio=FOLDER"
        )
    return paths


def _ids(rows: list[Row], name: str) -> list[str]:
    """One id per row. Absolute paths are cut to what follows their common folder: an id is the same
    on every machine.
    """
    written = [unicodedata.normalize("NFC", row["path"].replace("\\", "/")) for row in rows]
    absolute = [Path(path) for path in written if Path(path).is_absolute()]
    common = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else None
    ids: dict[str, int] = {}
    for row, path in zip(rows, written, strict=True):
        short = (
            Path(path).relative_to(common).as_posix()
            if common is not None and Path(path).is_absolute()
            else path
        )
        segment = f"#{row['start']}-{row['end']}" if row["start"] or row["end"] else ""
        clip_id = row["id"] or short + segment
        if clip_id in ids:
            raise DatasetError(
                f"table {name}, row {row.number}: expected ids that are unique, got {clip_id!r} as"
                f" in row {ids[clip_id]}; remove one of the rows or give them different ids in a"
                " column id"
            )
        ids[clip_id] = row.number
    return list(ids)


def _segment(row: Row, name: str) -> tuple[float | None, float | None]:
    """Start and end in seconds; None where the cell is empty."""
    start, end = (_seconds(row, column, name) for column in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise DatasetError(
            f"table {name}, row {row.number}: expected end > start, got start {row['start'] or 0}"
            f" and end {row['end']}; correct them"
        )
    return start, end


def _seconds(row: Row, column: str, name: str) -> float | None:
    if not row[column]:
        return None
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DatasetError(
            f"table {name}, row {row.number}: expected {column} in seconds, 0 or more, got"
            f" {row[column]!r}; write it as in 1.25"
        )
    return value


TABLE = Dataset(
    name="table",
    load=load,
    label_card=LabelCard(kind="unknown: your own labels", setting="unknown"),
    folds=("speaker", "random"),
    positional="path",
    local=("path", "audio"),
)
