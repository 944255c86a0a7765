"""Intervals in hard cases: very unequal numbers of clips, numbers that go with skill, rare classes,
scores near 100% and at chance, five speakers.

    python benchmarks/science/stats_hard.py [CORPORA]

Printed as Markdown, in percent of simulated corpora. "Before" is the rule of nver-1, t(G - 1);
"after" is that of nver-2 (``nverbench.metrics.score_intervals``), and t(n_eff - 1) with the
sign-flip floor for differences.

- ``accuracy`` and ``macro-F1``: 95% intervals that hold the truth, the score over the population of
  speakers, each counted by its clips. Below 95 is too narrow. In brackets the mean width.
- ``none``: corpora without an interval of macro-F1 after, because a class has clips of fewer than
  five speakers; coverage after is over the others.
- ``pair``: two equally good systems called different by macro-F1 (goal: at most 5).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nverbench.metrics import scores
from nverbench.metrics.intervals import Units, quantile, standard_error
from nverbench.metrics.jackknife import leave_one_out
from nverbench.metrics.score_intervals import ScoreInterval, score_intervals
from nverbench.metrics.significance import compare

SPEAKERS = (5, 11, 24)
CLASSES = 6
CLIPS = 4
"""Expected clips of a class by one speaker."""
SPEAKER, SPEAKER_CLASS, SYSTEM = 0.5, 0.5, 0.4
"""Standard deviations on the logit of a recall: of a speaker, of a class of a speaker, and of what
one system makes of the latter.
"""
AT_ONCE = 50
METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Case:
    """A population of speakers."""

    name: str
    spread: float = 0.5
    """Standard deviation of the logarithm of a speaker's number of clips (lognormal)."""
    skill: float = 0.0
    """Correlation of that logarithm with the speaker's effect on the recalls."""
    rarest: float = 1.0
    """Clips of the rarest class, as a share of those of the largest; geometric in between."""
    easier: float = 0.0
    """Added to the logits of all recalls."""
    uneven: float = 1.0
    """Factor of all standard deviations on the logit; 0: no effects."""
    chance: bool = False

    def recalls(self) -> np.ndarray:
        """Logit of each class's recall without effects (k,)."""
        if self.chance:
            return np.full(CLASSES, -np.log(CLASSES - 1.0))
        return np.linspace(-0.8, 1.2, CLASSES) * (0.5 if self.easier else 1) + self.easier

    def clips(self) -> np.ndarray:
        """Expected clips of each class by one speaker (k,)."""
        share = np.geomspace(1, self.rarest, CLASSES)
        return CLIPS * CLASSES * share / share.sum()

    def errors(self) -> np.ndarray:
        """Where the errors of each class go (k, k), rows summing to 1."""
        rng, others = np.random.default_rng(CLASSES), 1 - np.eye(CLASSES)
        errors = others if self.chance else rng.gamma(0.7, size=others.shape) * others
        return errors / errors.sum(1, keepdims=True)


CASES = (
    Case("as most corpora"),
    Case("lognormal 1", spread=1.0),
    Case("lognormal 1.5", spread=1.5),
    Case("size with skill", spread=1.0, skill=0.7),
    Case("size against skill", spread=1.0, skill=-0.7),
    Case("rare classes", rarest=0.03),
    Case("98 %", easier=4.2),
    Case("98 %, lognormal 1", spread=1.0, easier=4.2),
    Case("98.6 %, uneven speakers", easier=6.0, uneven=2.5),
    Case("chance", chance=True, uneven=0.0),
    Case("chance, lognormal 1", spread=1.0, chance=True, uneven=0.0),
)


@dataclass(frozen=True)
class Counted:
    """Stands for ``jackknife.Decisions`` where only their counts were drawn: (G, r, k, k)."""

    counts: np.ndarray
    target: np.ndarray
    groups: tuple[str, ...]
    classes: int

    def stacks(self) -> np.ndarray:
        return self.counts

    def units(self) -> list[str]:
        return list(self.groups)

    def sizes(self) -> np.ndarray:
        return self.counts[:, 0].sum((1, 2))

    def counted_units(self) -> Units:
        return Units.of(self.sizes())


