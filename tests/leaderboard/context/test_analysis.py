"""The analysis of atmosphere: laws (equal models gain nothing, order of rows means nothing, the
null is what exchangeability says), then examples.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nverbench.leaderboard.context.analysis import Atmosphere, ConversationTurns, Gain, analyse
from nverbench.plugin.types import UNSCORED

LABELS = ("ang", "neu", "sad")


def random_turns(
    seed: int, *, conversations: int = 12, groups: int = 6, replicates: tuple[int, int] = (2, 3)
) -> ConversationTurns:
    """Conversations of 3 to 8 turns, most with a dominant label, one turn in six not scored; models
    that are right half of the time.
    """
    rng = np.random.default_rng(seed)
    names, places, units, target = [], [], [], []
    for c in range(conversations):
        u = int(rng.integers(3, 9))
        names += [f"c{c:02d}"] * u
        places += range(u)
        units += [f"g{c % groups}"] * u
        said = np.where(rng.random(u) < 0.6, rng.integers(3), rng.integers(3, size=u))
        target += np.where(rng.random(u) < 1 / 6, UNSCORED, said).tolist()
    n, truth = len(names), np.array(target)
    contextual, single = (
        np.where(rng.random((r, n)) < 0.5, truth, rng.integers(3, size=(r, n))) for r in replicates
    )
    contextual, single = (np.where(of == UNSCORED, 0, of) for of in (contextual, single))
    return ConversationTurns(
        tuple(names), tuple(places), tuple(units), truth, contextual, single, LABELS
    )


def given_turns(
    target: dict[str, str], contextual: dict[str, str], single: dict[str, str]
) -> ConversationTurns:
    """Conversations written as letters: a, n, s for the labels, x for a turn that is not scored."""
    names = [name for name, letters in target.items() for _ in letters]
    places = [place for letters in target.values() for place in range(len(letters))]

    def classes(words: dict[str, str]) -> np.ndarray:
        return np.array(
            [
                "ans".find(letter) if letter != "x" else UNSCORED
                for letters in words.values()
                for letter in letters
            ]
        )

    groups = (None,) * len(names)
    return ConversationTurns(
        tuple(names),
        tuple(places),
        groups,
        classes(target),
        classes(contextual)[None],
        classes(single)[None],
        LABELS,
    )


def taken(turns: ConversationTurns, rows: np.ndarray) -> ConversationTurns:
    """The same turns in another order, or some of them."""
    return ConversationTurns(
        tuple(turns.conversations[i] for i in rows),
        tuple(turns.places[i] for i in rows),
        tuple(turns.groups[i] for i in rows),
        turns.target[rows],
        turns.contextual[:, rows],
        turns.single[:, rows],
        turns.labels,
    )


def at_random(gains: list[float], dominant: int) -> float:
    """The probability that as many turns, any of them, gain on the whole."""
    ways = [sum(some) > 1e-12 for some in combinations(gains, dominant)]
    return sum(ways) / len(ways)


def gains_by_turn(turns: ConversationTurns, found: Atmosphere) -> list[tuple[list[float], int]]:
    """What each scored turn of a dominated conversation gained, and how many turns the dominant
    label has.
    """
    right = [(said == turns.target).mean(0) for said in (turns.contextual, turns.single)]
    rows = {
        c.name: [
            i
            for i, name in enumerate(turns.conversations)
            if name == c.name and turns.target[i] != UNSCORED
        ]
        for c in found.conversations
    }
    return [
        ([right[0][i] - right[1][i] for i in rows[c.name]], c.counts[c.dominant])
        for c in found.conversations
        if c.dominant
    ]


# Laws


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_model_that_says_what_the_single_one_says_gains_nothing_and_pulls_nowhere(seed: int):
    turns = random_turns(seed)
    found = analyse(replace(turns, contextual=turns.single), draws=50)
    assert {
        g.contextual - g.single
        for c in found.conversations
        for g in (c.accuracy, *c.emotions.values())
    } == {0.0}
    assert found.gaining == 0
    assert found.null is None or (found.null.mean, found.null.p) == (0.0, 1.0)
    assert found.pull is None or (found.pull.difference.value, found.pull.difference.se) in (
        (0.0, 0.0),
        (0.0, None),
    )


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_and_so_of_conversations_changes_nothing(seed: int):
    turns = random_turns(seed)
    order = np.random.default_rng(seed).permutation(len(turns.places))
    assert analyse(taken(turns, order), draws=50) == analyse(turns, draws=50)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_unscored_turns_are_counted_among_all_turns_only(seed: int):
    turns = random_turns(seed)
    scored = analyse(taken(turns, np.flatnonzero(turns.target != UNSCORED)), draws=50)
    found = analyse(turns, draws=50)
    heard = tuple(replace(c, turns=c.scored) for c in found.conversations)
    assert replace(found, conversations=heard) == scored


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_other_way_round_the_pull_is_the_opposite(seed: int):
    turns = random_turns(seed)
    one = analyse(turns, draws=1).pull
    other = analyse(replace(turns, contextual=turns.single, single=turns.contextual), draws=1).pull
    if one is not None and one.difference.low is not None:
        d, e = one.difference, other.difference
        assert (d.value, d.low, d.high, d.se) == pytest.approx((-e.value, -e.high, -e.low, e.se))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_replicate_given_twice_changes_nothing_but_their_number(seed: int):
    turns = random_turns(seed, replicates=(1, 1))
    found = analyse(replace(turns, contextual=np.repeat(turns.contextual, 2, 0)), draws=50)
    assert replace(found, replicates=(1, 1)) == analyse(turns, draws=50)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_at_most_one_emotion_dominates_and_it_has_over_half_of_the_scored_turns(seed: int):
    for c in analyse(random_turns(seed), draws=1).conversations:
        over = [label for label, count in c.counts.items() if count > c.scored / 2]
        assert over == ([c.dominant] if c.dominant else [])
        assert c.scored == c.accuracy.turns == sum(g.turns for g in c.emotions.values())


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_of_the_null_is_what_exchangeable_turns_imply(seed: int):
    turns = random_turns(seed, conversations=10)
    found = analyse(turns, draws=4000, seed=seed)
    chances = [at_random(*some) for some in gains_by_turn(turns, found)]
    error = np.sqrt(sum(p * (1 - p) for p in chances) / 4000)
    assert found.null.mean == pytest.approx(sum(chances), abs=4 * error + 1e-9)
    assert found.null.low <= found.null.mean <= found.null.high


def test_where_every_turn_gains_alike_the_null_has_no_spread_and_says_so():
    found = analyse(
        given_turns(
            {"c1": "aan", "c2": "sssx"}, {"c1": "aan", "c2": "sssa"}, {"c1": "nna", "c2": "aaaa"}
        ),
        draws=100,
    )
    assert (found.gaining, found.null.mean, found.null.low, found.null.high, found.null.p) == (
        2,
        2.0,
        2.0,
        2.0,
        1.0,
    )


@pytest.mark.parametrize("seed", range(4))
def test_labels_that_mean_nothing_are_rarely_called_significant(seed: int):
    rng = np.random.default_rng(seed)
    values = []
    for i in range(60):
        turns = random_turns(1000 * seed + i)
        values.append(analyse(turns, draws=200, seed=int(rng.integers(1000))).null.p)
    assert np.mean(np.array(values) <= 0.05) <= 0.12


@pytest.mark.parametrize("groups", [6, 3], ids=["over groups", "over conversations"])
def test_the_interval_of_the_pull_is_a_jackknife_by_hand(groups: int):
    turns = random_turns(3, groups=groups, conversations=18)
    pull = analyse(turns, draws=1).pull
    units = turns.groups if groups == 6 else turns.conversations
    assert pull.unit == ("group" if groups == 6 else "conversation")
    values = []
    for left in sorted(set(units)):
        kept = np.array([i for i, unit in enumerate(units) if unit != left])
        part = analyse(taken(turns, kept), draws=1).pull
        if part.turns < pull.turns:
            values.append(part.difference.value)
    assert len(values) == pull.units
    se = np.sqrt((pull.units - 1) / pull.units * ((np.array(values) - np.mean(values)) ** 2).sum())
    assert pull.difference.se == pytest.approx(se)
    assert pull.difference.high - pull.difference.value == pytest.approx(
        pull.difference.value - pull.difference.low
    )
    assert pull.difference.value == pytest.approx(pull.contextual - pull.single)


# Examples


def test_a_gain_is_relative_to_the_single_utterance_model_by_conversation_and_emotion():
    found = analyse(given_turns({"c": "aaaann"}, {"c": "aaaana"}, {"c": "aanann"}), draws=10)
    c = found.conversations[0]
    assert (c.dominant, c.counts, c.turns, c.accuracy.relative) == (
        "ang",
        {"ang": 4, "neu": 2},
        6,
        0.0,
    )
    assert c.emotions == {"ang": Gain(4, 1.0, 0.75), "neu": Gain(2, 0.5, 1.0)}
    assert (c.emotions["ang"].relative, c.emotions["neu"].relative) == (pytest.approx(1 / 3), -0.5)
    assert found.gaining == found.dominated == 1


def test_a_model_that_was_never_right_has_no_relative_gain_and_can_still_be_gained_upon():
    assert (Gain(3, 0.5, 0.0).relative, Gain(3, 0.5, 0.0).gains, Gain(3, 0.0, 0.0).gains) == (
        None,
        True,
        False,
    )


def test_half_of_the_turns_is_no_dominance_and_without_any_there_is_neither_null_nor_pull():
    found = analyse(given_turns({"c": "aann"}, {"c": "aaaa"}, {"c": "nnnn"}), draws=10)
    assert (found.conversations[0].dominant, found.dominated, found.null, found.pull) == (
        None,
        0,
        None,
        None,
    )


def test_the_pull_counts_the_dominant_label_among_turns_that_have_another():
    found = analyse(
        given_turns(
            {"c1": "aaan", "c2": "sssnnx"},
            {"c1": "aaaa", "c2": "ssssna"},
            {"c1": "aaan", "c2": "sssnnn"},
        ),
        draws=10,
    )
    pull = found.pull
    assert (pull.turns, pull.contextual, pull.single) == (3, pytest.approx(2 / 3), 0.0)
    assert (pull.unit, pull.units, pull.difference.low) == ("conversation", 2, None)


def test_where_all_turns_have_the_dominant_label_there_is_no_pull_to_measure():
    assert analyse(given_turns({"c": "aaa"}, {"c": "aaa"}, {"c": "nnn"}), draws=10).pull is None


def test_a_conversation_without_a_scored_turn_is_left_out():
    found = analyse(
        given_turns(
            {"c1": "xx", "c2": "aan"}, {"c1": "an", "c2": "aan"}, {"c1": "an", "c2": "aan"}
        ),
        draws=10,
    )
    assert [c.name for c in found.conversations] == ["c2"]


def test_replicates_are_averaged_not_put_to_a_vote():
    turns = given_turns({"c": "aan"}, {"c": "aan"}, {"c": "nnn"})
    three = np.concatenate([turns.contextual, turns.single, turns.single])
    assert analyse(replace(turns, contextual=three), draws=10).conversations[0].emotions[
        "ang"
    ].contextual == pytest.approx(1 / 3)


def test_the_same_seed_gives_the_same_null_and_another_one_another():
    turns = random_turns(1)
    assert analyse(turns, draws=30, seed=1) == analyse(turns, draws=30, seed=1)
    assert analyse(turns, draws=30, seed=1).null != analyse(turns, draws=30, seed=2).null


TURNS = given_turns({"c": "aan"}, {"c": "aan"}, {"c": "nnn"})
WRONG = {
    "fewer predictions": (replace(TURNS, single=TURNS.single[:, :2]), "single 2"),
    "no replicate": (replace(TURNS, contextual=TURNS.contextual[:0]), "one replicate or more"),
    "replicates without an axis": (replace(TURNS, contextual=TURNS.contextual[0]), "other axes"),
    "fewer groups": (replace(TURNS, groups=(None,)), "groups 1"),
    "a turn twice": (replace(TURNS, places=(0, 1, 1)), "given twice"),
    "a class that is none": (
        replace(TURNS, contextual=TURNS.contextual + 5),
        "none of the 3 classes",
    ),
    "nothing scored": (replace(TURNS, target=np.full(3, UNSCORED)), "at least one scored turn"),
}


@pytest.mark.parametrize("what", WRONG)
def test_turns_that_do_not_fit_are_refused(what: str):
    turns, words = WRONG[what]
    with pytest.raises(ValueError, match=words):
        analyse(turns)
