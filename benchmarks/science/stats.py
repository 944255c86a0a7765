"""Do the intervals keep their promise: coverage, and false alarms between two seeds of one system,
on simulated speakers.

    python benchmarks/science/stats.py [DRAWS]

Speakers differ in how easy they are, overall and class by class, and in how many clips they gave
(coefficient of variation one half; with equal numbers intervals of few speakers cover about a point
more); the truth is the score over the population of speakers. Each drawn corpus goes through the
code that makes the leaderboard's numbers. Printed as Markdown, in percent:

- `covered`: corpora whose 95% jackknife interval holds the truth (goal 93 to 97 from 5 speakers
  up), for accuracy and macro-F1; with 4 speakers no interval is given, and what t(3) would give is
  in brackets.
- `bootstrap`: the same of the bootstrap over speakers, macro-F1.
- `tie`: corpora on which two seeds of one system are not told apart (goal at least 94): by the
  difference of macro-F1, and by rank groups.
- `ten`: rank groups of ten seeds of one system: rows in the first group, and corpora on which all
  ten are.
- `luck`: ties by the difference where a seed also has luck of its own on all speakers at once
  (standard deviation about one point): with one replicate on each side, and with five.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from nverbench.metrics import jackknife, scores
from nverbench.metrics.intervals import Units
from nverbench.metrics.ranks import rank_groups

SPEAKERS = (4, 5, 8, 11, 24, 41, 91)
CLASSES = (6, 10)
CLIPS = 4
"""Expected clips of a class by one speaker."""
SPEAKER, SPEAKER_CLASS, SYSTEM = 0.5, 0.5, 0.4
"""Standard deviations on the logit of a recall: of a speaker, of a class of a speaker, and of what
one trained system makes of the latter.
"""
LUCK = 0.05
"""The same for a seed's luck on all speakers: about one point of accuracy."""
RESAMPLES = 300
MORE = 5
"""Coverage is drawn this many times as often: from 10,000 corpora its standard error is 0.2
points.
"""
AT_ONCE = 100
"""Corpora drawn in one piece: memory stays below 100 MB."""


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


