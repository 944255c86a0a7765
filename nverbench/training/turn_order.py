"""The order of turns in training conversations, for experiments that shuffle it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Turns = tuple[int, ...]
"""The turns of a conversation, in order."""


def shuffled(
    conversations: Sequence[Turns], speakers: Sequence[str], how: str, seed: int
) -> list[Turns]:
    """The conversations with their turns shuffled; every turn is used once and every conversation
    keeps its number of turns.

    Args:
        speakers: of every turn.
        how: none; intra: within each conversation; inter: over all conversations; inter-speaker:
            over all conversations, but each position keeps its speaker.
    """
    rng = np.random.default_rng(seed)
    if how == "none":
        return list(conversations)
    if how == "intra":
        return [tuple(rng.permutation(turns).tolist()) for turns in conversations]
    turns = [turn for conversation in conversations for turn in conversation]
    drawn = np.array(turns)
    people = np.array([speakers[turn] if how == "inter-speaker" else "" for turn in turns])
    for person in np.unique(people):
        own = np.flatnonzero(people == person)
        drawn[own] = rng.permutation(drawn[own])
    ends = np.cumsum([len(conversation) for conversation in conversations])[:-1]
    return [tuple(part.tolist()) for part in np.split(drawn, ends)]
