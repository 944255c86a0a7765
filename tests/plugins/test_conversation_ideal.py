"""The ideal observers of conversation-demo: exact (against sums over everything), and ordered as
each design promises.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise, permutations, product

import numpy as np
import pytest

from nverbench_datasets.conversation_design import (
    ATMOSPHERE,
    BOTH,
    DESIGNS,
    LABELS,
    ORDER,
    PLAIN,
    Design,
    dialogues,
    marginals,
    transition,
)
from nverbench_datasets.conversation_ideal import Ideal, bag, expected, judge, likelihoods, order

K = len(LABELS)
every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)


@cache
def over_many(design: Design) -> Ideal:
    return expected(design, conversations=600, seed=5)


def evidence(u: int) -> np.ndarray:
    return np.random.default_rng(u).dirichlet(np.ones(K), size=u)


@cache
def probability(design: Design, labels: tuple[int, ...]) -> float:
    """Of the labels of a conversation in this order."""
    total = 0.0
    for dominant in range(K):
        p, chain = marginals(design, dominant)[labels[0]], transition(design, dominant)
        for before, after in pairwise(labels):
            p *= chain[before, after]
        total += p / K
    return total


def by_sum(design: Design, seen: np.ndarray, orders: list[tuple[int, ...]]) -> np.ndarray:
    """(u, k) P(label | evidence), summed over all labels and over the orders in which the turns may
    have come.
    """
    posterior = np.zeros_like(seen)
    for labels in product(range(K), repeat=len(seen)):
        prior = sum(probability(design, tuple(labels[i] for i in way)) for way in orders)
        weight = prior * np.prod(seen[np.arange(len(seen)), labels])
        posterior[np.arange(len(seen)), labels] += weight
    return posterior / posterior.sum(1, keepdims=True)


@every_design
def test_the_observer_of_order_is_the_sum_over_all_labels(design: Design):
    seen = evidence(4)
    np.testing.assert_allclose(
        order(design, seen), by_sum(design, seen, [(0, 1, 2, 3)]), atol=1e-12
    )


@every_design
def test_the_observer_of_the_bag_is_the_sum_over_all_labels_and_all_orders(design: Design):
    seen = evidence(4)
    np.testing.assert_allclose(
        bag(design, seen), by_sum(design, seen, list(permutations(range(4)))), atol=1e-12
    )


@every_design
def test_turns_in_another_order_are_the_same_bag(design: Design):
    seen, way = evidence(9), np.random.default_rng(0).permutation(9)
    np.testing.assert_allclose(bag(design, seen[way]), bag(design, seen)[way], atol=1e-12)


@pytest.mark.parametrize("design", [BOTH, ORDER], ids=lambda d: d.name)
def test_turns_in_another_order_are_something_else_where_order_says_something(design: Design):
    seen = evidence(9)
    assert np.abs(order(design, seen[::-1])[::-1] - order(design, seen)).max() > 0.05


def test_without_atmosphere_and_order_nobody_knows_more_than_the_turn_says():
    seen = evidence(9)
    np.testing.assert_allclose(order(PLAIN, seen), seen, atol=1e-12)
    np.testing.assert_allclose(bag(PLAIN, seen), seen, atol=1e-12)


def test_with_atmosphere_alone_the_order_adds_nothing_to_the_bag():
    seen = evidence(9)
    np.testing.assert_allclose(order(ATMOSPHERE, seen), bag(ATMOSPHERE, seen), atol=1e-12)


def test_a_conversation_of_one_turn_has_no_context():
    seen = evidence(1)
    for design in DESIGNS:
        np.testing.assert_allclose(order(design, seen), seen, atol=1e-12)
        np.testing.assert_allclose(bag(design, seen), seen, atol=1e-12)


def test_the_evidence_of_a_turn_favours_what_it_sounds_like_most():
    dialogue = next(dialogues(BOTH))
    assert likelihoods(dialogue).argmax(1).tolist() == [
        int(np.argmax(turn.evidence)) for turn in dialogue.turns
    ]
    np.testing.assert_allclose(likelihoods(dialogue).sum(1), 1)


@every_design
def test_one_turn_alone_is_right_in_about_60_per_cent(design: Design):
    assert over_many(design).single == pytest.approx(0.60, abs=0.02)


GAINS = {BOTH: (5.0, 3.6), ATMOSPHERE: (10.4, 0.0), ORDER: (0.25, 13.8), PLAIN: (0.0, 0.0)}
"""Points of the bag over the single turn, and of the order over the bag, as
``conversation_demo.py`` documents them.
"""


@every_design
def test_the_observers_gain_what_is_documented(design: Design):
    ideal = over_many(design)
    gains = (100 * (ideal.bag - ideal.single), 100 * (ideal.order - ideal.bag))
    assert gains == pytest.approx(GAINS[design], abs=1.5)


@every_design
def test_on_the_corpus_itself_the_observers_are_ordered_as_the_design_says(design: Design):
    ideal = judge(design, dialogues(design))
    assert ideal.scored == 2984
    for gained, expected_gain in zip(
        (ideal.bag - ideal.single, ideal.order - ideal.bag), GAINS[design], strict=True
    ):
        assert gained > 0.03 if expected_gain > 1 else abs(gained) < 0.005


def test_the_same_seed_gives_the_same_accuracies():
    assert expected(BOTH, conversations=40, seed=3) == expected(BOTH, conversations=40, seed=3)
    assert expected(BOTH, conversations=40, seed=3) != expected(BOTH, conversations=40, seed=4)
