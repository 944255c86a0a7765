"""What context does conversation by conversation: who gains where one emotion dominates, and are
predictions pulled towards it.

Two models are held against each other on the same turns: one that hears the conversation and one
that hears single utterances. After the analysis of the speech-only Mamba for conversations (its
Table 4 and Figure 3), with what the paper leaves open decided here: an emotion dominates a
conversation when more than half of its scored turns carry it; a gain is relative, (contextual -
single) / single accuracy; replicates are averaged, never put to a vote. Turns that are not scored
count nowhere. Axes: ``n`` turns, ``r`` replicates, ``k`` classes, ``c`` conversations, ``u`` units.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nverbench.metrics.jackknife import (
    MIN_GROUPS,
    ROUNDING,
    Interval,
    quantile,
    standard_error,
    zero_rounding,
)
from nverbench.plugin.types import UNSCORED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

DRAWS = 2000
"""Of the label-permutation null."""


@dataclass(frozen=True)
class ConversationTurns:
    """Every turn of the conversations, in any order, and what the two models said of it."""

    conversations: tuple[str, ...]
    """(n,)"""
    places: tuple[int, ...]
    """(n,) of the turn in its conversation."""
    groups: tuple[str | None, ...]
    """(n,) what folds kept together (session); all None: there is none."""
    target: NDArray[np.int64]
    """(n,) class, or ``UNSCORED``."""
    contextual: NDArray[np.int64]
    """(r, n) class said by the model that hears the conversation."""
    single: NDArray[np.int64]
    """(r, n) class said by the single-utterance model; its r may be another one."""
    labels: tuple[str, ...]
    """(k,)"""


@dataclass(frozen=True)
class Gain:
    """Accuracy of both models on some turns."""

    turns: int
    contextual: float
    single: float

    @property
    def relative(self) -> float | None:
        """(contextual - single) / single; None where the single-utterance model was never right."""
        return (self.contextual - self.single) / self.single if self.single > 0 else None

    @property
    def gains(self) -> bool:
        """The contextual model is right more often."""
        return self.contextual - self.single > ROUNDING


@dataclass(frozen=True)
class Conversation:
    """One conversation."""

    name: str
    group: str | None
    turns: int
    """Heard."""
    counts: dict[str, int]
    """Label -> scored turns, labels that occur."""
    dominant: str | None
    """The label of over half of its scored turns."""
    accuracy: Gain
    emotions: dict[str, Gain]
    """The same by label, those that occur."""

    @property
    def scored(self) -> int:
        """Scored turns."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Null:
    """How many dominant emotions would gain if being dominant meant nothing: labels permuted among
    the scored turns of each conversation.

    A turn keeps what it gained; which turns carry the dominant label is drawn anew. So
    conversations that gain as a whole gain here too, and what is above this is more than the
    conversation's own gain.
    """

    mean: float
    """Conversations, on average over the draws."""
    low: float
    high: float
    """The middle 95% of the draws."""
    p: float
    """How often a draw has at least as many as were found, (1 + as many) / (1 + draws)."""
    draws: int
    seed: int


@dataclass(frozen=True)
class DominancePull:
    """How often the dominant label is said of turns that have another one, in conversations that
    have a dominant one; as fractions.
    """

    turns: int
    contextual: float
    single: float
    difference: Interval
    unit: str
    """What the interval is taken over: group, or conversation where there are fewer than five
    groups (turns of one speaker in many conversations: the interval is then too narrow).
    """
    units: int


@dataclass(frozen=True)
class Atmosphere:
    """The analysis."""

    labels: tuple[str, ...]
    conversations: tuple[Conversation, ...]
    """Sorted by name, those with a scored turn."""
    accuracy: Gain
    """Over all conversations; so is the next."""
    emotions: dict[str, Gain]
    gaining: int
    """Conversations whose dominant emotion gains."""
    null: Null | None
    """None where no conversation has a dominant emotion; so is the next."""
    pull: DominancePull | None
    replicates: tuple[int, int]
    """Of the contextual and of the single-utterance model."""

    @property
    def dominated(self) -> int:
        """Conversations with a dominant emotion."""
        return sum(c.dominant is not None for c in self.conversations)


