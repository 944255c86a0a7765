"""The inner validation part of a training part (``docs/protocol.md``, "Selection")."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from nverbench.data.folds.balance import hashed
from nverbench.plugin.records import Clip


@dataclass(frozen=True)
class Inner:
    """The constants of the inner validation part."""

    share: float = 0.10
    most: float = 0.20
    per_class: int = 5
    draw: str = "once"
    """once: one validation part per fold, in the order of a hash of the groups' names. fold:
    ``splits`` parts per fold and replicate (``splits.py``).
    """
    splits: int = 1
    groups: int = 1
    """The fewest groups of a part (``draw: fold``)."""
    given: bool = False
    """Whether the development part that a named corpus ships is the validation part of official
    folds; that of one's own data always is.
    """
    by_group: bool = True
    """False: stratified clips, also where the test part shares no groups with the rest."""

    def share_of(self, clips: int) -> Fraction:
        """The share of so many clips, exactly."""
        return Fraction(str(self.share)) * clips


def validation_part(
    clips: Sequence[Clip],
    train: Sequence[int],
    inner: Inner,
    *,
    seed: int,
    by_group: bool,
    units: Sequence[str],
) -> tuple[list[int], bool]:
    """The rows of the validation part, sorted, and whether the training part shares its groups
    (``units``, one for each clip).
    """
    if all(clips[row].conversation is not None for row in train):
        return _whole_conversations(clips, train, inner), True
    if by_group:
        chosen = _whole_groups(clips, train, inner, units)
        if chosen is not None:
            return chosen, False
    picked: list[int] = []
    for label in sorted({str(clips[row].label) for row in train}):
        rows = [row for row in train if clips[row].label == label]
        rows.sort(key=lambda row: hashed(f"{seed}:inner:{clips[row].id}"))
        size = max(inner.per_class, math.ceil(inner.share_of(len(rows))))
        picked += rows[: min(size, len(rows) // 2)]  # a class keeps half of its training clips
    return sorted(picked), True


def _whole_conversations(clips: Sequence[Clip], train: Sequence[int], inner: Inner) -> list[int]:
    """Whole conversations of each group, in hash order, until the share of its clips is reached;
    never its last one.
    """
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in train:
        groups[str(clips[row].unit)][str(clips[row].conversation)].append(row)
    chosen: list[int] = []
    for conversations in groups.values():
        share, taken = inner.share_of(sum(map(len, conversations.values()))), 0
        for name in sorted(conversations, key=hashed)[:-1]:
            if taken >= share:
                break
            chosen += conversations[name]
            taken += len(conversations[name])
    return sorted(chosen)


def _whole_groups(
    clips: Sequence[Clip], train: Sequence[int], inner: Inner, units: Sequence[str]
) -> list[int] | None:
    """Whole groups in hash order until the share is reached; None where that takes too much, or
    takes every training clip of a class.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row in train:
        groups[units[row]].append(row)
    chosen: list[int] = []
    for name in sorted(groups, key=hashed):
        if len(chosen) >= inner.share_of(len(train)):
            break
        chosen += groups[name]
    left = {clips[row].label for row in set(train) - set(chosen)}
    too_much = len(chosen) > Fraction(str(inner.most)) * len(train)
    return None if too_much or left != {clips[row].label for row in train} else sorted(chosen)