def truth(case: Case, better: float = 0.0) -> dict[str, float]:
    """The metrics over infinitely many speakers, by Gauss-Hermite quadrature over their effects.
    Counting a speaker by clips moves the mean of a lognormal size's logarithm by its variance.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    spread = case.uneven * np.sqrt(SPEAKER**2 + SPEAKER_CLASS**2 + SYSTEM**2)
    moved = case.uneven * SPEAKER * case.skill * case.spread
    logits = case.recalls()[:, None] + better + moved + spread * nodes
    recall = (_share(logits) * weights).sum(1) / weights.sum()  # (k,)
    counts = case.clips()[:, None] * (np.diag(recall) + (1 - recall)[:, None] * case.errors())
    return {name: float(v) for name, v in scores.scores(counts).items()}


def corpora(
    seed: int, case: Case, draws: int, speakers: int, *, systems: int = 1, better: float = 0.0
) -> Iterator[list[Counted]]:
    """Draw corpora one by one: the predictions of equally good systems on the same clips of the
    same speakers; ``better`` is added to the logits of the first system.
    """
    rng = np.random.default_rng([seed, speakers, systems, *case.name.encode()])
    names = tuple(f"speaker {i:03d}" for i in range(speakers))
    diagonal = np.arange(CLASSES)
    for start in range(0, draws, AT_ONCE):
        d = min(AT_ONCE, draws - start)
        size, own = rng.standard_normal((2, d, speakers))
        expected = np.exp(case.spread * size - case.spread**2 / 2)[..., None] * case.clips()
        clips = rng.poisson(expected)  # (d, G, k)
        clips[:, 0, 0] = np.maximum(clips[:, 0, 0], 1)
        effect = SPEAKER * (case.skill * size + np.sqrt(1 - case.skill**2) * own)
        of_class = SPEAKER_CLASS * rng.standard_normal(clips.shape)
        of_system = SYSTEM * rng.standard_normal((systems, *clips.shape))
        logits = case.recalls() + case.uneven * (effect[..., None] + of_class + of_system)
        logits[0] += better
        hits = rng.binomial(np.broadcast_to(clips, logits.shape), _share(logits))
        counts = rng.multinomial(clips - hits, case.errors())  # (m, d, G, k, k)
        counts[..., diagonal, diagonal] = hits
        for i in range(d):
            yield [Counted(c[:, None], clips[i], names, CLASSES) for c in counts[:, i]]


def coverage(case: Case, draws: int, speakers: int) -> tuple[float, dict[str, list[float]]]:
    """The mean number of effective speakers; and by metric, before and after: the share of
    intervals that hold the truth, their mean width, and the share of corpora without one.
    """
    true, effective = truth(case), []
    seen: dict[tuple[str, str], list[ScoreInterval]] = {}
    for (system,) in corpora(1, case, draws, speakers):
        effective.append(system.counted_units().effective)
        for rule in ("groups", "effective"):
            for name, found in score_intervals(system, rule=rule).items():
                seen.setdefault((name, rule), []).append(found)
    found = {
        name: [v for rule in ("groups", "effective") for v in _held(seen[name, rule], true[name])]
        for name in METRICS
    }
    return float(np.mean(effective)), found


def _held(intervals: list[ScoreInterval], true: float) -> list[float]:
    ends = np.array([(i.low, i.high) for i in intervals if i.low is not None])  # (n, 2)
    if not len(ends):
        return [np.nan, np.nan, 1.0]
    held = (ends[:, 0] <= true) & (true <= ends[:, 1])
    width = ends[:, 1] - ends[:, 0]
    return [float(held.mean()), float(width.mean()), 1 - len(ends) / len(intervals)]


def false_alarms(case: Case, draws: int, speakers: int) -> tuple[float, float, float]:
    """How often two equally good systems are called different: by t(G - 1), by t(n_eff - 1), and
    by p, which has a floor.
    """
    found = []
    for a, b in corpora(2, case, draws, speakers, systems=2):
        (whole_a, without_a), (whole_b, without_b) = leave_one_out(a), leave_one_out(b)
        ahead = abs(whole_a["macro_f1"] - whole_b["macro_f1"])
        se = float(standard_error(without_a["macro_f1"] - without_b["macro_f1"]))
        ts = [ahead > quantile(0.95, u) * se for u in (speakers, a.counted_units().effective)]
        p = compare(a, b).p
        found.append([*ts, p is not None and p < 0.05])
    before, effective, after = np.mean(found, axis=0)
    return float(before), float(effective), float(after)


def main(draws: int) -> None:
    started = time.perf_counter()
    print(
        "| case | speakers | effective | accuracy: before | after | macro-F1: before | after | none"
        " | pair: before | t(n_eff - 1) | after |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for case in CASES:
        for speakers in SPEAKERS:
            effective, found = coverage(case, draws, speakers)
            cells = [case.name, str(speakers), f"{effective:.1f}"]
            for name in METRICS:
                old, old_width, _, new, new_width, none = (100 * v for v in found[name])
                after = "-" if np.isnan(new) else f"{new:.1f} ({new_width:.0f})"
                cells += [f"{old:.1f} ({old_width:.0f})", after]
            alarms = [f"{100 * v:.1f}" for v in false_alarms(case, draws, speakers)]
            print("|", " | ".join([*cells, f"{none:.0f}", *alarms]), "|", flush=True)
    print(f"\n{draws} corpora a cell; {time.perf_counter() - started:.0f} s")


def _share(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
