"""Near-identical clips as a block for a registry file: folds then keep them on one side."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from nverbench.data.audit.records import Copies
from nverbench.data.folds.united import by_name, united

Groups = Sequence[Sequence[str]]
"""Ids of clips, by recording."""


def unlisted(copies: Copies, listed: Iterable[Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """The groups of near-identical clips that the registry does not list yet, sorted."""
    ids = sorted({clip for pair in copies.near for clip in (pair.first, pair.second)})
    row = {clip: i for i, clip in enumerate(ids)}
    pairs = [[row[pair.first], row[pair.second]] for pair in copies.near]
    found = [tuple(ids[i] for i in rows) for rows in by_name(united(ids, pairs)).values()]
    known = [set(clips) for clips in listed]
    return tuple(group for group in found if not any(set(group) <= clips for clips in known))


def block(dataset: str, groups: Groups) -> list[str]:
    """The lines of a registry file that list them; JSON strings are YAML strings."""
    lists = (", ".join(json.dumps(clip, ensure_ascii=False) for clip in ids) for ids in groups)
    rows = [f"        - [{ids}]" for ids in lists]
    return ["pins:", "  datasets:", f"    {dataset}:", "      same_recordings:", *rows]
