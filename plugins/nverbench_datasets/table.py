"""One's own recordings, listed in a table: ``--dataset table:FILE.csv``, and one's own dialogues:
``--dataset dialogues:FILE.csv``.

A header names the columns, in any order and letter case: ``path`` and ``label``; optional
``speaker``, ``group``, ``split``, ``id``, ``start``, ``end`` and ``duration`` in seconds, and
``sex``, ``age`` and ``language`` of the speaker, which form the groups of ``--by`` and nothing
else. Other usual names are known too (``file``, ``filename``, ``wav``; ``emotion``, ``class``;
``speaker_id``, ``spk``, ``subject``, ``actor``, ``client_id``), and an option names any other. The
run names each column that is not used. Separator: comma, semicolon, tab or pipe. Row numbers in
messages are line numbers of the file, as an editor shows them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from nverbench import (
    Clip,
    Dataset,
    DatasetError,
    LabelCard,
    Misfit,
    Note,
    Table,
    UsageError,
    read_table,
)
from nverbench_datasets.table_dialogues import grouped, turn_number
from nverbench_datasets.table_files import find_files, unique_ids
from nverbench_datasets.table_folders import read_folder, with_speakers

FACTS = ("sex", "age", "language")
COLUMNS = ("path", "label", "speaker", "group", "split", "id", "start", "end", "duration")


def load(
    root: Path | None,
    *,
    table: str = "",
    path: str = "",
    audio: str = "",
    label: str = "",
    speaker: str = "",
    group: str = "",
    split: str = "",
    id: str = "",
    start: str = "",
    end: str = "",
    duration: str = "",
    sex: str = "",
    age: str = "",
    language: str = "",
    sep: str = "",
    encoding: str = "",
) -> Iterator[Clip | Misfit | Note]:
    """The clips a table lists, in its order; an id is the ``id`` cell or the path as written, with
    ``#start-end`` for a segment.

    Write ``table:FILE.csv``, with columns of other names ``table:FILE.csv,path=file,label=mood``,
    and ``speaker=-`` where no column is the speaker. The table is CSV or JSON Lines. A folder is
    read if it holds a listing: ``metadata.csv`` or ``metadata.jsonl`` (Hugging Face audiofolder),
    ``wav.scp`` with ``utt2spk`` and ``utt2emo`` or ``utt2label`` (Kaldi), ``db.yaml`` (audformat),
    or ``train.jsonl`` and ``test.jsonl`` (EmoBox).

    Args:
        root: not used; the dataset has no corpus of its own.
        table: the table, or a folder with a listing.
        path: the column of the audio files; without ``table``: the table.
        audio: the folder that relative paths start from; empty: the table's own folder.
        label: the column of the classes.
        speaker: the column of the speakers.
        group: the column of groups that folds keep together, if not the speakers.
        split: the column of the parts of a published split.
        id: the column of the names of the clips.
        start: the column of the start of a segment in its file, in seconds.
        end: the column of the end.
        duration: the column of the duration.
        sex: the column of the speaker's sex.
        age: the column of the speaker's age.
        language: the column of the language.
        sep: comma, semicolon, tab or pipe; empty: the one that the header shows.
        encoding: such as latin-1; empty: UTF-8, or what a byte order mark says.

    Raises:
        DatasetError: anything in the table that does not fit; the message names the row.
    """
    table, path = (table, path) if table else (path, "")
    given = (path, label, speaker, group, split, id, start, end, duration)
    columns = dict(zip((*COLUMNS, *FACTS), (*given, sex, age, language), strict=True))
    file, found = _read("table", table, columns, sep, encoding)
    yield from _clips(found, file, audio)


def load_dialogues(
    root: Path | None,
    *,
    table: str = "",
    path: str = "",
    audio: str = "",
    label: str = "",
    speaker: str = "",
    conversation: str = "",
    turn: str = "",
    group: str = "",
    id: str = "",
    start: str = "",
    end: str = "",
    duration: str = "",
    sex: str = "",
    age: str = "",
    language: str = "",
    sep: str = "",
    encoding: str = "",
) -> Iterator[Clip | Misfit | Note]:
    """The turns of dialogues a table lists. Columns: those of ``table:``, and ``conversation``
    (``dialogue_id``) and ``turn`` (``utterance_id``), the place of the turn as a whole number. A
    turn without a label is context: it is embedded and not scored.

    Folds keep dialogues whole, and dialogues that share a speaker together; where all do, folds
    keep only dialogues whole, and a note says so. A column ``group`` decides otherwise.

    Args:
        root: not used; the dataset has no corpus of its own.
        table: the table.
        path: the column of the audio files; without ``table``: the table.
        audio: the folder that relative paths start from; empty: the table's own folder.
        label: the column of the classes.
        speaker: the column of the speakers.
        conversation: the column of the dialogues.
        turn: the column of the places of the turns.
        group: the column of groups that folds keep together.
        id: the column of the names of the turns.
        start: the column of the start of a segment in its file, in seconds.
        end: the column of the end.
        duration: the column of the duration.
        sex: the column of the speaker's sex.
        age: the column of the speaker's age.
        language: the column of the language.
        sep: comma, semicolon, tab or pipe; empty: the one that the header shows.
        encoding: such as latin-1; empty: UTF-8, or what a byte order mark says.

    Raises:
        DatasetError: anything in the table that does not fit; the message names the row.
    """
    table, path = (table, path) if table else (path, "")
    given = (path, label, speaker, group, "-", id, start, end, duration)
    columns = dict(zip((*COLUMNS, *FACTS), (*given, sex, age, language), strict=True))
    columns |= {"conversation": conversation, "turn": turn}
    file, found = _read("dialogues", table, columns, sep, encoding)
    yield from grouped(list(_clips(found, file, audio)))


def _read(
    name: str, table: str, columns: Mapping[str, str], sep: str, encoding: str
) -> tuple[Path, Table]:
    """The file of the listing, and the table in it."""
    if not table:
        raise UsageError(
            f"dataset {name} needs a table; write {name}:FILE.csv, and a path"
            " that begins with WORD= as ./WORD=..."
        )
    file = Path(os.path.expanduser(table))  # noqa: PTH111  # Path.expanduser raises for ~nobody
    if name == "dialogues":
        required = ("path", "label", "conversation", "turn")
        return file, read_table(
            file, columns=columns, sep=sep, encoding=encoding, required=required
        )
    if os.path.isdir(file):  # noqa: PTH112  # Path.is_dir raises
        found = read_folder(file, columns, sep=sep, encoding=encoding)
        if found is not None:
            return found
    listed = read_table(file, columns=columns, sep=sep, encoding=encoding)
    return file, with_speakers(file, listed, columns)


def _clips(table: Table, file: Path, audio: str) -> Iterator[Clip | Misfit | Note]:
    folder = Path(os.path.expanduser(audio)) if audio else file.parent  # noqa: PTH111
    # Path.is_dir raises for names that no folder can have
    if not os.path.isdir(folder):  # noqa: PTH112
        raise DatasetError(
            f"table {table.name}: expected a folder at audio={audio}, found none; give the folder"
            " that the paths start from"
        )
    found = find_files(table, folder)
    for row, clip_id, (_, clip_path) in zip(
        table.rows, unique_ids(table, found), found, strict=True
    ):
        yield Clip(
            clip_id,
            clip_path,
            row.label or None,
            row.speaker or None,
            row.group or None,
            row.split or None,
            row.segment.start,
            row.segment.end,
            row.conversation or None,
            turn_number(table, row.turn, row.number) if row.turn else None,
            speaker_facts=row.facts,
        )
    yield from map(Note, table.notes)


LOCAL = ("table", "audio", *COLUMNS, *FACTS, "sep", "encoding")
"""None of these options enters the id of a result: the digest of the clips that they select does."""
TABLE = Dataset(
    name="table",
    load=load,
    label_card=LabelCard(kind="unknown: your own labels", setting="unknown"),
    folds=("speaker", "random"),
    positional="table",
    local=LOCAL,
)
DIALOGUES = Dataset(
    name="dialogues",
    load=load_dialogues,
    task="conversation",
    label_card=LabelCard(kind="unknown: your own labels", setting="unknown"),
    folds=("speaker", "leave-one-group-out"),
    positional="table",
    local=(*(name for name in LOCAL if name != "split"), "conversation", "turn"),
)
