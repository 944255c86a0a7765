"""Chance: the formulas, and a simulation that guesses."""

from __future__ import annotations

import numpy as np
import pytest

from nverbench.metrics import scores
from nverbench.metrics.chance import chance

COUNTS = [
    {"a": 50, "b": 50},
    {"a": 700, "b": 200, "c": 100},
    {"a": 5, "b": 1, "c": 3, "d": 40, "e": 11},
]


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_uniform_guessing_scores_what_its_formula_says(counts: dict[str, int]):
    k, n, found = len(counts), sum(counts.values()), chance(counts)["uniform"]
    p = np.array(list(counts.values())) / n
    assert (found["accuracy"], found["uar"]) == (pytest.approx(1 / k), pytest.approx(1 / k))
    assert found["macro_f1"] == pytest.approx(np.mean(2 * p / k / (p + 1 / k)))


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_the_majority_class_scores_what_its_formula_says(counts: dict[str, int]):
    k, p, found = (
        len(counts),
        max(counts.values()) / sum(counts.values()),
        chance(counts)["majority"],
    )
    assert (found["accuracy"], found["uar"]) == (pytest.approx(p), pytest.approx(1 / k))
    assert found["macro_f1"] == pytest.approx(2 * p / (1 + p) / k)


@pytest.mark.parametrize("counts", COUNTS[:2], ids=str)
def test_a_guesser_scores_chance_on_the_average(counts: dict[str, int]):
    rng, k = np.random.default_rng(0), len(counts)
    target = np.repeat(np.arange(k), [20 * n for n in counts.values()])
    guesses = [
        scores.scores(scores.confusion(target, rng.integers(0, k, len(target)), k))
        for _ in range(200)
    ]
    means = {name: float(np.mean([g[name] for g in guesses])) for name in scores.NAMES}
    assert means == pytest.approx(chance(counts)["uniform"], abs=1e-3)


def test_equal_classes_make_all_four_metrics_of_a_guesser_equal():
    assert list(chance({"a": 9, "b": 9, "c": 9})["uniform"].values()) == pytest.approx([1 / 3] * 4)


def test_naming_always_the_majority_is_exactly_what_its_confusion_scores():
    counts = np.zeros((3, 3))
    counts[:, 0] = [7, 2, 1]
    assert chance({"a": 7, "b": 2, "c": 1})["majority"] == {
        name: float(v) for name, v in scores.scores(counts).items()
    }


def test_a_class_without_clips_counts_as_in_every_pooled_score():
    found = chance({"a": 8, "b": 8, "c": 0})
    assert found["majority"]["uar"] == pytest.approx(1 / 3)
    assert found["uniform"]["uar"] == pytest.approx(2 / 9)
