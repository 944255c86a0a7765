"""The records of the analysis of context: its input (turns) and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nverbench.metrics.jackknife import ROUNDING, Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ConversationTurns:
    """Every turn of the conversations, in any order, with the predictions of two models."""

    conversations: tuple[str, ...]
    """(n,)"""
    places: tuple[int, ...]
    """(n,) position of the turn in its conversation."""
    groups: tuple[str | None, ...]
    """(n,) the group that folds keep together (session); all None: there is none."""
    target: NDArray[np.int64]
    """(n,) class, or ``UNSCORED``."""
    contextual: NDArray[np.int64]
    """(r, n) class predicted by the model that sees the conversation."""
    single: NDArray[np.int64]
    """(r, n) class predicted by the single-utterance model; its r may differ."""
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
        """Whether the contextual model is right more often."""
        return self.contextual - self.single > ROUNDING


@dataclass(frozen=True)
class Conversation:
    """The labels and gains of one conversation."""

    name: str
    group: str | None
    turns: int
    """All turns, scored or not."""
    counts: dict[str, int]
    """Label -> scored turns, labels that occur."""
    dominant: str | None
    """The label of over half of its scored turns."""
    accuracy: Gain
    emotions: dict[str, Gain]
    """The same by label, those that occur."""

    @property
    def scored(self) -> int:
        """Number of scored turns."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Null:
    """The null distribution of the number of dominant emotions that gain: labels are permuted
    among the scored turns of each conversation.

    A turn keeps its gain; which turns carry the dominant label is drawn anew. Conversations that
    gain as a whole gain here too, so that a larger number is more than the conversation's own gain.
    """

    mean: float
    """Conversations, on average over the draws."""
    low: float
    high: float
    """The middle 95% of the draws."""
    p: float
    """(1 + draws with at least as many gains as were found) / (1 + draws)."""
    draws: int
    seed: int


@dataclass(frozen=True)
class DominancePull:
    """The shares of turns with another label that are predicted to have the dominant label of their
    conversation.
    """

    turns: int
    contextual: float
    single: float
    difference: Interval
    unit: str
    """The unit of the interval: group, or conversation where there are fewer than five groups (the
    interval is then too narrow if speakers occur in many conversations).
    """
    units: int


@dataclass(frozen=True)
class Atmosphere:
    """The outcome of the analysis."""

    labels: tuple[str, ...]
    conversations: tuple[Conversation, ...]
    """Sorted by name, those with a scored turn."""
    accuracy: Gain
    """Over all conversations, as ``emotions``."""
    emotions: dict[str, Gain]
    gaining: int
    """Conversations whose dominant emotion gains."""
    null: Null | None
    """None where no conversation has a dominant emotion, as ``pull``."""
    pull: DominancePull | None
    replicates: tuple[int, int]
    """Number of the contextual and of the single-utterance model."""

    @property
    def dominated(self) -> int:
        """Conversations with a dominant emotion."""
        return sum(c.dominant is not None for c in self.conversations)
