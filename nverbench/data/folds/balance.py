"""Whole groups dealt to folds so that every class spreads evenly: greedy first, then repaired where
a fold lacks a class.

Deterministic and exact (integers and fractions, ties by hash of the group's id): part of protocol
nver-1, "Folds".
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
    swapped as long as that lessens the number of (fold, class) holes.
    """
    totals = sum((Counter(counts) for counts in groups.values()), Counter[str]())
    order = sorted(groups, key=lambda g: (-sum(groups[g].values()), hashed(g)))
    return _repaired(_greedy(groups, order, totals, k), groups, totals)


def hashed(text: str) -> str:
    """What ties are broken by: the sha256 of a name, the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


def _greedy(groups: Mapping[str, Counts], order: Sequence[str], totals: Counts, k: int) -> Parts:
    parts: Parts = [[] for _ in range(k)]
    counts: list[Counter[str]] = [Counter() for _ in range(k)]
    for name in order:
        more = groups[name]

        def cost(f: int, more: Counts = more) -> tuple[int, Fraction, int, int]:
            # Sum over classes of the growth of (share of the class in the fold)^2: least when every
            # class spreads evenly.
            grown = sum(
                (
                    Fraction((counts[f][c] + n) ** 2 - counts[f][c] ** 2, totals[c] ** 2)
                    for c, n in more.items()
                ),
                Fraction(0),
            )
            return (
                0 if not parts[f] else 1,
                grown,
                sum(counts[f].values()),
                f,
            )  # an empty fold first: k groups always fill k folds

        best = min(range(k), key=cost)
        parts[best].append(name)
        counts[best].update(more)
    return parts


def _repaired(parts: Parts, groups: Mapping[str, Counts], totals: Counts) -> Parts:
    """The parts after the best move or swap, again and again, while one lessens the holes; as they
    are when there is none to lessen.
    """
    holders = {c: sum(bool(counts.get(c)) for counts in groups.values()) for c in totals}
    state = _Assignment(parts, groups, totals, {c: min(len(parts), n) for c, n in holders.items()})
    while state.shortfall():
        best = min(state.changes(), key=state.after, default=None)
        if best is None or state.after(best)[0] >= state.shortfall():
            break
        state.make(best)
    return state.parts


Change = tuple[int, int, str, str | None]
"""(fold that lacks a class, fold that has it, group that brings it, group given in return or
None).
"""


class _Assignment:
    """Groups as dealt, and what a change would do. A class that h groups hold can be in at most h
    folds: only what is short of that counts.
    """

    def __init__(
        self, parts: Parts, groups: Mapping[str, Counts], totals: Counts, reachable: Counts
    ) -> None:
        self.parts, self.groups, self.totals, self.reachable = parts, groups, totals, reachable
        self.counts = [sum((Counter(groups[g]) for g in part), Counter[str]()) for part in parts]

    def shortfall(self, counts: Sequence[Counter[str]] | None = None) -> int:
        """How many (fold, class) pairs are without a clip though they need not be."""
        return sum(
            max(0, n - sum(c[label] > 0 for c in counts or self.counts))
            for label, n in self.reachable.items()
        )

    def changes(self) -> Iterator[Change]:
        """Every way to bring a group with a missing class into the fold that misses it: moved
        there, or swapped with one from there.
        """
        for f in range(len(self.parts)):
            missing = [
                c
                for c, n in self.reachable.items()
                if not self.counts[f][c] and sum(k[c] > 0 for k in self.counts) < n
            ]
            for other in (i for i in range(len(self.parts)) if i != f and missing):
                for bringer in (
                    g for g in self.parts[other] if any(self.groups[g].get(c) for c in missing)
                ):
                    yield from (
                        (f, other, bringer, given)
                        for given in (None, *self.parts[f])
                        if given or len(self.parts[other]) > 1
                    )

    def after(self, change: Change) -> tuple[int, Fraction, Change]:
        """The shortfall, and sum over folds and classes of (share of the class in the fold)^2, that
        a change would leave.
        """
        f, other, bringer, given = change
        counts = list(self.counts)
        more, less = (
            Counter(self.groups[bringer]),
            (Counter(self.groups[given]) if given else Counter[str]()),
        )
        counts[f], counts[other] = counts[f] + more - less, counts[other] + less - more
        squares = sum(
            (Fraction(counts[i][c] ** 2, n**2) for i in (f, other) for c, n in self.totals.items()),
            Fraction(0),
        )
        before = sum(
            (
                Fraction(self.counts[i][c] ** 2, n**2)
                for i in (f, other)
                for c, n in self.totals.items()
            ),
            Fraction(0),
        )
        return self.shortfall(counts), squares - before, (f, other, bringer, given or "")

    def make(self, change: Change) -> None:
        """Carry a change out."""
        f, other, bringer, given = change
        self.parts = [list(part) for part in self.parts]
        self.parts[other].remove(bringer)
        self.parts[f].append(bringer)
        if given:
            self.parts[f].remove(given)
            self.parts[other].append(given)
        self.counts = [
            sum((Counter(self.groups[g]) for g in part), Counter[str]()) for part in self.parts
        ]
