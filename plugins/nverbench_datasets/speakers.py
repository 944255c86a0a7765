"""What corpora say about their speakers (``Clip.speaker_facts``): codes of file names, and the
tables of speakers that some corpora ship.

The facts only form the groups of ``--by``, so that a table that is absent or damaged stops nothing:
its facts are then unknown.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from nverbench import Clip, Misfit, Note

FEMALE, MALE = {"sex": "female"}, {"sex": "male"}
SEX = {"f": FEMALE, "m": MALE}
"""Letter of a file name, in lower case -> the fact."""

ANOTHER = (OSError, ValueError, LookupError, TypeError, RecursionError, csv.Error)
"""What reading a table of speakers raises where it is another one, or damaged."""
Speakers = Mapping[str, Mapping[str, str]]
"""Speaker -> facts."""


def with_facts(
    items: Iterator[Clip | Misfit], root: Path, table: str, speakers: Mapping[str, object]
) -> Iterator[Clip | Misfit | Note]:
    """The clips with the facts of a table of speakers in addition to those that they have.

    Args:
        items: clips and misfits, as ``named_files.read`` gives them.
        root: the folder that the user named.
        table: the path of the table below the folder of the corpus.
        speakers: meaning (sex, age, language) -> the column in CSV, or the place in a row of JSON,
            whose first cell is the speaker.
    """
    known: Speakers | None = None
    for item in items:
        if isinstance(item, Misfit):
            yield item
            continue
        if known is None:
            found = above(item.path, root, table)
            try:
                known = {} if found is None else _read(found, speakers)
            except ANOTHER as error:
                known = {}
                why = " ".join(str(error).split())[:80]
                yield Note(f"{table} cannot be used ({why}): its facts about speakers are unknown")
        facts = known.get(str(item.speaker), {})
        yield replace(item, speaker_facts={**item.speaker_facts, **facts}) if facts else item


def above(clip: Path, root: Path, name: str) -> Path | None:
    """The file or folder ``name`` beside or above the folder of a clip, not above the folder around
    ``root``.
    """
    around = [folder / name for folder in clip.parents if folder.is_relative_to(root.parent)]
    return next((path for path in around if path.exists()), None)


def _read(path: Path, speakers: Mapping[str, object]) -> Speakers:
    """Speaker -> the facts of a table.

    Raises:
        one of ANOTHER: it is another table, or damaged.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        rows = list(csv.DictReader(text.splitlines(), strict=True))
        cells = [(next(iter(row.values())), row) for row in rows]
    else:
        content = json.loads(text)
        rows = [[k, *v] for k, v in content.items()] if isinstance(content, dict) else content
        cells = [(row[0], row) for row in rows]
    return {
        str(speaker): {meaning: str(row[place]) for meaning, place in speakers.items()}
        for speaker, row in cells
    }
