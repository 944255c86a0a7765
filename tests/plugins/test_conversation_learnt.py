"""The smallest of learners finds in conversation-demo what the ideal observers promise: context
helps, and shuffling costs, where it should.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from nverbench_datasets.conversation_design import (
    ATMOSPHERE,
    BOTH,
    EVIDENCE,
    LABELS,
    ORDER,
    PLAIN,
    SESSIONS,
    Design,
    dialogues,
)

pytestmark = pytest.mark.slow

K = len(LABELS)


def seen(evidence: np.ndarray, what: str) -> np.ndarray:
    """(u, d) what the learner sees of each turn: its evidence, and the labels that the turns beside
    it, or all of them, sound like.
    """
    like = np.exp(EVIDENCE * evidence)
    like /= like.sum(1, keepdims=True)
    if what == "bag":
        return np.hstack([evidence, np.tile(like.sum(0), (len(like), 1))])
    if what == "neighbours":
        none = np.zeros((1, K))
        return np.hstack([evidence, np.vstack([none, like[:-1]]), np.vstack([like[1:], none])])
    return evidence


@cache
def accuracy(design: Design, what: str, *, shuffled: bool = False) -> float:
    """Of a linear classifier, each session tested after training on the others; ``shuffled``: the
    turns of each training conversation.
    """
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    right, scored = 0, 0
    for session in range(1, SESSIONS + 1):
        parts: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = {True: [], False: []}
        for dialogue in dialogues(design):
            test = dialogue.session == session
            order = (
                rng.permutation(len(dialogue.turns))
                if shuffled and not test
                else np.arange(len(dialogue.turns))
            )
            turns = [dialogue.turns[i] for i in order]
            counts = np.array([turn.scored for turn in turns])
            rows = seen(np.array([turn.evidence for turn in turns]), what)[counts]
            parts[test].append((rows, np.array([turn.label for turn in turns])[counts]))
        (train, train_labels), (held, labels) = (
            [np.concatenate(of) for of in zip(*parts[test], strict=True)] for test in (False, True)
        )
        model = linear_model.LogisticRegression(max_iter=500).fit(train, train_labels)
        right, scored = right + int((model.predict(held) == labels).sum()), scored + len(labels)
    return right / scored


@pytest.mark.parametrize(
    ("design", "gain"),
    [(BOTH, 0.05), (ATMOSPHERE, 0.09), (ORDER, 0.0), (PLAIN, 0.0)],
    ids=lambda x: getattr(x, "name", x),
)
def test_the_bag_of_turns_helps_where_there_is_an_atmosphere_and_nowhere_else(
    design: Design, gain: float
):
    assert accuracy(design, "bag") - accuracy(design, "single") == pytest.approx(gain, abs=0.03)


@pytest.mark.parametrize(
    ("design", "cost"),
    [(BOTH, 0.02), (ATMOSPHERE, 0.0), (ORDER, 0.08), (PLAIN, 0.0)],
    ids=lambda x: getattr(x, "name", x),
)
def test_shuffling_the_training_turns_costs_where_their_order_says_something_and_nowhere_else(
    design: Design, cost: float
):
    assert accuracy(design, "neighbours") - accuracy(
        design, "neighbours", shuffled=True
    ) == pytest.approx(cost, abs=0.03)


@pytest.mark.parametrize(
    ("design", "gain"), [(ORDER, 0.08), (PLAIN, 0.0)], ids=lambda x: getattr(x, "name", x)
)
def test_the_turns_beside_it_help_where_their_order_says_something(design: Design, gain: float):
    assert accuracy(design, "neighbours") - accuracy(design, "single") == pytest.approx(
        gain, abs=0.03
    )