def analyse(turns: ConversationTurns, *, draws: int = DRAWS, seed: int = 0) -> Atmosphere:
    """The gains and pulls of the contextual model over the single-utterance model.

    Raises:
        ValueError: axes that do not fit each other, a class that is none, a turn given twice, or no
            scored turn.
    """
    _check(turns)
    scored = turns.target != UNSCORED
    right = [
        (said == turns.target).mean(0) for said in (turns.contextual, turns.single)
    ]  # 2 x (n,)
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
    every = np.concatenate(
        [some[scored[some]] for some in kept.values()]
    )  # sorted: sums depend on their order in the last bit
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
    """From what each scored turn of a dominated conversation gained, and how many of them carry the
    dominant label.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros(draws)
    for gain, dominant in gains:
        drawn = rng.permuted(np.tile(gain, (draws, 1)), axis=1)[
            :, :dominant
        ]  # (draws, turns of the dominant label)
        counts += drawn.mean(1) > ROUNDING
    low, high = np.quantile(counts, [0.025, 0.975])
    return Null(
        float(counts.mean()),
        float(low),
        float(high),
        float((1 + (counts >= gaining).sum()) / (1 + draws)),
        draws,
        seed,
    )


def _pull(
    turns: ConversationTurns, dominated: list[tuple[NDArray[np.int64], Conversation]]
) -> DominancePull | None:
    """Shares of the dominant label among what is said of turns with another label, with a
    delete-one-unit jackknife of their difference.
    """
    by_group = (
        len({group for group in turns.groups if group is not None}) >= MIN_GROUPS
        and None not in turns.groups
    )
    sums: dict[str, Numbers] = defaultdict(
        lambda: np.zeros(3)
    )  # unit -> (turns, said by the contextual model, said by the single one)
    for rows, c in dominated:
        label = turns.labels.index(str(c.dominant))
        others = rows[turns.target[rows] != label]
        said = [
            (model[:, others] == label).mean(0).sum() for model in (turns.contextual, turns.single)
        ]
        if len(others):
            sums[str(c.group) if by_group else c.name] += np.array([len(others), *said])
    if not sums:
        return None
    stack = np.array([sums[unit] for unit in sorted(sums)])  # (u, 3)
    total = stack.sum(0)
    value = float(zero_rounding(np.asarray(total[1] - total[2])) / total[0])
    interval = Interval(value, None, None, None)
    if len(stack) > 1:
        without = total - stack  # (u, 3)
        se = float(standard_error(zero_rounding(without[:, 1] - without[:, 2]) / without[:, 0]))
        half = quantile(0.95, len(stack)) * se
        claim = len(stack) >= MIN_GROUPS
        interval = Interval(
            value, value - half if claim else None, value + half if claim else None, se
        )
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
    if (
        wrong
        or turns.contextual.ndim != 2
        or turns.single.ndim != 2
        or not len(turns.contextual)
        or not len(turns.single)
    ):
        raise ValueError(
            f"expected {n} turns everywhere and predictions (r, {n}) of one replicate or more, got"
            f" {', '.join(wrong) or 'other axes'}"
        )
    if len(set(zip(turns.conversations, turns.places, strict=True))) != n:
        raise ValueError("a turn is given twice: the same conversation and place")
    known = np.concatenate(
        [turns.target[turns.target != UNSCORED], turns.contextual.ravel(), turns.single.ravel()]
    )
    if not np.isin(known, np.arange(k)).all():
        raise ValueError(f"a target or prediction is none of the {k} classes")
    if not (turns.target != UNSCORED).any():
        raise ValueError("expected at least one scored turn, got none")
