"""Folders that already list their clips: Hugging Face ``audiofolder``, Kaldi, audformat and EmoBox.
Nothing in them is executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nverbench import DatasetError, Table, read_table, table_of
from nverbench_datasets.file_listing import a_file

EMOBOX = re.compile(r"(?:.+_)?(train|valid|dev|test)(?:_fold_[0-9]+)?\.jsonl")
UTTERANCE_LABELS = ("utt2emo", "utt2emotion", "utt2label", "utt2class")
"""Kaldi has no name for labels of a class; these are in use. ``text`` holds words."""

NO_COLUMN = "missing; found"
"""In the message about a table without a needed column: a table of a database that is not meant."""

Listing = tuple[Path, Table]
"""The file that relative paths start beside, and the table."""


def read_folder(
    folder: Path, columns: Mapping[str, str], *, sep: str, encoding: str
) -> Listing | None:
    """The listing of a folder; None if it has none.

    Raises:
        DatasetError: the listing does not fit, or the folder has listings of two kinds.
    """
    parts = {
        match[1]: file
        for file in sorted(folder.glob("*.jsonl"))
        if (match := EMOBOX.fullmatch(file.name))
    }
    kinds: dict[str, Callable[[], Listing]] = {
        "metadata.csv": lambda: _one(folder / "metadata.csv", columns, sep, encoding),
        "metadata.jsonl": lambda: _one(folder / "metadata.jsonl", columns, sep, encoding),
        "wav.scp": lambda: _kaldi(folder, columns),
        "db.yaml": lambda: _audformat(folder, columns),
    }
    found = {name: read for name, read in kinds.items() if a_file(folder / name)}
    if {"train", "test"} <= parts.keys():
        found[parts["train"].name] = lambda: _emobox(folder, parts, columns, encoding)
    if len(found) > 1:
        first = next(iter(found))
        raise DatasetError(
            f"table {folder.name}: expected one listing, found {' and '.join(found)}; give the one"
            f" that you mean, as table:{folder / first}"
        )
    return next(iter(found.values()))() if found else None


def _one(file: Path, columns: Mapping[str, str], sep: str, encoding: str) -> Listing:
    return file, read_table(file, columns=columns, sep=sep, encoding=encoding)


def _emobox(
    folder: Path, parts: Mapping[str, Path], columns: Mapping[str, str], encoding: str
) -> Listing:
    """The files of one fold; the name of a file is the split of its clips."""
    rows = []
    notes: dict[str, None] = {}
    for part, file in parts.items():
        table = read_table(file, columns=columns, encoding=encoding)
        rows += [replace(row, split=part) for row in table.rows]
        notes.update(dict.fromkeys(table.notes))
    listed = Table(folder.name, tuple(rows), tuple(notes))
    # paths of EmoBox start from the folder that holds its folders of folds
    return _beside(folder, [row.spellings[0] for row in rows]), listed


def _beside(folder: Path, paths: Sequence[str]) -> Path:
    """A file in the nearest folder from which the first path leads to a file."""
    tops = [folder, *list(folder.absolute().parents)[:4]]
    return next((top for top in tops if a_file(top / paths[0])), folder) / "train.jsonl"


def _kaldi(folder: Path, columns: Mapping[str, str]) -> Listing:
    _refuse_columns(folder, columns)
    audio = _pairs(folder / "wav.scp")
    for key, (number, path) in audio.items():
        if path.endswith("|") or path.startswith("|") or path == "-":
            raise DatasetError(
                f"table wav.scp, row {number}: {key} is a command, which nverbench does not run;"
                " expected a path; write the audio to files"
            )
    labels = next((name for name in UTTERANCE_LABELS if a_file(folder / name)), None)
    if labels is None:
        raise DatasetError(
            f"table {folder.name}: expected labels in {' or '.join(UTTERANCE_LABELS)} beside"
            " wav.scp, found none; write a line UTTERANCE LABEL per clip"
        )
    sources = {"label": _pairs(folder / labels)}
    if a_file(folder / "utt2spk"):
        sources["speaker"] = _pairs(folder / "utt2spk")
    segments = _segments(folder / "segments") if a_file(folder / "segments") else None
    rows = []
    for key, number, recording, start, end in _utterances(audio, segments):
        missing = [what for what, found in sources.items() if key not in found]
        if missing or recording not in audio:
            what = missing[0] if missing else f"recording {recording} in wav.scp"
            raise DatasetError(
                f"table {folder.name}, row {number}: {key} has no {what}; add it or remove {key}"
            )
        own = [found[key][1] for found in sources.values()]
        rows.append((number, [key, audio[recording][1], start, end, *own]))
    table = table_of(folder.name, ("id", "path", "start", "end", *sources), rows)
    return folder / "wav.scp", table


def _utterances(
    audio: Mapping[str, tuple[int, str]], segments: Mapping[str, tuple[int, list[str]]] | None
) -> Iterator[tuple[str, int, str, str, str]]:
    """Utterance, row, recording, start and end."""
    if segments is None:
        yield from ((key, number, key, "", "") for key, (number, _) in audio.items())
        return
    for key, (number, (recording, start, end)) in segments.items():
        yield key, number, recording, start, "" if end == "-1" else end


def _segments(file: Path) -> dict[str, tuple[int, list[str]]]:
    found = {}
    for key, (number, rest) in _pairs(file).items():
        cells = rest.split()
        if len(cells) != 3:
            raise DatasetError(
                f"table {file.name}, row {number}: expected UTTERANCE RECORDING START END, got"
                f" {len(cells) + 1} words; correct the line"
            )
        found[key] = (number, cells)
    return found


def _pairs(file: Path) -> dict[str, tuple[int, str]]:
    """The lines of a Kaldi file: key -> row and the rest of the line."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"table {file.name}: expected UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"table {file.name}: cannot be read ({error.strerror})") from error
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        key, _, rest = line.strip().replace("\t", " ", 1).partition(" ")
        if not rest.strip() or key in found:
            problem = "is there twice" if key in found else "has no value"
            raise DatasetError(
                f"table {file.name}, row {number}: {key[:60]!r} {problem}; expected one line KEY"
                " VALUE per key"
            )
        found[key] = (number, rest.strip())
    return found


