"""Assignment of whole groups to folds so that every class spreads evenly: greedy first, then
repaired where a fold lacks a class.

Deterministic and exact (integers and fractions, ties by hash of the group's id): part of
``docs/protocol.md``, "Folds".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

Counts = Mapping[str, int]
"""Clips per class."""
Parts = list[list[str]]
"""Names of the groups of every fold."""


def balance_groups(groups: Mapping[str, Counts], k: int) -> Parts:
    """The groups of k folds; needs at least k groups.

    Largest group first (ties by hash), each to the fold whose class counts it overfills least.
    Greedy can leave a fold without a class that other folds have to spare; then groups are moved or
    swapped as long as that lessens the number of (fold, class) pairs without a clip.
    """
    totals = sum((Counter(counts) for counts in groups.values()), Counter[str]())
    order = sorted(groups, key=lambda g: (-sum(groups[g].values()), hashed(g)))
    return _repaired(_greedy(groups, order, totals, k), groups, totals)


def hashed(text: str) -> str:
    """The sha256 of a name, which breaks ties: the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


def _greedy(groups: Mapping[str, Counts], order: Sequence[str], totals: Counts, k: int) -> Parts:
    parts: Parts = [[] for _ in range(k)]
    counts: list[Counter[str]] = [Counter() for _ in range(k)]
    for name in order:
        more = groups[name]

        def cost(f: int, more: Counts = more) -> tuple[bool, Fraction, int, int]:
            # Growth of the sum over classes of (share of the class in the fold)^2: least when every
            # class spreads evenly. An empty fold comes first: k groups always fill k folds.
            grown = sum(
                Fraction((counts[f][c] + n) ** 2 - counts[f][c] ** 2, totals[c] ** 2)
                for c, n in more.items()
            )
            return bool(parts[f]), Fraction(grown), sum(counts[f].values()), f

        best = min(range(k), key=cost)
        parts[best].append(name)
        counts[best].update(more)
    return parts


def _repaired(parts: Parts, groups: Mapping[str, Counts], totals: Counts) -> Parts:
    """The parts after the best move or swap, repeated while one lessens the shortfall."""
    holders = {c: sum(bool(counts.get(c)) for counts in groups.values()) for c in totals}
    state = _Assignment(parts, groups, totals, {c: min(len(parts), n) for c, n in holders.items()})
    while state.shortfall():
        best = min(state.changes(), key=state.after, default=None)
        if best is None or state.after(best)[0] >= state.shortfall():
            break
        state = state.changed(best)
    return state.parts


Change = tuple[int, int, str, str | None]
"""(fold that lacks a class, fold that has it, group that brings it, group given in return or
None).
"""


class _Assignment:
    """The groups of every fold, and the effect of a change. A class that h groups hold can be in at
    most h folds: only what is short of that counts.
    """

    def __init__(
        self, parts: Parts, groups: Mapping[str, Counts], totals: Counts, reachable: Counts
    ) -> None:
        self.parts, self.groups, self.totals, self.reachable = parts, groups, totals, reachable
        self.counts = [sum((Counter(groups[g]) for g in part), Counter[str]()) for part in parts]

    def shortfall(self, counts: Sequence[Counter[str]] | None = None) -> int:
        """The number of (fold, class) pairs without a clip that could have one."""
        return sum(
            max(0, n - sum(c[label] > 0 for c in counts or self.counts))
            for label, n in self.reachable.items()
        )

    def changes(self) -> Iterator[Change]:
        """Every way to bring a group with a missing class into the fold that misses it: moved
        there, or swapped with one from there.
        """
        for f, part in enumerate(self.parts):
            missing = [
                c
                for c, n in self.reachable.items()
                if not self.counts[f][c] and sum(k[c] > 0 for k in self.counts) < n
            ]
            for other, donors in enumerate(self.parts):
                returns = [None, *part] if len(donors) > 1 else part
                for bringer in donors if other != f else ():
                    if any(self.groups[bringer].get(c) for c in missing):
                        yield from ((f, other, bringer, given) for given in returns)

    def after(self, change: Change) -> tuple[int, Fraction, Change]:
        """The shortfall after a change, and the growth of the sum over folds and classes of (share
        of the class in the fold)^2.
        """
        f, other, bringer, given = change
        counts = list(self.counts)
        more = Counter(self.groups[bringer])
        less = Counter(self.groups[given]) if given else Counter[str]()
        counts[f], counts[other] = counts[f] + more - less, counts[other] + less - more
        growth = sum(
            Fraction(counts[i][c] ** 2 - self.counts[i][c] ** 2, n**2)
            for i in (f, other)
            for c, n in self.totals.items()
        )
        return self.shortfall(counts), Fraction(growth), (f, other, bringer, given or "")

    def changed(self, change: Change) -> _Assignment:
        """The assignment after a change."""
        f, other, bringer, given = change
        parts = [list(part) for part in self.parts]
        parts[other].remove(bringer)
        parts[f].append(bringer)
        if given:
            parts[f].remove(given)
            parts[other].append(given)
        return _Assignment(parts, self.groups, self.totals, self.reachable)
