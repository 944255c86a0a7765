"""Chance levels: the scores of uniform guessing and of the majority class, computed from the counts
of clips.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nverbench.metrics import scores

HOW = {"uniform": "uniform guessing", "majority": "majority class"}
"""The two chance levels, and their names in tables."""


def chance(per_class: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """The four metrics of both chance levels, as fractions: the scores of the expected confusion
    matrix n_c q_j (large-sample values).

    With p_c the share of class c and q_c the probability that it is guessed, a guess is independent
    of the clip, so recall of c is q_c and precision is p_c: accuracy sum_c p_c q_c, UAR (1/k) sum_c
    q_c, macro-F1 (1/k) sum_c 2 p_c q_c / (p_c + q_c). Uniform: q = 1/k, hence accuracy and UAR 1/k.
    Majority: q = 1 for the largest class, hence accuracy p = max p_c, UAR 1/k, macro-F1 2 p / (1 +
    p) / k. The mean F1 of small samples differs from this ratio of expected counts by order 1/n.

    Args:
        per_class: label -> number of clips; at least one clip in total.
    """
    clips = np.array(list(per_class.values()), dtype=np.float64)  # (k,)
    k = len(clips)
    guesses = {"uniform": np.full(k, 1 / k), "majority": np.eye(k)[clips.argmax()]}  # (k,) each
    expected = {how: scores.scores(np.outer(clips, q)) for how, q in guesses.items()}
    return {how: {name: float(v) for name, v in own.items()} for how, own in expected.items()}
