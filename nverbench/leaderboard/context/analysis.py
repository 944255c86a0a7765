"""The effect of context in each conversation: which dominant emotions gain, and whether predictions
are pulled towards them.

Two models are compared on the same turns: one sees the whole conversation, the other single
utterances. The analysis follows the speech-only Mamba for conversations (its Table 4 and Figure 3).
What the paper leaves open is decided here: an emotion dominates a conversation when more than half
of its scored turns carry it; a gain is relative, (contextual - single) / single accuracy;
replicates are averaged, without a vote. Unscored turns are not counted.
Axes: ``n`` turns, ``r`` replicates, ``k`` classes, ``c`` conversations, ``u`` units.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from nverbench.leaderboard.context.records import Atmosphere as Atmosphere
from nverbench.leaderboard.context.records import (
    Conversation,
    ConversationTurns,
    DominancePull,
    Gain,
    Null,
)
from nverbench.leaderboard.difference import difference
from nverbench.metrics.intervals import MIN_GROUPS, ROUNDING, Interval, Units, zero_rounding
from nverbench.plugin.types import UNSCORED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

DRAWS = 2000
"""Draws of the null distribution of permuted labels."""


def analyse(turns: ConversationTurns, *, draws: int = DRAWS, seed: int = 0) -> Atmosphere:
    """The gains and pulls of the contextual model over the single-utterance model.

    Raises:
        ValueError: axes that do not fit each other, a class that is none, a turn given twice, or no
            scored turn.
    """
    _check(turns)
    scored = turns.target != UNSCORED
    right = [(p == turns.target).mean(0) for p in (turns.contextual, turns.single)]  # 2 x (n,)
    rows: dict[str, list[int]] = defaultdict(list)
    for row in sorted(
        range(len(turns.places)), key=lambda row: (turns.conversations[row], turns.places[row])
    ):
        rows[turns.conversations[row]].append(row)
    kept = {name: np.array(some) for name, some in rows.items() if scored[some].any()}
    conversations = tuple(_conversation(name, some, turns, right) for name, some in kept.items())
    dominated = [
        (some[scored[some]], c)
        for some, c in zip(kept.values(), conversations, strict=True)
        if c.dominant is not None
    ]
    gaining = sum(c.emotions[str(c.dominant)].gains for _, c in dominated)
    gains = [
        (zero_rounding(right[0] - right[1])[some], c.counts[str(c.dominant)])
        for some, c in dominated
    ]
    # Sorted: sums depend on their order in the last bit.
    every = np.concatenate([some[scored[some]] for some in kept.values()])
    return Atmosphere(
        turns.labels,
        conversations,
        _gain(every, right),
        _by_label(every, turns, right),
        gaining,
        _null(gains, gaining, draws, seed) if dominated else None,
        _pull(turns, dominated),
        (len(turns.contextual), len(turns.single)),
    )


def _conversation(
    name: str, rows: NDArray[np.int64], turns: ConversationTurns, right: list[Numbers]
) -> Conversation:
    some = rows[turns.target[rows] != UNSCORED]
    emotions = _by_label(some, turns, right)
    counts = {label: gain.turns for label, gain in emotions.items()}
    dominant = next((label for label, count in counts.items() if 2 * count > len(some)), None)
    return Conversation(
        name, turns.groups[rows[0]], len(rows), counts, dominant, _gain(some, right), emotions
    )


def _by_label(
    rows: NDArray[np.int64], turns: ConversationTurns, right: list[Numbers]
) -> dict[str, Gain]:
    """Gains by label, labels that occur in their order."""
    found = {label: rows[turns.target[rows] == k] for k, label in enumerate(turns.labels)}
    return {label: _gain(some, right) for label, some in found.items() if len(some)}


def _gain(rows: NDArray[np.int64], right: list[Numbers]) -> Gain:
    return Gain(len(rows), *(float(of[rows].mean()) for of in right))


def _null(gains: list[tuple[Numbers, int]], gaining: int, draws: int, seed: int) -> Null:
    """The null distribution, from the gains of the scored turns of each dominated conversation and
    the number of its turns with the dominant label.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros(draws)
    for gain, dominant in gains:
        drawn = rng.permuted(np.tile(gain, (draws, 1)), axis=1)  # (draws, turns)
        counts += drawn[:, :dominant].mean(1) > ROUNDING
    low, high = np.quantile(counts, [0.025, 0.975])
    p = (1 + (counts >= gaining).sum()) / (1 + draws)
    return Null(float(counts.mean()), float(low), float(high), float(p), draws, seed)


def _pull(
    turns: ConversationTurns, dominated: list[tuple[NDArray[np.int64], Conversation]]
) -> DominancePull | None:
    """The shares of turns with another label that are predicted to have the dominant label, with a
    delete-one-unit jackknife of their difference.
    """
    by_group = None not in turns.groups and len(set(turns.groups)) >= MIN_GROUPS
    # unit -> (turns, predictions of the label by the contextual and by the single model)
    sums: dict[str, Numbers] = defaultdict(lambda: np.zeros(3))
    for rows, c in dominated:
        label = turns.labels.index(str(c.dominant))
        others = rows[turns.target[rows] != label]
        pulled = [(p[:, others] == label).mean(0).sum() for p in (turns.contextual, turns.single)]
        if len(others):
            sums[str(c.group) if by_group else c.name] += np.array([len(others), *pulled])
    if not sums:
        return None
    stack = np.array([sums[unit] for unit in sorted(sums)])  # (u, 3)
    total = stack.sum(0)
    value = float(zero_rounding(np.asarray(total[1] - total[2])) / total[0])
    without = total - stack  # (u, 3)
    interval = Interval(value, None, None, None)
    if len(stack) > 1:  # rounding is removed from the counts, before the division
        pulls = zero_rounding(without[:, 1] - without[:, 2]) / without[:, 0]
        interval = difference(value, pulls, units=Units.of(stack[:, 0]))
    return DominancePull(
        int(total[0]),
        float(total[1] / total[0]),
        float(total[2] / total[0]),
        interval,
        "group" if by_group else "conversation",
        len(stack),
    )


def _check(turns: ConversationTurns) -> None:
    n, k = len(turns.conversations), len(turns.labels)
    shapes = {
        "places": len(turns.places),
        "groups": len(turns.groups),
        "target": len(turns.target),
        "contextual": turns.contextual.shape[-1],
        "single": turns.single.shape[-1],
    }
    wrong = [f"{name} {size}" for name, size in shapes.items() if size != n]
    predictions = (turns.contextual, turns.single)
    if wrong or any(p.ndim != 2 or not len(p) for p in predictions):
        raise ValueError(
            f"expected {n} turns everywhere and predictions (r, {n}) of one replicate or more, got"
            f" {', '.join(wrong) or 'other axes'}"
        )
    if len(set(zip(turns.conversations, turns.places, strict=True))) != n:
        raise ValueError("a turn is given twice: the same conversation and place")
    scored = turns.target[turns.target != UNSCORED]
    known = np.concatenate([scored, *(p.ravel() for p in predictions)])
    if not np.isin(known, np.arange(k)).all():
        raise ValueError(f"a target or prediction is none of the {k} classes")
    if not len(scored):
        raise ValueError("expected at least one scored turn, got none")
