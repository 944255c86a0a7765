"""What ``nverbench.evaluate`` remarks on: copies of rows, features without information, classes
that no fold both trains and tests, trainings that are too short; and nothing on ordinary data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nverbench.pipeline.evaluation import evaluate
from support.evaluations import FEATURES, GROUPS, LABELS, ROWS


def copied(*pairs: tuple[int, int]) -> Any:
    changed = FEATURES.copy()
    for source, to in pairs:
        changed[to] = changed[source]
    return changed


def remarks(*given: Any, **options: Any) -> tuple[str, ...]:
    """The notes on rows and folds, without those on trainings."""
    return tuple(n for n in evaluate(*given, **options).notes if not n.endswith(TRAININGS))


TRAININGS = ("they may be undertrained", "for every clip scores more")


def test_ordinary_data_has_no_note() -> None:
    got = evaluate(FEATURES, LABELS, GROUPS, fusion="linear", protocol="nver-2")
    assert got.notes == ()
    assert "\n" not in str(got)


def test_trainings_that_the_last_epoch_cuts_off_are_a_note() -> None:
    got = evaluate(FEATURES, LABELS, GROUPS)
    assert got.notes == (
        "5 of 5 trainings ended at the last allowed epoch; they may be undertrained",
    )


def test_a_score_below_the_majority_class_is_a_note() -> None:
    noise = np.random.default_rng(0).standard_normal((100, 16))
    labels = ["a"] * 80 + ["b"] * 15 + ["c"] * 5
    assert any("is below the majority class, 80.0 %" in n for n in evaluate(noise, labels).notes)


def test_a_copy_in_another_fold_is_a_note_and_a_line() -> None:
    got = evaluate(copied((0, 24)), LABELS, GROUPS)  # two speakers, one label
    assert remarks(copied((0, 24)), LABELS, GROUPS) == (
        "2 rows of X are exact copies of each other, such as 00000000 and 00000024, in the training"
        " and the test part of a fold: the scores are too high if they are copies of one recording",
    )
    assert str(got).splitlines()[1:] == [f"note: {note}" for note in got.notes]


def test_a_copy_that_stays_with_its_speaker_is_no_note() -> None:
    assert remarks(copied((0, 3)), LABELS, GROUPS) == ()


def test_a_copy_under_another_label_is_a_note() -> None:
    assert remarks(copied((0, 1)), LABELS, GROUPS) == (
        "2 rows of X are exact copies of each other, such as 00000000 and 00000001, under different"
        " labels",
    )


def test_copies_are_found_over_all_matrices_together() -> None:
    other = np.random.default_rng(3).standard_normal((ROWS, 4))
    options = "concat:dense1=8,dense2=8,conv1=2,conv2=2,align_dim=4"
    assert remarks([copied((0, 24)), other], LABELS, GROUPS, fusion=options) == ()


def test_a_few_columns_of_counts_may_be_equal_by_chance() -> None:
    assert remarks(np.round(FEATURES), LABELS, GROUPS) == ()
    assert remarks(np.round(FEATURES[:, :1]), LABELS, GROUPS) == ()


def test_many_columns_of_counts_are_not() -> None:
    wide = np.round(10 * np.tile(copied((0, 24)), (1, 4)))
    assert "such as 00000000 and 00000024" in evaluate(wide, LABELS, GROUPS).notes[0]


def test_rows_that_are_all_equal_are_a_guess() -> None:
    assert remarks(np.ones((ROWS, 5)), LABELS, GROUPS) == (
        "all rows of X are equal: the scores are those of a guess",
    )


@pytest.mark.parametrize(
    ("rows", "groups", "note"),
    [
        ([5], GROUPS, "class disgust has 1 clip: it is never both trained and tested"),
        ([5], None, "class disgust has 1 clip: it is never both trained and tested"),
        (
            [0, 4, 9],
            GROUPS,
            "class disgust occurs in 1 group (s0): it is never both trained and tested",
        ),
    ],
    ids=["one clip", "one clip in random folds", "one group"],
)
def test_a_class_that_is_never_both_trained_and_tested_is_a_note(
    rows: list[int], groups: Any, note: str
) -> None:
    labels = ["disgust" if i in rows else x for i, x in enumerate(LABELS)]
    assert remarks(FEATURES, labels, groups) == (note,)


def test_a_class_of_one_group_can_be_learnt_in_random_folds() -> None:
    labels = ["disgust" if i < 12 else x for i, x in enumerate(LABELS)]
    assert remarks(FEATURES, labels, GROUPS, folds_kind="random") == ()
