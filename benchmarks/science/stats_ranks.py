"""Rank groups on simulated corpora: how often equal rows are told apart, and how often a better row
is found.

    python benchmarks/science/stats_ranks.py [CORPORA]

Printed as Markdown, in percent. "Before": every row is compared with the best one, t(G - 1), with
Holm's correction. "After": ``nverbench.metrics.ranks``.

- ``excluded``: corpora on which one or more of equally good rows is not in the first rank group
  (goal: at most 5).
- ``3 points``, ``6 points``: one row is better than the others, which are equal, by so many points
  of macro-F1 over the population of speakers; the share of the others that get a lower place.
- ``ms``: processor time of ``rank_groups``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
from stats_hard import CASES, Case, Counted, corpora, truth

from nverbench.metrics.intervals import standard_error
from nverbench.metrics.jackknife import leave_one_out
from nverbench.metrics.ranks import rank_groups
from nverbench.metrics.significance import holm

PRIMARY = "macro_f1"
ROWS = (5, 18)
SETTINGS = ((0, 6), (0, 11), (0, 24), (0, 41), (1, 24), (2, 24))
"""Case and speakers."""


def before(rows: Sequence[Counted]) -> list[bool]:
    """Whether each row was in the first group by the rule before."""
    from scipy.stats import t

    parts = [leave_one_out(row) for row in rows]
    values = np.array([whole[PRIMARY] for whole, _ in parts])
    without = np.array([w[PRIMARY] for _, w in parts])  # (m, G)
    best = int(values.argmax())
    others = [i for i in range(len(rows)) if i != best]
    errors = standard_error(without[best] - without[others])
    p = 2 * t.sf((values[best] - values[others]) / errors, without.shape[-1] - 1)
    lower = {i for i, adjusted in zip(others, holm(p), strict=True) if adjusted < 0.05}
    return [i not in lower for i in range(len(rows))]


def after(rows: Sequence[Counted]) -> list[bool]:
    """Whether each row is in the first group."""
    places = rank_groups({f"row {i:02d}": row for i, row in enumerate(rows)})
    return [place == 1 for place in places.values()]


def advantage(case: Case, points: float) -> float:
    """What to add to the logits of a system so that its macro-F1 is so many points higher."""
    low, high, goal = 0.0, 2.0, truth(case)[PRIMARY] + points / 100
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if truth(case, middle)[PRIMARY] < goal else (low, middle)
    return low


def measured(case: Case, draws: int, speakers: int, systems: int, points: float) -> list[float]:
    """Before and after: without an advantage the share of corpora on which a row is excluded, else
    the share of the other rows that are below the better one; then the milliseconds of a ranking.
    """
    better = advantage(case, points) if points else 0.0
    first, seconds = [], 0.0
    for rows in corpora(3, case, draws, speakers, systems=systems, better=better):
        started = time.process_time()
        own = after(rows)
        seconds += time.process_time() - started
        first.append((before(rows), own))
    lower = ~np.array(first)  # (draws, 2, rows)
    share = lower[..., 1:].mean((0, 2)) if points else lower.any(-1).mean(0)
    return [*map(float, share), 1000 * seconds / draws]


def main(draws: int) -> None:
    started = time.perf_counter()
    print(
        "| case | speakers | rows | excluded: before | after | 3 points: before | after | 6 points:"
        " before | after | ms |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for number, speakers in SETTINGS:
        for systems in ROWS:
            case = CASES[number]
            found = [
                measured(case, draws // 3 if points else draws, speakers, systems, points)
                for points in (0, 3, 6)
            ]
            shares = [f"{100 * v:.1f}" for before_after in found for v in before_after[:2]]
            milliseconds = f"{np.mean([v[2] for v in found]):.0f}"
            cells = [case.name, str(speakers), str(systems), *shares, milliseconds]
            print("|", " | ".join(cells), "|", flush=True)
    print(
        f"\n{draws} corpora a cell, {draws // 3} for the better row; {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
