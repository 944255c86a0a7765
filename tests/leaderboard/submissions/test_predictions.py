"""Changes of predictions, labels, groups, folds and curves are found, with and without the corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.submissions import Desk, content, predictions_of, put, put_predictions, why


def swapped(a: Any, name: str) -> None:
    """Two clips of other labels, groups or folds exchange them."""
    column = getattr(a, name)
    second = next(i for i in range(1, len(column)) if column[i] != column[0])
    column[0], column[second] = column[second], column[0]


def flipped(a: Any) -> None:
    a.probabilities[0, 0] = np.roll(a.probabilities[0, 0], 1)


def nudged(a: Any) -> None:
    """Not enough to change a decision."""
    order = a.probabilities[0, 0].argsort()
    a.probabilities[0, 0, order[:2]] = a.probabilities[0, 0, order[:2]].sum() / 2


def renamed(a: Any) -> None:
    a.groups[:] = np.where(a.groups == "group 01", "Zoe", a.groups)


def relabelled(a: Any) -> None:
    a.target[0] = (a.target[0] + 1) % 3


CHANGES = {
    "labels of two": lambda a: swapped(a, "target"),
    "a label": relabelled,
    "folds of two": lambda a: swapped(a, "folds"),
    "groups of two": lambda a: swapped(a, "groups"),
    "a prediction": flipped,
    "a group's name": renamed,
    "fewer replicates": lambda a: setattr(a, "probabilities", a.probabilities[:2]),
    "no labels": lambda a: setattr(a, "target", a.target[:0]),
    "replicates in another order": lambda a: setattr(
        a, "probabilities", a.probabilities[::-1].copy()
    ),
    "a key": lambda a: a.ids.__setitem__(0, "0" * 32),
}


@pytest.mark.parametrize("digests", [False, True], ids=["alone", "with the digests of folds.json"])
@pytest.mark.parametrize("what", [*CHANGES, "a probability"])
def test_a_change_of_predictions_is_caught(desk: Desk, what: str, digests: bool) -> None:
    if what == "a probability" and digests:
        return  # nothing but a digest depends on it
    folder = desk.submit()
    arrays = predictions_of(folder)
    {**CHANGES, "a probability": nudged}[what](arrays)
    put_predictions(folder, arrays, digests=digests)
    assert why(desk, folder)
    desk.without_corpora()
    if not (digests and what == "a key"):  # without the corpus, any key is as good as another
        assert why(desk, folder)


def test_labels_of_a_dataset_that_does_not_share_them_are_refused(desk: Desk) -> None:
    folder = desk.submit(datasets=("secret",))
    arrays = predictions_of(folder)
    arrays.target = np.zeros(48, dtype=np.int64)
    put_predictions(folder, arrays, digests=True)
    assert "they may not be published" in why(desk, folder)


def test_the_best_epoch_is_the_one_the_curves_say(desk: Desk) -> None:
    folder = desk.submit()
    changed = content(folder)
    changed["per_fold"][0]["curves"][0]["watched_cross_entropy"] = 0.1
    assert "fold '1' replicate 0: the best epoch is 2; its curves give 1" in why(
        desk, put(folder, changed)
    )


def test_curves_of_a_selection_on_the_test_part_give_its_scores(desk: Desk) -> None:
    folder = desk.submit(selection="test")
    changed = content(folder)
    changed["per_fold"][0]["curves"][1]["watched_accuracy"] -= 0.1
    assert "selection watched the test part" in why(desk, put(folder, changed))
