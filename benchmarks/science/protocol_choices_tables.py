"""The tables of ``protocol_choices.py``: gains over nver-1 and the leave-one-corpus-out choice."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REFERENCE, PROPOSED = "nver-1", "nver-2"
NO_NUMBER = float("nan")


@dataclass(frozen=True)
class Measured:
    """The records of a study, by choice, head and corpus; some may be missing."""

    cells: Mapping[tuple[str, str, str], Mapping[str, Any]]
    choices: tuple[str, ...]
    heads: tuple[str, ...]
    corpora: tuple[str, ...]

    def gain(
        self, choice: str, head: str, corpus: str, *, over: str = REFERENCE, score: str = "macro_f1"
    ) -> float:
        """Points that a choice gives over another one; nan where one of them is missing."""
        cells = [self.cells.get((name, head, corpus)) for name in (choice, over)]
        one, other = [NO_NUMBER if cell is None else cell[score] for cell in cells]
        return float(100 * (one - other))

    def mean_gain(self, choice: str, corpus: str, **how: Any) -> float:
        """The gain, averaged over heads; nan where one is missing."""
        return statistics.fmean(self.gain(choice, head, corpus, **how) for head in self.heads)

    def slower(self, choice: str, head: str, corpus: str) -> float:
        """Seconds relative to nver-1; nan where a record is missing."""
        cells = [self.cells.get((name, head, corpus)) for name in (choice, REFERENCE)]
        if any(cell is None for cell in cells):
            return NO_NUMBER
        one, other = [max(cell["seconds"], 0.01) for cell in cells if cell is not None]
        return float(one / other)

    @property
    def complete(self) -> list[str]:
        """The choices that every head and corpus has, in the order of the study."""
        return [
            choice
            for choice in self.choices
            if not any(math.isnan(self.mean_gain(choice, corpus)) for corpus in self.corpora)
        ]


@dataclass(frozen=True)
class LeftOut:
    """The choice that the other corpora make for one corpus."""

    corpus: str
    choice: str
    elsewhere: float
    """Its gain over nver-1 on the other corpora, in points, averaged over heads and corpora."""
    here: float
    """Its gain on the corpus left out, averaged over heads."""
    best: str
    """The choice that is best on the corpus itself."""


def leave_one_corpus_out(found: Measured) -> list[LeftOut]:
    """For each corpus, the complete choice that is best on average on the others, the first of
    equal ones.
    """
    chosen = []
    for corpus in found.corpora if len(found.corpora) > 1 else ():
        others = [name for name in found.corpora if name != corpus]
        elsewhere = {
            choice: statistics.fmean(found.mean_gain(choice, name) for name in others)
            for choice in found.complete
        }
        if not elsewhere:
            continue
        choice = max(elsewhere, key=elsewhere.__getitem__)
        best = max(elsewhere, key=lambda name: found.mean_gain(name, corpus))
        here = found.mean_gain(choice, corpus)
        chosen.append(LeftOut(corpus, choice, elsewhere[choice], here, best))
    return chosen


def print_tables(found: Measured) -> None:
    """All tables, as Markdown."""
    for head in found.heads:
        _print_head(found, head)
    _print_means(found)
    _print_left_out(found)
    left = [choice for choice in found.choices if choice not in found.complete]
    if left:
        print(f"\nnot complete, and not chosen from: {', '.join(left)}")


def _print_head(found: Measured, head: str) -> None:
    """Gains of one head by choice and corpus; the row of nver-1 holds its macro-F1."""
    print(f"\n### {head}: macro-F1 minus {REFERENCE}, points ({REFERENCE}: macro-F1 in percent)\n")
    _heading(["choice", *found.corpora, "mean [standard error]", f"time, {REFERENCE} = 1"])
    for choice in found.choices:
        gains = [found.gain(choice, head, corpus) for corpus in found.corpora]
        if choice == REFERENCE:
            cells = [found.cells.get((choice, head, corpus)) for corpus in found.corpora]
            values = ["-" if c is None else f"{100 * c['macro_f1']:.1f}" for c in cells]
            _row([choice, *values, "", "1.0"])
            continue
        times = [found.slower(choice, head, corpus) for corpus in found.corpora]
        _row([choice, *map(_points, gains), _mean(gains), _times(times)])


def _print_means(found: Measured) -> None:
    """Means over heads and corpora; the standard error is the one over corpora."""
    print("\n### Mean over heads and corpora, points [standard error over corpora]\n")
    against = [f"macro-F1 minus {REFERENCE}", f"macro-F1 minus {PROPOSED}"]
    _heading(["choice", *against, f"accuracy minus {REFERENCE}", f"time, {REFERENCE} = 1"])
    for choice in found.choices:
        columns = [
            [found.mean_gain(choice, corpus, over=over, score=score) for corpus in found.corpora]
            for over, score in (
                (REFERENCE, "macro_f1"),
                (PROPOSED, "macro_f1"),
                (REFERENCE, "accuracy"),
            )
        ]
        times = [found.slower(choice, h, corpus) for h in found.heads for corpus in found.corpora]
        _row([choice, *map(_mean, columns), _times(times)])


def _print_left_out(found: Measured) -> None:
    """The choices that corpora make for each other."""
    print(f"\n### Chosen on the other corpora (points over {REFERENCE}, mean over heads)\n")
    proposed = f"{PROPOSED} on the one left out"
    columns = ["chosen by the others", "gain on the others", "gain on the one left out", proposed]
    _heading(["corpus left out", *columns, "best there"])
    for one in leave_one_corpus_out(found):
        other = _points(found.mean_gain(PROPOSED, one.corpus))
        best = f"{one.best} {_points(found.mean_gain(one.best, one.corpus))}"
        _row([one.corpus, one.choice, _points(one.elsewhere), _points(one.here), other, best])


def _heading(names: Sequence[str]) -> None:
    _row(names)
    _row(["---"] * len(names))


def _row(cells: Iterable[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def _points(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.1f}"


def _mean(values: Sequence[float]) -> str:
    """Mean and standard error of the values that are there, with their number if some are
    missing.
    """
    there = [value for value in values if not math.isnan(value)]
    if not there:
        return "-"
    error = statistics.stdev(there) / math.sqrt(len(there)) if len(there) > 1 else NO_NUMBER
    some = f" of {len(there)} corpora" if len(there) < len(values) else ""
    return f"{statistics.fmean(there):+.1f} [{error:.1f}]{some}"


def _times(ratios: Iterable[float]) -> str:
    """The geometric mean of ratios."""
    there = [ratio for ratio in ratios if not math.isnan(ratio)]
    return f"{statistics.geometric_mean(there):.1f}" if there else "-"
