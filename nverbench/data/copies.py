"""Clips that are the same audio on both sides of a fold, or under two labels.

Two clips are copies if their files are byte for byte the same and their segments are equal, or
overlap by more than ``SLIVER`` of the shorter one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nverbench.data.folds.assign import FoldSet
from nverbench.plugin.records import Clip

SLIVER = 0.1
"""Share of the shorter segment up to which an overlap is one of turns, or of rounded times."""


@dataclass(frozen=True)
class Leak:
    """Test clips whose copies are trained on, with the first pair of ids."""

    clips: int
    first: tuple[str, str]
    segments: bool
    """Whether the copies are overlapping segments of one file, not equal ones."""


@dataclass(frozen=True)
class Copies:
    """The copies of a corpus by row of its clips, sorted by id."""

    clips: Sequence[Clip]
    same: Mapping[int, int]
    """Row -> number of its group, for clips whose bytes and segment several clips have."""
    overlapping: Mapping[int, Sequence[int]]
    """Row -> rows of other segments of the same file that overlap it."""

    def leak(self, cut: FoldSet) -> Leak | None:
        """The test clips of all folds that have a copy in the training part of their fold."""
        pairs: dict[int, tuple[int, bool]] = {}
        for fold in cut.folds:
            trained = set(fold.train) | set(fold.validation)
            groups = {self.same[row]: row for row in sorted(trained & self.same.keys())[::-1]}
            for row in fold.test:
                if self.same.get(row) in groups:
                    pairs[row] = groups[self.same[row]], False
                    continue
                others = trained.intersection(self.overlapping.get(row, ()))
                if others:
                    pairs.setdefault(row, (min(others), True))
        if not pairs:
            return None
        row = min(pairs)
        one, other = sorted((self.clips[row].id, self.clips[pairs[row][0]].id))
        return Leak(len(pairs), (one, other), all(segment for _, segment in pairs.values()))

    def conflict(self) -> Leak | None:
        """The clips of which an equal one has another label."""
        groups: dict[int, list[Clip]] = defaultdict(list)
        for row, number in self.same.items():
            groups[number].append(self.clips[row])
        wrong = [group for group in groups.values() if len({c.label for c in group}) > 1]
        if not wrong:
            return None
        group = min(wrong, key=lambda clips: clips[0].id)
        other = next(clip for clip in group if clip.label != group[0].label)
        return Leak(sum(map(len, wrong)), (group[0].id, other.id), segments=False)


def copies(clips: Sequence[Clip], sha256: Mapping[str, str]) -> Copies:
    """The copies among the scored clips of a corpus."""
    clips = sorted(clips, key=lambda clip: clip.id)
    by_segment: dict[tuple[str, float, float], list[int]] = defaultdict(list)
    by_file: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        by_segment[(sha256[clip.id], *_bounds(clip))].append(row)
        by_file[sha256[clip.id]].append(row)
    several = [rows for rows in by_segment.values() if len(rows) > 1]
    same = {row: number for number, rows in enumerate(several) for row in rows}
    overlapping: dict[int, list[int]] = defaultdict(list)
    for rows in by_file.values():
        if len(rows) > 1:
            for one, other in _overlaps(clips, rows):
                overlapping[one].append(other)
                overlapping[other].append(one)
    return Copies(clips, same, overlapping)


def _bounds(clip: Clip) -> tuple[float, float]:
    return clip.start or 0.0, math.inf if clip.end is None else clip.end


def _overlaps(clips: Sequence[Clip], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of rows of one file whose different segments overlap."""
    spans = sorted((*_bounds(clips[row]), row) for row in rows)
    for i, (start, end, row) in enumerate(spans):
        for later, until, other in spans[i + 1 :]:
            if later >= end:
                break
            if (start, end) == (later, until):
                continue
            shared, shorter = min(end, until) - later, min(end - start, until - later)
            if math.isinf(shorter) or shared > SLIVER * shorter:
                yield row, other