def _audformat(folder: Path, columns: Mapping[str, str]) -> Listing:
    """The table of a database that has an emotion; of several, the one that a name chooses."""
    tables = _tables(folder)
    if not tables:
        raise DatasetError(
            f"table {folder.name}: expected tables db.NAME.csv beside db.yaml, found none; save the"
            ' database with storage_format="csv"'
        )
    fitting: list[Listing] = []
    problems = []
    for file in tables:
        try:
            fitting.append((file, read_table(file, columns=columns)))
        except DatasetError as error:
            problems.append(error)
    wrong = [error for error in problems if NO_COLUMN not in str(error)]
    if wrong or not fitting:
        raise (wrong or problems)[0]
    if len(fitting) == 1:
        file, table = fitting[0]
        return file, with_speakers(file, table, columns)
    several = ", ".join(file.name for file, _ in fitting) if len(fitting) > 1 else ""
    raise DatasetError(
        f"table {folder.name}: expected one table with labels, found {several or 'none'}; give one,"
        f" as table:{fitting[0][0]}"
    )


def with_speakers(file: Path, table: Table, columns: Mapping[str, str]) -> Table:
    """A table of an audformat database that names no speakers, with those of another table of the
    database; any other table as it is.
    """
    if not a_file(file.parent / "db.yaml") or columns.get("speaker"):
        return table
    if any(row.speaker for row in table.rows):
        return table
    for other in _tables(file.parent):
        try:
            people = read_table(other, required=("path", "speaker"))
        except DatasetError as error:
            if NO_COLUMN in str(error):
                continue
            raise
        speakers = {row.path: row.speaker for row in people.rows}
        if all(row.path in speakers for row in table.rows):
            rows = tuple(replace(row, speaker=speakers[row.path]) for row in table.rows)
            return _noted(replace(table, rows=rows), f"speakers are those of {other.name}")
        table = _noted(table, f"{other.name} does not name the speaker of every clip: not used")
    return table


def _noted(table: Table, note: str) -> Table:
    return replace(table, notes=(*table.notes, note))


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("db.*.csv") if a_file(file))


def _refuse_columns(folder: Path, columns: Mapping[str, str]) -> None:
    given = [name for name, value in columns.items() if value]
    if given:
        raise DatasetError(
            f"table {folder.name}: {given[0]}= names a column, and Kaldi files have none; leave it"
            " out"
        )
