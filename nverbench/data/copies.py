"""Clips that are one recording: what folds keep on one side (``Copies.recordings``), and what is
on both sides of a fold all the same, or under two labels.

Two clips are copies if their files are byte for byte the same and their segments are equal, or
overlap by more than ``SLIVER`` of the shorter one, or if a pin of the registry lists them
(``same_recordings``: near-copies that an audit found).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nverbench.data.clip_facts import facts_of
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.data.folds.united import copied_rows
from nverbench.plugin.records import Clip
from nverbench.registry import Registry

SLIVER = 0.1
"""Share of the shorter segment up to which an overlap is one of turns, or of rounded times."""


IDENTICAL, OVERLAPPING, LISTED = (
    "byte-identical copies",
    "overlapping segments of one file",
    "near-identical copies",
)
"""What copies of one recording can be."""


@dataclass(frozen=True)
class Leak:
    """Test clips whose copies are trained on, with the first pair of ids."""

    clips: int
    first: tuple[str, str]
    what: str
    """``IDENTICAL`` where at least one of the copies is, else ``LISTED`` or ``OVERLAPPING``."""


@dataclass(frozen=True)
class Copies:
    """The copies of a corpus by row of its clips, sorted by id."""

    clips: Sequence[Clip]
    identical: Mapping[int, Sequence[int]]
    """Row -> all rows of the same bytes and segment, its own too; several clips have them."""
    listed: Mapping[int, Sequence[int]]
    """Row -> rows that the registry lists with it as one recording, its own too."""
    overlapping: Mapping[int, Sequence[int]]
    """Row -> rows of other segments of the same file that overlap it."""

    @property
    def recordings(self) -> tuple[tuple[str, ...], ...]:
        """The ids of the clips of every recording that several clips hold, sorted."""
        groups = [*_groups(self.identical), *_groups(self.listed)]
        groups += [[row, *rows] for row, rows in self.overlapping.items()]
        same = [[self.clips[row].id for row in rows] for rows in groups]
        found = copied_rows(self.clips, same)
        return tuple(tuple(self.clips[row].id for row in rows) for rows in found)

    def leak(self, cut: FoldSet) -> Leak | None:
        """The test clips of all folds that have a copy in the training part of their fold."""
        pairs: dict[int, tuple[int, str]] = {}
        for fold in cut.folds:
            trained = set(fold.train) | set(fold.validation)
            for what, found in ((IDENTICAL, self.identical), (LISTED, self.listed)):
                held = {found[row][0]: row for row in sorted(trained & found.keys(), reverse=True)}
                for row in fold.test:
                    if row in found and found[row][0] in held:
                        pairs.setdefault(row, (held[found[row][0]], what))
            for row in fold.test:
                if others := trained.intersection(self.overlapping.get(row, ())):
                    pairs.setdefault(row, (min(others), OVERLAPPING))
        if not pairs:
            return None
        row = min(pairs)
        kinds = {what for _, what in pairs.values()}
        first = next(what for what in (IDENTICAL, LISTED, OVERLAPPING) if what in kinds)
        return self._leak(len(pairs), row, pairs[row][0], first)

    def conflict(self) -> Leak | None:
        """The clips of which an equal one, or a listed one, has another label."""
        for what, found in ((IDENTICAL, self.identical), (LISTED, self.listed)):
            label = {row: self.clips[row].label for row in found}
            wrong = [rows for rows in _groups(found) if len({label[row] for row in rows}) > 1]
            if wrong:
                row, *others = min(wrong)
                other = next(other for other in others if label[other] != label[row])
                return self._leak(sum(map(len, wrong)), row, other, what)
        return None

    def _leak(self, clips: int, row: int, other: int, what: str) -> Leak:
        first, second = sorted((self.clips[row].id, self.clips[other].id))
        return Leak(clips, (first, second), what)


def _groups(found: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """The rows of every group, once."""
    return [list(rows) for row, rows in found.items() if row == rows[0]]


def copies_of(corpus: Corpus, registry: Registry) -> Copies:
    """The copies of a corpus, with those that the registry lists."""
    listed = [list(ids) for ids in registry.same_recordings(corpus.dataset.name)]
    for side in corpus.sides:  # of a cross-corpus pair: ids have their dataset in front
        own = registry.same_recordings(side.dataset.name)
        listed += [[f"{side.dataset.name}/{name}" for name in ids] for ids in own]
    return usable_copies(corpus.clips, corpus.sha256, listed)


def usable_copies(
    clips: Sequence[Clip], sha256: Mapping[str, str], listed: Sequence[Collection[str]] = ()
) -> Copies:
    """:func:`copies` without equal files that cannot be used (one damaged or silent file in the
    place of many recordings): no run trains on them, so that they join nothing. One clip of each
    group is decoded, once on this machine.
    """
    found = copies(clips, sha256)
    groups = [[found.clips[row] for row in rows] for rows in _groups(found.identical)]
    facts = facts_of([group[0] for group in groups], sha256)
    unusable = {c.id: c.id for g in groups if facts[g[0].id].reason is not None for c in g}
    return copies(clips, {**sha256, **unusable}, listed)


def copies(
    clips: Sequence[Clip], sha256: Mapping[str, str], listed: Sequence[Collection[str]] = ()
) -> Copies:
    """The copies among the scored clips of a corpus; ``listed``: ids of clips that are one
    recording although their bytes differ, where ids of other clips do not count.
    """
    clips = sorted(clips, key=lambda clip: clip.id)
    by_segment: dict[tuple[str, float, float], list[int]] = defaultdict(list)
    by_file: dict[str, list[int]] = defaultdict(list)
    for row, clip in enumerate(clips):
        by_segment[(sha256[clip.id], *_bounds(clip))].append(row)
        by_file[sha256[clip.id]].append(row)
    identical = {row: rows for rows in by_segment.values() if len(rows) > 1 for row in rows}
    near = {row: rows for rows in copied_rows(clips, listed) for row in rows}
    overlapping: dict[int, list[int]] = defaultdict(list)
    for rows in by_file.values():
        if len(rows) > 1:
            for one, other in _overlaps(clips, rows):
                overlapping[one].append(other)
                overlapping[other].append(one)
    return Copies(clips, identical, near, overlapping)


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
