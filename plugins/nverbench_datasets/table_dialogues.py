"""The groups that folds of one's own dialogues keep together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nverbench import Clip, Misfit, Note, Table

TURN = re.compile(r"[0-9]{1,9}(?:\.0+)?")


def turn_number(table: Table, text: str, row: int) -> int:
    """The place of a turn in its dialogue.

    Raises:
        DatasetError: it is no whole number.
    """
    if not TURN.fullmatch(text):
        raise table.fault(
            f"expected the turn as a whole number, 0 or more, got {text!r:.60}; number the turns of"
            " each conversation",
            row,
        )
    return int(text.partition(".")[0])


def grouped(items: Sequence[Clip | Misfit | Note]) -> Iterator[Clip | Misfit | Note]:
    """The clips, each with a group that keeps its dialogue whole: the dialogues that share a
    speaker, or, where that is all of them, the dialogue alone, with a note. Groups that the table
    gives stay.
    """
    clips = [item for item in items if isinstance(item, Clip)]
    others = [item for item in items if not isinstance(item, Clip)]
    if any(clip.group is not None for clip in clips):
        yield from items
        return
    groups = _components(clips)
    if len(set(groups.values())) == 1 and len(groups) > 1:
        yield from (replace(clip, group=clip.conversation) for clip in clips)
        yield Note(
            "all dialogues share speakers, so folds keep dialogues whole but not speakers apart: the"
            " scores are not speaker-independent"
        )
    else:
        yield from (replace(clip, group=groups[str(clip.conversation)]) for clip in clips)
        if any(clip.speaker is None for clip in clips):
            yield Note("no speaker is known, so the same speaker may be in training and test")
    yield from others


def _components(clips: Sequence[Clip]) -> dict[str, str]:
    """Conversation -> the first conversation, by name, that it is connected to by speakers."""
    parent = {str(clip.conversation): str(clip.conversation) for clip in clips}

    def top(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    met: dict[str, str] = {}
    for clip in clips:
        if clip.speaker is not None:
            one = top(str(clip.conversation))
            other = top(met.setdefault(clip.speaker, one))
            first, last = sorted((one, other))
            parent[last] = first
    return {name: top(name) for name in parent}
