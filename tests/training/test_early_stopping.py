"""Early stopping, decided in one place for the training loop and for the verifier of
submissions.
"""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from nverbench.training.early_stopping import (
    CROSS_ENTROPY,
    WATCHED,
    WEIGHTED_F1,
    badness,
    best_epoch,
    out_of_patience,
)

VALUES = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=40)


def curves(values: list[float], select: str) -> list[dict[str, float]]:
    return [{WATCHED[select]: value} for value in values]


@given(VALUES)
def test_cross_entropy_takes_the_first_of_the_lowest_and_weighted_f1_the_first_of_the_highest(
    values: list[float],
) -> None:
    assert best_epoch(curves(values, CROSS_ENTROPY), CROSS_ENTROPY) == values.index(min(values)) + 1
    assert best_epoch(curves(values, WEIGHTED_F1), WEIGHTED_F1) == values.index(max(values)) + 1


@given(VALUES, st.sampled_from(sorted(WATCHED)))
def test_epoch_by_epoch_the_same_epoch_is_kept_as_at_the_end(
    values: list[float], select: str
) -> None:
    """The loop keeps the weights of an epoch when it is the best so far; the verifier sees whole
    curves.
    """
    kept = 0
    for epoch in range(1, len(values) + 1):
        kept = epoch if best_epoch(curves(values[:epoch], select), select) == epoch else kept
    assert kept == best_epoch(curves(values, select), select)


def test_no_epoch_is_best_where_no_value_is_a_number() -> None:
    assert best_epoch(curves([float("nan")] * 3, CROSS_ENTROPY), CROSS_ENTROPY) == 0


def test_a_curve_without_what_is_watched_is_named() -> None:
    with pytest.raises(KeyError, match="watched_weighted_f1"):
        badness({"watched_cross_entropy": 1.0}, WEIGHTED_F1)


def test_patience_counts_the_epochs_since_the_best_one() -> None:
    assert [out_of_patience(epoch, 3, 2) for epoch in (3, 4, 5, 6)] == [False, False, True, True]
