"""Scores by group of speakers: laws first (other code finds the same scores, order means nothing,
equal groups are rarely told apart), then examples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from group_differences import LABELS, LAYOUTS, simulated, told_apart
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from nverbench.leaderboard.fairness.analysis import (
    Fairness,
    GroupedPredictions,
    analyse,
    difference,
)
from nverbench.leaderboard.fairness.report import lines, notes, record
from nverbench.metrics.jackknife import Decisions, Interval
from nverbench.metrics.score_intervals import score_intervals

seeds = given(st.integers(0, 10_000))
few = settings(max_examples=15, deadline=None)


def taken(given: GroupedPredictions, rows: np.ndarray) -> GroupedPredictions:
    p = given.decisions
    groups = tuple(p.groups[i] for i in rows)
    return replace(
        given,
        decisions=Decisions(p.target[rows], p.predicted[:, rows], groups, p.classes),
        values=tuple(given.values[i] for i in rows),
        speakers=tuple(given.speakers[i] for i in rows),
    )


def inside(given: GroupedPredictions, value: str) -> np.ndarray:
    return np.flatnonzero(np.array(given.values, dtype=object) == value)


# laws


@few
@seeds
def test_scores_of_a_group_are_those_that_scikit_learn_finds_on_its_clips(seed: int) -> None:
    given = simulated(seed)
    rows = np.random.default_rng(seed).random(len(given.values)) < 0.5  # classes may be lost
    given = taken(given, np.flatnonzero(rows))
    for group in analyse(given).groups:
        own = taken(given, inside(given, group.value)).decisions
        present = sorted(set(own.target.tolist()))
        expected = {
            "accuracy": [accuracy_score(own.target, p) for p in own.predicted],
            "uar": [
                recall_score(own.target, p, labels=present, average="macro", zero_division=0)
                for p in own.predicted
            ],
            "macro_f1": [
                f1_score(own.target, p, labels=present, average="macro", zero_division=0)
                for p in own.predicted
            ],
        }
        for name, values in expected.items():
            assert group.scores[name].value == pytest.approx(np.mean(values))
        recalls = {one.label: one.recall.value for one in group.recalls}
        assert np.mean(list(recalls.values())) == pytest.approx(group.scores["uar"].value)
        assert {*recalls, *group.lacking} == set(LABELS)


@few
@seeds
def test_the_order_of_clips_means_nothing(seed: int) -> None:
    given = simulated(seed, values=("a", "b", "c"), speakers=18)
    order = np.random.default_rng(seed).permutation(len(given.values))
    assert flat(analyse(taken(given, order))) == pytest.approx(flat(analyse(given)))


def flat(found: Fairness) -> list[float]:
    return [
        end
        for group in found.groups
        for scores in (group.scores, group.differences)
        for i in scores.values()
        for end in (i.value, i.low, i.high, i.se)
    ]


@few
@seeds
def test_clips_whose_value_is_not_known_are_in_no_group(seed: int) -> None:
    given = simulated(seed, values=("f", "m", None), speakers=18)
    found = analyse(given)
    rows = np.flatnonzero(np.array(given.values, dtype=object) != None)  # noqa: E711
    assert found.groups == analyse(taken(given, rows)).groups
    assert found.unknown == len(given.values) // 3
    assert "of 54 of 162 clips the sex is not known" in notes(found)[0]


@few
@seeds
def test_of_two_groups_the_differences_are_opposite(seed: int) -> None:
    one, other = analyse(simulated(seed)).groups
    for name, d in one.differences.items():
        e = other.differences[name]
        assert (d.value, d.low, d.high, d.se) == pytest.approx((-e.value, -e.high, -e.low, e.se))
        assert d.value == pytest.approx(one.scores[name].value - other.scores[name].value)


def test_an_interval_is_that_of_nver_2_for_the_group_alone() -> None:
    given = simulated(3)
    (group, _) = analyse(given).groups
    expected = score_intervals(taken(given, inside(given, "f")).decisions, rule="effective")
    for name, i in group.scores.items():
        of = expected[name]
        assert (i.value, i.low, i.high, i.se) == (of.value, of.low, of.high, of.se)


@pytest.mark.parametrize("lost", [(2,), (1, 2)], ids=["one class", "two classes"])
def test_the_interval_of_uar_without_a_class_is_that_of_a_task_without_it(
    lost: tuple[int, ...],
) -> None:
    given = simulated(4, values=("f",))
    rows = np.flatnonzero(~np.isin(given.decisions.target, lost))
    p = taken(given, rows).decisions
    (group,) = analyse(taken(given, rows)).groups
    right = p.predicted == p.target
    kept = 3 - len(lost)
    wrong = np.where(right, p.target, (p.target + 1) % 2)  # of two classes the other one
    expected = score_intervals(Decisions(p.target, wrong, p.groups, 2), rule="effective")
    i, of = group.scores["uar"], expected["uar" if kept == 2 else "accuracy"]
    assert (i.value, i.low, i.high, i.se) == (of.value, of.low, of.high, of.se)
    assert group.scores["macro_f1"].low is None


def test_a_class_with_fewer_than_five_speakers_allows_no_macro_interval() -> None:
    given = simulated(1)
    p = given.decisions
    keep = [
        i
        for i, who in enumerate(p.groups)
        if p.target[i] != 2 or who in ("s0", "s2", "s1", "s3", "s5", "s7", "s9")
    ]
    found = analyse(taken(given, np.array(keep)))
    assert {g.value: (g.scores["uar"].low is None, g.claims) for g in found.groups} == {
        "f": (True, False),
        "m": (False, True),
    }
    assert found.groups[0].scores["accuracy"].low is not None
    assert any("a class has fewer than 5 speakers in f: no interval" in n for n in notes(found))


ends = st.tuples(*(st.floats(0, 1),) * 3).map(sorted)


@given(ends, ends)
def test_the_interval_of_a_difference_holds_it_and_no_more_than_the_outermost_ends(
    a: list[float], b: list[float]
) -> None:
    one, two = (Interval(x[1], x[0], x[2], 0.1) for x in (a, b))
    d = difference(one, two)
    assert a[0] - b[2] - 1e-9 <= d.low <= d.value <= d.high <= a[2] - b[0] + 1e-9
    assert difference(replace(one, low=None), two).low is None


@pytest.mark.parametrize("layout", ["12 and 12", "5 and 20", "4 groups of 7"])
def test_equal_groups_are_rarely_told_apart(layout: str) -> None:
    assert told_apart(60, *LAYOUTS[layout]) <= 0.14  # 0.05 expected; the binomial sd is 0.028


# examples


def test_fewer_than_five_speakers_allow_no_claim() -> None:
    found = analyse(simulated(0, speakers=8))
    assert [i.low for group in found.groups for i in group.scores.values()] == [None] * 6
    assert (found.worst, found.spread, found.compared) == (None, None, 0)
    text = "\n".join(lines(found))
    assert "fewer than 5 speakers in f, m: no interval and no claim" in text
    assert "worst group: none is named" in text
    assert "recall" not in text


def test_a_group_of_four_is_never_the_worst_one() -> None:
    given = simulated(1, speakers=20, values=("a", "b", "a", "b", "c"))
    p = given.decisions
    bad = np.array([value == "c" for value in given.values])
    spoilt = Decisions(p.target, np.where(bad, (p.target + 1) % 3, p.predicted), p.groups, 3)
    found = analyse(replace(given, decisions=spoilt))
    assert {g.value: g.claims for g in found.groups} == {"a": True, "b": True, "c": False}
    assert found.worst is not None
    assert found.worst.value in "ab"
    assert found.compared == 2


def test_three_groups_have_simultaneous_differences_and_say_so() -> None:
    given = simulated(2, speakers=18, values=("a", "b", "c"))
    found = analyse(given)
    single = analyse(replace(given, values=tuple("m" if v != "a" else v for v in given.values)))
    wide, narrow = (x.groups[0].differences["uar"] for x in (found, single))
    assert wide.value == pytest.approx(narrow.value)
    assert wide.low < narrow.low
    assert found.compared == 3
    assert "3 differences, so that each interval has level 98.33% (Bonferroni)" in notes(found)


def test_a_speaker_in_two_groups_is_said() -> None:
    given = simulated(0)
    values = tuple("fm"[i % 2] for i in range(len(given.values)))
    found = analyse(replace(given, values=values))
    assert found.shared == 12
    assert any("12 speakers are in several groups" in note for note in notes(found))


def test_without_speakers_clips_are_the_unit_and_the_limit_is_said() -> None:
    given = simulated(0)
    none = (None,) * len(given.values)
    p = given.decisions
    bare = Decisions(p.target, p.predicted, none, 3)
    found = analyse(replace(given, decisions=bare, speakers=none, unit="clip"))
    assert [(group.speakers, group.units) for group in found.groups] == [(None, 54)] * 2
    assert any("say nothing about other speakers" in note for note in notes(found))


def test_one_group_is_compared_with_nothing() -> None:
    found = analyse(simulated(0, values=("f",)))
    assert found.groups[0].differences == {}
    assert any("nothing to compare" in note for note in notes(found))


def test_a_class_that_one_group_lacks_is_left_out_of_the_difference() -> None:
    given = simulated(5)
    p = given.decisions
    keep = [
        i
        for i, v in enumerate(given.values)
        if not (v == "f" and p.target[i] == LABELS.index("joy"))
    ]
    given = taken(given, np.array(keep))
    found = analyse(given)
    assert [group.lacking for group in found.groups] == [("joy",), ()]
    rows = np.flatnonzero(given.decisions.target != LABELS.index("joy"))
    both = analyse(taken(given, rows)).groups
    for one, other in zip(found.groups, both, strict=True):
        for name, d in one.differences.items():
            assert d.value == pytest.approx(other.differences[name].value)
    assert any(note.startswith("f has no clip of joy") for note in notes(found))


def test_the_record_is_json_and_names_the_worst_group() -> None:
    import json

    given = simulated(0)
    p = given.decisions
    rows = np.array([value == "m" for value in given.values])
    spoilt = Decisions(p.target, np.where(rows, p.target, p.predicted), p.groups, 3)
    found = json.loads(json.dumps(record(analyse(replace(given, decisions=spoilt)))))
    assert found["worst"] == "f"
    assert found["worst_score"] == found["groups"][0]["scores"]["uar"]
    assert found["spread"] == pytest.approx(1 - found["worst_score"]["value"])
    assert "worst group by UAR: f" in "\n".join(lines(analyse(replace(given, decisions=spoilt))))
