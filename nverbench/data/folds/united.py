"""Copies of one recording, united before folds are cut (``docs/protocol.md``, "Folds"): all clips
of a recording are on one side of every fold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nverbench.errors import FoldError
from nverbench.plugin.records import Clip

NAMED = 8
"""Groups that a message names."""

Copied = Sequence[Sequence[int]]
"""The rows of every recording that several clips hold."""


def united(names: Sequence[str], same: Iterable[Sequence[int]]) -> list[str]:
    """The name of each row after rows that must stay together got one name.

    Args:
        names: of the rows; rows of equal names stay together.
        same: rows that must stay together, with all rows of their names.

    Returns:
        For each row the first, in sorted order, of all names that are united with its own.
    """
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for rows in same:
        for row in rows[1:]:
            one, other = sorted((root(names[rows[0]]), root(names[row])))
            parent[other] = one
    return [root(name) for name in names]


def copied_rows(clips: Sequence[Clip], same: Iterable[Collection[str]]) -> Copied:
    """The rows of every recording that several of the clips hold.

    Args:
        clips: sorted by id.
        same: ids of clips that are one recording; sets that overlap are one recording, and ids of
            other clips do not count.
    """
    ids = [clip.id for clip in clips]
    row_of = {name: row for row, name in enumerate(ids)}
    known = [sorted(row_of[name] for name in names if name in row_of) for names in same]
    names = united(ids, [rows for rows in known if len(rows) > 1])
    return [rows for rows in by_name(names).values() if len(rows) > 1]


def by_name(names: Iterable[str]) -> dict[str, list[int]]:
    """The rows of every name."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(name, []).append(row)
    return found


def united_groups(clips: Sequence[Clip], copied: Copied) -> list[str]:
    """The group of each clip, where groups that share a recording are one group."""
    return united([str(clip.unit) for clip in clips], copied)


def check_enough(clips: Sequence[Clip], copied: Copied, left: int, needed: int, what: str) -> None:
    """Raises a FoldError where uniting leaves fewer groups than ``what`` needs."""
    groups, joined = {clip.unit for clip in clips}, joined_groups(clips, copied)
    if left >= needed or len(groups) < needed:
        return
    names = ", ".join(sorted(joined)[:NAMED])
    names += f" and {len(joined) - NAMED} more" if len(joined) > NAMED else ""
    held = sum(map(len, across_groups(clips, copied)))
    raise FoldError(
        f"cannot cut {len(groups)} groups into {what}: {held} clips that are copies of one another"
        f" join {names}, so that {left} group{'' if left == 1 else 's'} can be kept apart; keep one"
        " copy of each recording (nverbench data audit lists them), or use --folds random"
    )


def across_groups(clips: Sequence[Clip], copied: Copied) -> list[Sequence[int]]:
    """The rows of every recording that clips of several groups hold."""
    return [rows for rows in copied if len({clips[row].unit for row in rows}) > 1]


def joined_groups(clips: Sequence[Clip], copied: Copied) -> dict[str, str]:
    """The groups that share a recording with another one -> the first of those united with it."""
    found = {str(c.unit): name for c, name in zip(clips, united_groups(clips, copied), strict=True)}
    sizes: dict[str, int] = {}
    for name in found.values():
        sizes[name] = sizes.get(name, 0) + 1
    return {group: name for group, name in found.items() if sizes[name] > 1}
