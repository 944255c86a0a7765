"""The audio files and the ids of the rows of a table."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from nverbench import Table
from nverbench_datasets.file_listing import a_file

Found = tuple[str, Path]
"""The path of a row as its id writes it, and the file."""


def find_files(table: Table, folder: Path) -> list[Found]:
    """The audio file of every row; a path written with backslashes, or with spaces or invisible
    characters at its ends, is found too.

    Raises:
        DatasetError: files that are not there.
    """
    found: list[Found] = []
    missing = []
    for row in table.rows:
        ways = [*row.spellings, *(path.replace("\\", "/") for path in row.spellings)]
        written = next((path for path in ways if a_file(folder / path)), None)
        if written is None:
            missing.append(f"{row.spellings[0]} (row {row.number})")
        else:
            found.append((written, folder / written))
    if missing:
        raise table.fault(
            f"{len(missing)} of {len(table.rows)} audio files are not there:"
            f" {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; expected them under"
            f" {folder}; correct the paths or give audio=FOLDER"
        )
    return found


def unique_ids(table: Table, found: list[Found]) -> list[str]:
    """One id per row. Absolute paths are cut to what follows their common folder: an id is the same
    on every machine.

    Raises:
        DatasetError: an id is there twice.
    """
    written = [unicodedata.normalize("NFC", path.strip().replace("\\", "/")) for path, _ in found]
    absolute = [Path(path) for path in written if Path(path).is_absolute()]
    common = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else None
    ids: dict[str, int] = {}
    for row, path in zip(table.rows, written, strict=True):
        short = (
            Path(path).relative_to(common).as_posix()
            if common is not None and Path(path).is_absolute()
            else path
        )
        segment = f"#{row.segment.text}" if row.segment.text else ""
        clip_id = row.id or short + segment
        if clip_id in ids:
            raise table.fault(
                f"expected ids that are unique, got {clip_id!r} as in row {ids[clip_id]}; remove"
                " one of the rows or give them different ids in a column id",
                row.number,
            )
        ids[clip_id] = row.number
    return list(ids)