def population(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logit of each class's recall (k,), and where its errors go (k, k), rows summing to 1: some
    classes are harder, some pairs alike.
    """
    rng = np.random.default_rng(classes)
    errors = rng.gamma(0.7, size=(classes, classes)) * (1 - np.eye(classes))
    return np.linspace(-0.8, 1.2, classes), errors / errors.sum(1, keepdims=True)


def truth(classes: int) -> dict[str, float]:
    """The metrics over infinitely many speakers, by Gauss-Hermite quadrature over their effects."""
    logits, errors = population(classes)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.sqrt(SPEAKER**2 + SPEAKER_CLASS**2 + SYSTEM**2)
    recall = (_recall(logits[:, None] + spread * nodes) * weights).sum(1) / weights.sum()  # (k,)
    return {
        name: float(v)
        for name, v in scores.scores(np.diag(recall) + (1 - recall)[:, None] * errors).items()
    }


def corpora(
    seed: int,
    draws: int,
    speakers: int,
    classes: int,
    *,
    systems: int = 1,
    replicates: int = 1,
    luck: float = 0.0,
) -> Iterator[list[Counted]]:
    """Draw corpora one by one: the predictions of equally good systems on the same clips of the
    same speakers.
    """
    rng = np.random.default_rng([seed, speakers, classes, systems, replicates])
    names = tuple(f"speaker {i:02d}" for i in range(speakers))
    for start in range(0, draws, AT_ONCE):
        shape = (min(AT_ONCE, draws - start), speakers, classes)
        clips, counts = _drawn(rng, shape, (systems, replicates), luck)
        for d in range(shape[0]):
            yield [
                Counted(np.ascontiguousarray(c.swapaxes(0, 1)), clips[d], names, classes)
                for c in counts[:, :, d]
            ]


def _drawn(
    rng: np.random.Generator, shape: tuple[int, int, int], fits: tuple[int, int], luck: float
) -> tuple[np.ndarray, np.ndarray]:
    """Clips of each speaker and class (d, G, k), and confusion counts of m systems and r replicates
    (m, r, d, G, k, k).
    """
    logits, errors = population(shape[2])
    effects = (
        logits
        + SPEAKER * rng.standard_normal((*shape[:2], 1))
        + SPEAKER_CLASS * rng.standard_normal(shape)
    )  # (d, G, k)
    clips = rng.poisson(CLIPS * rng.gamma(4, 1 / 4, size=(*shape[:2], 1)), size=shape)
    own = SYSTEM * rng.standard_normal((*fits, *shape)) + luck * rng.standard_normal(
        (*fits, shape[0], 1, 1)
    )
    trials = np.broadcast_to(clips, own.shape)  # (m, r, d, G, k)
    hits = rng.binomial(trials, _recall(effects + own))
    counts = rng.multinomial(trials - hits, errors)  # (m, r, d, G, k, k)
    diagonal = np.arange(shape[2])
    counts[..., diagonal, diagonal] = hits
    return clips, counts


def covered(draws: int, speakers: int, classes: int) -> tuple[float, float, float]:
    """Coverage of the jackknife for accuracy and macro-F1, and of the bootstrap (on one in 20
    corpora) for macro-F1.
    """
    true, hits, boots = truth(classes), {"accuracy": 0, "macro_f1": 0}, []
    for i, (system,) in enumerate(corpora(1, draws, speakers, classes)):
        found = jackknife.jackknife(system)
        for name in hits:
            hits[name] += (
                abs(found[name].value - true[name])
                <= jackknife.quantile(0.95, speakers) * found[name].se
            )
        if i % 20 == 0:
            low, high = jackknife.bootstrap(system, seed=i, draws=RESAMPLES)["macro_f1"]
            boots.append(low <= true["macro_f1"] <= high)
    return hits["accuracy"] / draws, hits["macro_f1"] / draws, float(np.mean(boots))


def tied(pairs: Iterable[list[Counted]]) -> float:
    """How often the interval of the difference of two seeds holds 0."""
    differences = [jackknife.difference(a, b)["macro_f1"] for a, b in pairs]
    return float(np.mean([d.low is None or d.low <= 0 <= d.high for d in differences]))


def ranked_alike(pairs: Iterable[list[Counted]]) -> float:
    """How often two seeds share a rank."""
    return float(np.mean([len(set(rank_groups({"a": a, "b": b}).values())) == 1 for a, b in pairs]))


def ten(draws: int, speakers: int, classes: int, *, systems: int = 10) -> tuple[float, float]:
    """Of equally good systems: the share of rows in the first rank group, and of corpora on which
    all are.
    """
    first = []
    for rows in corpora(3, draws, speakers, classes, systems=systems):
        places = rank_groups({f"seed {i}": row for i, row in enumerate(rows)})
        first.append([place in (1, None) for place in places.values()])
    return float(np.mean(first)), float(np.mean(np.all(first, axis=1)))


def main(draws: int) -> None:
    started = time.perf_counter()
    print(
        "| classes | speakers | covered: accuracy | macro-F1 | bootstrap | tie: difference | rank"
        " groups | ten: rows | all | luck: 1 | 5 |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for classes in CLASSES:
        for speakers in SPEAKERS:
            claim = speakers >= jackknife.MIN_GROUPS
            accuracy, f1, boot = covered(MORE * draws, speakers, classes)
            less, pairs = draws // 4, list(corpora(2, draws, speakers, classes, systems=2))
            wide = [tied(pairs), ranked_alike(pairs), *ten(less, speakers, classes)]
            wide += [
                tied(corpora(4, less, speakers, classes, systems=2, replicates=r, luck=LUCK))
                for r in (1, 5)
            ]
            numbers = [
                f"{100 * v:.1f}" if claim else f"({100 * v:.1f})" for v in (accuracy, f1)
            ] + [f"{100 * boot:.1f}"]
            numbers += [f"{100 * v:.1f}" if claim else "no claim" for v in wide]
            print("|", " | ".join([str(classes), str(speakers), *numbers]), "|", flush=True)
    print(
        f"\n{MORE * draws} corpora a cell for coverage, {draws} for ties, {draws // 4} for"
        " bootstrap, ten and luck;",
        end=" ",
    )
    print(f"{time.perf_counter() - started:.0f} s")


def _recall(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
