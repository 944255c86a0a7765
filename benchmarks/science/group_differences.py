"""How often the fairness view tells equal groups of speakers apart: simulated speakers whose skill
varies, and whose group means nothing (docs/fairness.md).

    python benchmarks/science/group_differences.py
"""

from __future__ import annotations

import numpy as np

from nverbench.leaderboard.fairness.analysis import GroupedPredictions, analyse, significant
from nverbench.metrics.jackknife import Decisions

LABELS = ("anger", "fear", "joy")
CORPORA = 600
LAYOUTS = {
    "5 and 5": (10, ("f", "m")),
    "12 and 12": (24, ("f", "m")),
    "5 and 20": (25, ("f", *"mmmm")),
    "5 and 45": (50, ("f", *"mmmmmmmmm")),
    "4 groups of 7": (28, tuple("abcd")),
    "4 groups of 23": (91, tuple("abcd")),
}
"""Speakers in the groups -> number of speakers, and the groups in turn."""


def simulated(
    seed: int,
    *,
    speakers: int = 12,
    clips: int = 9,
    values: tuple[str | None, ...] = ("f", "m"),
    replicates: int = 2,
    skill: float = 0.6,
    spread: float = 0.15,
) -> GroupedPredictions:
    """Predictions over three classes; speaker i has value i mod number of values, and a skill that
    varies by ``spread`` whatever the value.
    """
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), clips)
    target = np.tile(np.arange(clips) % 3, speakers)
    own = np.clip(skill + spread * rng.standard_normal(speakers), 0, 1)[who]
    right = rng.random((replicates, len(who))) < own
    wrong = (target + rng.integers(1, 3, right.shape)) % 3
    names = tuple(f"s{i}" for i in who)
    return GroupedPredictions(
        Decisions(target, np.where(right, target, wrong), names, 3),
        tuple(values[i % len(values)] for i in who),
        names,
        LABELS,
        "sex",
        "speaker",
    )


def told_apart(corpora: int, speakers: int, values: tuple[str | None, ...]) -> float:
    """The share of corpora in which some difference of equal groups is significant."""
    found = 0
    for seed in range(corpora):
        given = simulated(seed, speakers=speakers, clips=12, values=values, replicates=1)
        found += any(significant(group) for group in analyse(given).groups)
    return found / corpora


def main() -> None:
    """Print Markdown: a line per layout."""
    print("| speakers in the groups | equal groups told apart (nominal 5 %) |\n|---|---|")
    for name, (speakers, values) in LAYOUTS.items():
        print(f"| {name} | {100 * told_apart(CORPORA, speakers, values):.1f} % |", flush=True)


if __name__ == "__main__":
    main()
