"""What an ideal observer of the procedural dialogues could gain: from one turn, from the bag of
turns, and from their order.

All three know the generator and get the same evidence per turn; they differ in what they look at.
No model can be right more often than the one that looks at what the model does, so these are the
ceilings that a study of context is held against. Exact inference; the average over conversations is
a seeded Monte Carlo (or the corpus itself). Axes: ``k`` labels, ``u`` turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING

from nverbench_datasets.conversation_design import (
    EVIDENCE,
    LABELS,
    Design,
    Dialogue,
    marginals,
    transition,
    turns,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ideal:
    """Accuracies of the three observers, as fractions of the scored turns."""

    single: float
    """Sees the turn alone."""
    bag: float
    """Sees all turns of the conversation, but not which came when."""
    order: float
    """Sees all turns in their order."""
    scored: int
    """Turns that were judged."""


def expected(design: Design, *, conversations: int = 1000, seed: int = 0) -> Ideal:
    """The three accuracies over freshly drawn conversations of the design."""
    import numpy as np

    def fresh() -> Iterable[Dialogue]:
        for number in range(conversations):
            dominant = number % len(LABELS)
            rng = np.random.Generator(np.random.PCG64([seed, number]))
            yield Dialogue(0, number, dominant, tuple(turns(design, dominant, rng)))

    return judge(design, fresh())


def judge(design: Design, dialogues: Iterable[Dialogue]) -> Ideal:
    """The three accuracies over the scored turns of given conversations (``dialogues(design)``: of
    the corpus).
    """
    import numpy as np

    right, scored = np.zeros(3), 0
    for dialogue in dialogues:
        seen = likelihoods(dialogue)
        label = np.array([turn.label for turn in dialogue.turns])
        counts = np.array([turn.scored for turn in dialogue.turns])
        right += [
            np.sum((observer.argmax(1) == label)[counts])
            for observer in (seen, bag(design, seen), order(design, seen))
        ]
        scored += int(counts.sum())
    return Ideal(*(right / scored).tolist(), scored)


def likelihoods(dialogue: Dialogue) -> Array:
    """(u, k) p(evidence of the turn | label), up to a factor per turn: exp(EVIDENCE x_k) of unit
    normals whose means are EVIDENCE apart.
    """
    import numpy as np

    evidence = EVIDENCE * np.array([turn.evidence for turn in dialogue.turns])
    weights: Array = np.exp(evidence - evidence.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def order(design: Design, seen: Array) -> Array:
    """(u, k) P(label | all turns in their order): forward-backward over the chain (Rabiner 1989),
    over every possible dominant label.
    """
    import numpy as np

    total = np.zeros_like(seen)
    for dominant in range(len(LABELS)):
        chain = transition(design, dominant)
        forward, backward = np.empty_like(seen), np.ones_like(seen)
        forward[0] = marginals(design, dominant) * seen[0]
        for t in range(1, len(seen)):
            forward[t] = forward[t - 1] @ chain * seen[t]
            backward[-t - 1] = chain @ (backward[-t] * seen[-t])
        total += forward * backward
    return total / total.sum(1, keepdims=True)


def bag(design: Design, seen: Array) -> Array:
    """(u, k) P(label of a turn | its evidence, and that of all turns in any order).

    Every order of the turns is as likely, so labels with counts c weigh w(c) = P(the chain has
    counts c) / (u! / prod c!) wherever they stand, and P(label of t is j | bag) ~ seen_t(j) sum
    over labels of the others of prod seen_s(label of s) w(their counts and one j). Both halves of
    that sum are kept as arrays over counts: of the turns before t, a polynomial's coefficients; of
    those after it, w summed over their labels. Counts are those of the first k - 1 labels: the last
    one has the rest.
    """
    import numpy as np

    u, k = seen.shape
    before = [_nothing(u)]
    for t in range(u - 1):
        before.append(
            sum((seen[t, j] * _up(before[t], j) for j in range(k)), np.zeros_like(before[0]))
        )
    after, posterior = _weights(design, u), np.empty_like(seen)
    for t in range(u - 1, -1, -1):
        with_label = [seen[t, j] * _down(after, j) for j in range(k)]
        posterior[t] = [np.vdot(before[t], weight) for weight in with_label]
        after = sum(with_label, np.zeros_like(after))
    return posterior / posterior.sum(1, keepdims=True)


def _nothing(u: int) -> Array:
    """Over counts (u + 1, ...), k - 1 axes: certainly none."""
    import numpy as np

    counts = np.zeros((u + 1,) * (len(LABELS) - 1))
    counts[(0,) * counts.ndim] = 1
    return counts


def _up(counts: Array, label: int) -> Array:
    """f(c - one of the label): the array after one more turn of it."""
    import numpy as np

    return (
        counts if label == counts.ndim else np.roll(counts, 1, axis=label)
    )  # what comes round is 0: no count is above u


def _down(counts: Array, label: int) -> Array:
    """f(c + one of the label)."""
    import numpy as np

    if label == counts.ndim:
        return counts
    moved = np.roll(counts, -1, axis=label)
    moved[(slice(None),) * label + (-1,)] = 0
    return moved


@lru_cache(maxsize=256)
def _weights(design: Design, u: int) -> Array:
    """w over counts (u + 1, ...), averaged over the dominant labels; not to be written to."""
    import numpy as np

    k = len(LABELS)
    total = np.zeros_like(_nothing(u))
    for dominant in range(k):
        chain = transition(design, dominant)
        reached = [
            p * _up(_nothing(u), j) for j, p in enumerate(marginals(design, dominant))
        ]  # by the label of the last turn
        for _ in range(u - 1):
            reached = [
                _up(sum((chain[i, j] * reached[i] for i in range(k)), np.zeros_like(total)), j)
                for j in range(k)
            ]
        total += sum(reached) / k
    for counts in product(range(u + 1), repeat=k - 1):
        rest = u - sum(counts)
        total[counts] *= (
            prod(factorial(c) for c in (*counts, rest)) / factorial(u) if rest >= 0 else 0
        )
    return total
