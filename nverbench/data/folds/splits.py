"""Validation parts that differ for each fold, replicate and split (protocol constant ``inner_draw:
fold``; ``docs/protocol.md``, "Selection").

Groups (else recordings or conversations) that were drawn less often come first, then the order is
that of a hash. In one fold, no speaker is therefore in more validation parts than another one,
except for the sizes of the groups.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from nverbench.data.folds.balance import hashed
from nverbench.data.folds.united import Copied, by_name, united, united_groups
from nverbench.data.folds.validation import Inner
from nverbench.plugin.records import Clip

Part = tuple[int, ...]
Order = Callable[[Iterable[str]], list[str]]


@dataclass(frozen=True)
class Together:
    """What a validation part keeps together, for each clip."""

    groups: Sequence[str]
    """Its group; groups that share a recording or a conversation have one name."""
    pieces: Sequence[str]
    """Its recording, or its conversation."""


def together(clips: Sequence[Clip], copied: Copied) -> Together:
    """What the validation parts of a corpus keep together; ``copied`` as in ``united.py``."""
    turns = [row for row, clip in enumerate(clips) if clip.conversation is not None]
    found = by_name(str(clips[row].conversation) for row in turns)
    whole = [[turns[i] for i in own] for own in found.values()]
    links = [*copied, *whole]
    return Together(united_groups(clips, links), united([clip.id for clip in clips], links))


def validation_splits(
    clips: Sequence[Clip],
    train: Sequence[int],
    inner: Inner,
    whole: Together,
    *,
    seed: str,
    replicates: int,
    by_group: bool,
) -> tuple[tuple[Part, ...], bool]:
    """The validation parts of a training part, and whether one of them shares its groups with the
    rest.

    Args:
        clips: sorted by id.
        train: rows of the training part.
        inner: constants; ``inner.splits`` parts are drawn for every replicate.
        whole: of the clips.
        seed: the protocol's seed and the name of the fold.
        replicates: their number. The parts of a replicate do not depend on it.
        by_group: whether a part should hold whole groups.
    """
    draw = _Draw(clips, train, inner, whole)
    draws: Counter[str] = Counter()
    parts, seen = [], False
    for number in range(replicates * inner.splits):
        replicate, split = divmod(number, inner.splits)

        order = _order(draws, f"{seed}:{replicate}:{split}")
        chosen = draw.whole_groups(order) if by_group else None
        if chosen is None:
            seen = True
            chosen = draw.whole_pieces(order)
        draws.update(name for name, _ in chosen)
        parts.append(tuple(sorted(row for _, rows in chosen for row in rows)))
    return tuple(parts), seen


def _order(draws: Mapping[str, int], where: str) -> Order:
    """Sorts names by how often they were drawn, then by a hash of the place and the name."""
    return lambda names: sorted(names, key=lambda name: (draws[name], hashed(f"{where}:{name}")))


Chosen = list[tuple[str, Sequence[int]]]
"""Names of groups or pieces, with their rows."""


@dataclass
class _Draw:
    """Draws validation parts of one training part."""

    clips: Sequence[Clip]
    train: Sequence[int]
    inner: Inner
    whole: Together

    @cached_property
    def groups(self) -> Mapping[str, list[int]]:
        """The training rows of every group."""
        return self._training(self.whole.groups)

    @cached_property
    def strata(self) -> Mapping[str, Mapping[str, list[int]]]:
        """The pieces of every class, or of every group where all clips are turns: training rows by
        name.
        """
        stratum = self._group_of if self.conversations else self._class_of
        strata: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for name, rows in self._training(self.whole.pieces).items():
            if (key := stratum(rows)) is not None:
                strata[key][name] = rows
        return dict(sorted(strata.items()))

    @cached_property
    def totals(self) -> Counter[str]:
        """Training clips per class."""
        return self._labels(self.train)

    @cached_property
    def conversations(self) -> bool:
        """Whether every training clip is a turn of a conversation."""
        return all(self.clips[row].conversation is not None for row in self.train)

    def whole_groups(self, order: Order) -> Chosen | None:
        """Whole groups in order: at least ``inner.groups`` of them and ``inner.share`` of the
        clips; where that many are more than ``inner.most``, as many as can be. None: no number of
        groups lies between the two shares and leaves every class a training clip.
        """
        names, best = order(self.groups), None
        for start in range(len(names)):
            chosen = self._walk(names[start:])
            if sum(len(self.groups[name]) for name in chosen) < self.inner.share_of(
                len(self.train)
            ):
                continue
            if best is None or len(chosen) > len(best):
                best = chosen
            if len(best) >= self.inner.groups:
                break
        return None if best is None else [(name, self.groups[name]) for name in best]

    def _walk(self, names: Sequence[str]) -> list[str]:
        """The first groups of an order that can be taken together; the others are passed over."""
        least = self.inner.share_of(len(self.train))
        most = Fraction(str(self.inner.most)) * len(self.train)
        chosen: list[str] = []
        size, left = 0, Counter(self.totals)
        for name in names:
            if len(chosen) >= self.inner.groups and size >= least:
                break
            rows = self.groups[name]
            counts = self._labels(rows)
            if size + len(rows) <= most and all(left[c] > n for c, n in counts.items()):
                chosen.append(name)
                size += len(rows)
                left -= counts
        return chosen

    def whole_pieces(self, order: Order) -> Chosen:
        """Conversations of every group, else recordings of every class, in order."""
        take = self._conversations if self.conversations else self._stratified
        return [
            (name, pieces[name])
            for pieces in self.strata.values()
            for name in take(pieces, order(pieces))
        ]

    def _group_of(self, rows: Sequence[int]) -> str:
        return str(self.clips[rows[0]].unit)

    def _class_of(self, rows: Sequence[int]) -> str | None:
        """The class of a recording; None where its copies have several: it is only trained on."""
        classes = {str(self.clips[row].label) for row in rows}
        return classes.pop() if len(classes) == 1 else None

    def _conversations(self, pieces: Mapping[str, list[int]], names: Sequence[str]) -> list[str]:
        """Conversations of one group until the share of its clips is reached; never its last."""
        least = self.inner.share_of(sum(map(len, pieces.values())))
        chosen: list[str] = []
        taken = 0
        for name in names[:-1]:
            if taken >= least:
                break
            chosen.append(name)
            taken += len(pieces[name])
        return chosen

    def _stratified(self, pieces: Mapping[str, list[int]], names: Sequence[str]) -> list[str]:
        """Recordings of one class, at most half of its clips: the class keeps the other half."""
        clips = sum(map(len, pieces.values()))
        size = min(max(self.inner.per_class, math.ceil(self.inner.share_of(clips))), clips // 2)
        chosen: list[str] = []
        taken = 0
        for name in names:
            if taken + len(pieces[name]) <= size:
                chosen.append(name)
                taken += len(pieces[name])
        return chosen

    def _training(self, names: Sequence[str]) -> dict[str, list[int]]:
        """The training rows of every name."""
        found = by_name(names[row] for row in self.train)
        return {name: [self.train[i] for i in own] for name, own in found.items()}

    def _labels(self, rows: Sequence[int]) -> Counter[str]:
        return Counter(str(self.clips[row].label) for row in rows)
