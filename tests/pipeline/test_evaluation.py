"""``nverbench.evaluate``: features, labels and speakers in; scores with intervals out; a wrong
argument in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nverbench
from nverbench import UsageError
from nverbench.pipeline.evaluation import evaluate
from support.evaluations import CLASSES, FEATURES, GROUPS, LABELS, ROWS

IDS = [f"clip-{i:03d}" for i in range(ROWS)]


def test_scores_come_with_intervals_over_speakers() -> None:
    got = evaluate(
        FEATURES, LABELS, GROUPS, fusion="fcn"
    )  # linear needs more than 40 steps at 1e-3
    assert set(got.scores) == {"accuracy", "macro_f1", "uar", "weighted_f1"}
    assert got.scores["accuracy"].value > 0.7
    assert all(s.low <= s.value <= s.high for s in got.scores.values())
    assert (got.folds.kind, got.labels, len(got.predictions.ids)) == (
        "speaker",
        ("anger", "fear", "joy"),
        ROWS,
    )
    assert "macro-F1" in str(got)
    assert "(speaker folds, 72 clips)" in str(got)


def test_no_speaker_is_on_both_sides() -> None:
    cut = evaluate(
        FEATURES, LABELS, GROUPS, ids=IDS
    ).folds  # rows in the order of the ids, which is that of GROUPS
    assert len(cut.folds) == 5
    assert all(
        {GROUPS[i] for i in f.train + f.validation}.isdisjoint(GROUPS[i] for i in f.test)
        for f in cut.folds
    )


def test_without_groups_folds_are_random_and_clips_are_the_unit() -> None:
    got = evaluate(FEATURES, LABELS)
    assert got.folds.kind == "random"
    assert got.scores["uar"].low is not None


def test_with_few_groups_each_is_shown_and_nothing_is_claimed() -> None:
    got = evaluate(FEATURES, LABELS, [f"s{i % 3}{i // 24}"[:2] for i in range(ROWS)])
    assert got.folds.kind == "leave-one-group-out"
    assert got.scores["accuracy"].low is None
    assert sorted(got.per_group_accuracy) == ["s0", "s1", "s2"]
    assert "[no interval]" in str(got)


def test_a_list_of_matrices_feeds_a_fusion_of_two() -> None:
    got = evaluate(
        [FEATURES, np.tile(FEATURES, 2)],
        LABELS,
        GROUPS,
        fusion="concat:dense1=8,dense2=8,conv1=2,conv2=2,align_dim=4",
    )
    assert 0 <= got.scores["accuracy"].value <= 1


def test_plain_lists_are_features_too() -> None:
    lists, array = (
        evaluate(FEATURES.tolist(), LABELS, GROUPS),
        evaluate(FEATURES, np.array(LABELS), np.array(GROUPS)),
    )
    assert lists.scores == array.scores


def test_the_same_call_gives_the_same_bits() -> None:
    a, b = (evaluate(FEATURES, LABELS, GROUPS) for _ in range(2))
    assert np.array_equal(a.predictions.probabilities, b.predictions.probabilities)


def test_replicates_are_averaged_and_their_spread_is_told() -> None:
    got = evaluate(FEATURES, LABELS, GROUPS, seeds=2)
    assert got.predictions.probabilities.shape == (2, ROWS, CLASSES)
    assert got.scores["accuracy"].seed_sd is not None


@pytest.mark.parametrize("kind", ["speaker", "random"])
def test_ids_decide_the_folds_whatever_the_order_of_the_rows(kind: str) -> None:
    order = np.random.default_rng(5).permutation(ROWS)

    def pick(values: Any) -> list[Any]:
        return [values[i] for i in order]

    straight = evaluate(FEATURES, LABELS, GROUPS, ids=IDS, folds_kind=kind)
    mixed = evaluate(FEATURES[order], pick(LABELS), pick(GROUPS), ids=pick(IDS), folds_kind=kind)
    assert straight.folds.digest == mixed.folds.digest
    assert np.array_equal(straight.predictions.probabilities, mixed.predictions.probabilities)


def test_other_ids_cut_other_random_folds() -> None:
    a = evaluate(FEATURES, LABELS, ids=IDS)
    assert (
        a.folds.digest != evaluate(FEATURES, LABELS, ids=[f"other-{i}" for i in IDS]).folds.digest
    )


def with_one(value: float) -> np.ndarray[Any, Any]:
    changed = FEATURES.copy()
    changed[3, 1] = value
    return changed


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: evaluate(FEATURES[:-1], LABELS), r"expected features \(n=72, d\), got \(71, 5\)"),
        (lambda: evaluate(FEATURES[:, 0], LABELS), r"got \(72,\)"),
        (lambda: evaluate([FEATURES, FEATURES[1:]], LABELS, fusion="concat"), r"got \(71, 5\)"),
        (
            lambda: evaluate(with_one(np.nan), LABELS),
            "1 rows of features hold numbers that are not finite",
        ),
        (lambda: evaluate(with_one(np.inf), LABELS), "not finite"),
        (lambda: evaluate(FEATURES, ["joy"] * ROWS), "at least two classes"),
        (
            lambda: evaluate(FEATURES, LABELS, GROUPS[1:]),
            "expected 72 groups, one per label, got 71",
        ),
        (lambda: evaluate(FEATURES, LABELS, ids=IDS[1:]), "expected 72 ids"),
        (lambda: evaluate(FEATURES, LABELS, ids=[*IDS[1:], IDS[1]]), "ids must be unique"),
        (
            lambda: evaluate([FEATURES, FEATURES], LABELS),
            "fusion linear takes 1 to 1 matrices, got 2",
        ),
        (
            lambda: evaluate(FEATURES, LABELS, fusion="lineer"),
            "no fusion named 'lineer' is installed; did you mean linear",
        ),
        (
            lambda: evaluate(FEATURES, LABELS, fusion="fcn:depth=2"),
            "fusion fcn has no option 'depth'",
        ),
        (lambda: evaluate(FEATURES, LABELS, loss="entropy"), "no loss named 'entropy'"),
        (lambda: evaluate(FEATURES, LABELS, protocol="nver-9"), "no protocol named 'nver-9'"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_in_one_line(
    call: Callable[[], object], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- bugs


def test_the_public_name_is_the_function_every_time() -> None:
    assert callable(nverbench.evaluate)
    assert callable(nverbench.evaluate)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: evaluate([[1.0, 2.0], [3.0]], ["a", "b"]), id="ragged rows"),
        pytest.param(lambda: evaluate([["x"], ["y"]], ["a", "b"]), id="text"),
        pytest.param(lambda: evaluate(FEATURES, LABELS, seeds=0), id="no replicate"),
        pytest.param(
            lambda: evaluate(FEATURES, LABELS, loss="renyi"), id="a loss that needs views"
        ),
    ],
)
def test_what_cannot_be_features_or_options_is_a_usage_error(call: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        call()
