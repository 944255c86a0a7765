"""What is said in the procedural dialogues: labels whose order and atmosphere have a known
strength, and the evidence each turn gives of its label.

The label of a turn, given the one before it and the conversation's dominant label, is drawn from

    T(i -> j) = a [j = dominant] + (1 - a) (o S(i -> j) + (1 - o) / k),     S: stay at i, or go on
    to i + 1 (the last to the first), half each,

with a the strength of the atmosphere and o that of the order; the first turn is drawn from what the
chain settles at, so that every turn of a conversation has the same marginals. They are flat where a
= 0. Stay-or-go-on was chosen because the turns of a conversation as a bag then say next to nothing
about one of them: the eigenvalues z of S lie on the circle Re z = |z|^2, where the correlations at
all distances cancel.

Four designs differ in a and o only. All else (lengths, speakers, durations, which turns are not
scored, the noise of the evidence) comes from the same random numbers in the same order: turn 5 of a
conversation is the same turn in all four but for its label. Axes: ``k`` labels, ``u`` turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

SEED = 20250108
"""With it the observers of ``conversation_ideal.py`` gain on these 300 conversations what they gain
on 4,000, within a point, in all four designs.
"""
LABELS = ("calm", "cheerful", "gloomy", "tense")
SESSIONS = 5
CONVERSATIONS = 60
"""Per session; the four labels dominate fifteen of them each."""
FEWEST, MOST = 8, 14
"""Turns of a conversation, every number in between as likely."""
SHORTEST, LONGEST = 8, 16
"""Length of a turn in hundredths of a second: short, because training takes time by the frame, and
long enough to tell nearly all of the evidence.
"""
UNSCORED = 0.10
"""Share of turns that are context only and not scored, whatever their label."""
REPLY = 0.8
"""How often the other one of the two speakers has the next turn."""
EVIDENCE = 1.15
"""Distance of the mean evidence for the true label from that for the others, in standard
deviations: one turn alone is right in 60%.
"""


@dataclass(frozen=True)
class Design:
    """Where the generator puts information."""

    name: str
    atmosphere: float
    """a: share of turns that take the dominant label whatever came before."""
    order: float
    """o: how much of the rest depends on the label before."""


BOTH = Design("conversation-demo", atmosphere=0.35, order=1.0)
ATMOSPHERE = Design("conversation-demo-atmosphere", atmosphere=0.6, order=0.0)
ORDER = Design("conversation-demo-order", atmosphere=0.0, order=1.0)
PLAIN = Design("conversation-demo-plain", atmosphere=0.0, order=0.0)
DESIGNS = (BOTH, ATMOSPHERE, ORDER, PLAIN)


@dataclass(frozen=True)
class Turn:
    """One turn, before it sounds."""

    label: int
    """Index into ``LABELS``; known to the generator also where the corpus does not say it."""
    scored: bool
    speaker: str
    """f or m."""
    hundredths: int
    """Its length in hundredths of a second."""
    evidence: tuple[float, ...]
    """(k,) how much the turn sounds like each label: N(0, 1), and ``EVIDENCE`` more for its own."""


@dataclass(frozen=True)
class Dialogue:
    """One conversation."""

    session: int
    number: int
    dominant: int
    """Index into ``LABELS``; means something only where the design has an atmosphere."""
    turns: tuple[Turn, ...]


def transition(design: Design, dominant: int) -> Matrix:
    """(k, k) P(label of a turn | label before it), rows sum to 1."""
    import numpy as np

    k = len(LABELS)
    stay_or_go_on = (np.eye(k) + np.roll(np.eye(k), 1, axis=1)) / 2
    after = design.order * stay_or_go_on + (1 - design.order) / k
    return design.atmosphere * np.eye(k)[dominant] + (1 - design.atmosphere) * after


def marginals(design: Design, dominant: int) -> Matrix:
    """(k,) P(label) of every turn of a conversation: what the chain settles at, pi T = pi."""
    import numpy as np

    k = len(LABELS)
    equations = np.vstack([transition(design, dominant).T - np.eye(k), np.ones(k)])
    return np.linalg.lstsq(equations, np.append(np.zeros(k), 1.0), rcond=None)[0]


def dialogues(design: Design) -> Iterator[Dialogue]:
    """The 300 conversations of the corpus, in the order of sessions and numbers."""
    import numpy as np

    for session in range(1, SESSIONS + 1):
        for number in range(1, CONVERSATIONS + 1):
            rng = np.random.Generator(np.random.PCG64([SEED, session, number]))
            yield Dialogue(
                session,
                number,
                number % len(LABELS),
                tuple(turns(design, number % len(LABELS), rng)),
            )


def turns(design: Design, dominant: int, rng: Generator) -> Iterator[Turn]:
    """The turns of one conversation; how many random numbers are taken, and for what, does not
    depend on the design.
    """
    import numpy as np

    u, k = int(rng.integers(FEWEST, MOST + 1)), len(LABELS)
    choice, scored, replies = rng.random(u), rng.random(u) >= UNSCORED, rng.random(u) < REPLY
    hundredths, noise = rng.integers(SHORTEST, LONGEST + 1, u), rng.standard_normal((u, k))
    rows = transition(design, dominant).cumsum(1)
    cumulative, speaker = marginals(design, dominant).cumsum(), int(rng.integers(2))
    for t in range(u):
        label = min(
            int(np.searchsorted(cumulative, choice[t], side="right")), k - 1
        )  # rounding may leave the last sum below 1
        cumulative = rows[label]
        evidence = noise[t] + EVIDENCE * np.eye(k)[label]
        yield Turn(
            label, bool(scored[t]), "fm"[speaker], int(hundredths[t]), tuple(evidence.tolist())
        )
        speaker = 1 - speaker if replies[t] else speaker
