"""Validation parts of nver-2: within training, whole speakers where there are enough, and no
speaker decides more of them than another one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nverbench import Clip, registry
from nverbench.data.folds.assign import Fold, make_folds
from nverbench.data.folds.protocol import check_conversations_whole, folds_of_protocol
from nverbench.data.folds.validation import Inner
from nverbench.errors import FoldError

SEED, REPLICATES, SPLITS = 20250602, 5, 3
INNER = Inner(draw="fold", splits=SPLITS, groups=3)
KINDS = ("speaker", "random", "leave-one-group-out", "holdout=s01")


def clip(name: str, label: str, speaker: str | None, **more: object) -> Clip:
    return Clip(name, Path(name), label, speaker, **more)  # type: ignore[arg-type]


def grid(speakers: int, labels: str, takes: int) -> list[Clip]:
    """Every speaker says every label ``takes`` times."""
    return [
        clip(f"s{s:02d}/{label}{take}", label, f"s{s:02d}")
        for s in range(speakers)
        for label in labels
        for take in range(takes)
    ]


LAYOUTS = {
    "emogator-41": grid(41, "abcdefghij", 3),
    "vivae": grid(11, "abcdef", 16),
    "ravdess": grid(24, "abcdefgh", 8)[:-40],
}
ROWS = {name: sorted(clips, key=lambda c: c.id) for name, clips in LAYOUTS.items()}


def folds(
    clips: list[Clip],
    kind: str = "speaker",
    replicates: int = REPLICATES,
    inner: Inner = INNER,
    same: list[list[str]] | None = None,
) -> tuple[Fold, ...]:
    return make_folds(
        clips, kind, k=5, seed=SEED, inner=inner, replicates=replicates, same=same or ()
    ).folds


@st.composite
def lopsided(draw: st.DrawFn) -> tuple[list[Clip], list[list[str]]]:
    """Speakers with few or many clips, classes that some never say, and some copies."""
    said = draw(
        st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=10), min_size=5, max_size=14)
    )
    clips = [
        clip(f"{s:02d}-{i}", label, f"s{s:02d}")
        for s, labels in enumerate(said)
        for i, label in enumerate(labels)
    ]
    ids = st.sampled_from([c.id for c in clips])
    same = draw(st.lists(st.lists(ids, min_size=2, max_size=3, unique=True), max_size=2))
    return clips, same


# laws


def parts(
    table: tuple[list[Clip], list[list[str]]], kind: str
) -> Iterator[tuple[Fold, set[int], set[int]]]:
    """Each fold with each of its validation parts and the rest of its training part."""
    try:
        found = folds(table[0], kind, replicates=2, same=table[1])
    except FoldError:
        return
    for fold in found:
        assert len(fold.splits) == 2 * SPLITS
        for split in fold.splits:
            yield fold, set(split), set(fold.train) - set(split)


@settings(max_examples=25)
@given(table=lopsided(), kind=st.sampled_from(KINDS))
def test_a_validation_part_is_within_training_and_no_test_clip_is_seen(
    table: tuple[list[Clip], list[list[str]]], kind: str
):
    for fold, split, rest in parts(table, kind):
        assert split < set(fold.train)
        assert not set(fold.train) & set(fold.test)
        assert fold.validation == ()
        assert list(fold.train) == sorted({*split, *rest})


@settings(max_examples=25)
@given(table=lopsided(), kind=st.sampled_from(KINDS))
def test_every_class_of_a_training_part_stays_in_the_rest(
    table: tuple[list[Clip], list[list[str]]], kind: str
):
    rows = sorted(table[0], key=lambda c: c.id)
    for fold, _, rest in parts(table, kind):
        assert {rows[i].label for i in rest} == {rows[i].label for i in fold.train}


@settings(max_examples=25)
@given(table=lopsided(), kind=st.sampled_from(KINDS))
def test_no_speaker_and_no_recording_of_a_validation_part_is_in_the_rest(
    table: tuple[list[Clip], list[list[str]]], kind: str
):
    rows = sorted(table[0], key=lambda c: c.id)
    for fold, split, rest in parts(table, kind):
        inside, outside = ({rows[i].id for i in part} for part in (split, rest))
        assert not any(inside & set(ids) and outside & set(ids) for ids in table[1])
        if not fold.speakers_seen:
            assert not {rows[i].unit for i in split} & {rows[i].unit for i in rest}
            assert 0.1 <= len(split) / len(fold.train) <= 0.2


@settings(max_examples=25)
@given(table=lopsided(), kind=st.sampled_from(KINDS))
def test_splits_depend_on_nothing_but_the_protocol_and_the_clips(
    table: tuple[list[Clip], list[list[str]]], kind: str
):
    try:
        found = folds(table[0], kind, replicates=1, same=table[1])
    except FoldError:
        return
    more = folds(table[0][::-1], kind, replicates=3, same=table[1][::-1])
    assert [f.splits for f in found] == [f.splits[:SPLITS] for f in more]


# layouts


@pytest.mark.parametrize(("layout", "speakers"), [("emogator-41", 4), ("ravdess", 3), ("vivae", 1)])
def test_parts_hold_three_speakers_and_a_tenth_of_the_clips_or_what_a_fifth_allows(
    layout: str, speakers: int
):
    rows = ROWS[layout]
    for fold in folds(rows):
        assert not fold.speakers_seen
        counts = {len({rows[i].unit for i in split}) for split in fold.splits}
        # folds with fewer training speakers need one fewer for a tenth of the clips
        assert max(counts) == speakers
        assert min(counts) >= min(3, speakers)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_speaker_of_a_fold_is_in_more_than_one_part_more_than_another(layout: str):
    rows = ROWS[layout]
    for fold in folds(rows):
        drawn = Counter(unit for split in fold.splits for unit in {rows[i].unit for i in split})
        counts = [drawn[unit] for unit in {rows[i].unit for i in fold.train}]
        assert min(counts) >= 1
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_over_folds_replicates_and_splits_every_speaker_is_drawn_about_equally_often(layout: str):
    rows = ROWS[layout]
    drawn = Counter(
        unit for f in folds(rows) for split in f.splits for unit in {rows[i].unit for i in split}
    )
    assert len(drawn) == len({c.speaker for c in rows})
    assert max(drawn.values()) - min(drawn.values()) <= 4  # each speaker trains in four folds


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["speaker", "random"])
def test_the_parts_of_one_fold_and_replicate_share_nothing_and_replicates_differ(
    layout: str, kind: str
):
    for fold in folds(ROWS[layout], kind):
        each = [fold.splits[r : r + SPLITS] for r in range(0, len(fold.splits), SPLITS)]
        assert all(not set(a) & set(b) for a, b in itertools.combinations(each[0], 2))
        assert [len(set(splits)) for splits in each] == [SPLITS] * REPLICATES
        assert len(set(map(frozenset, each))) == REPLICATES


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folds_do_not_share_their_order_of_speakers(layout: str):
    rows = ROWS[layout]
    first = [
        frozenset(rows[i].unit for split in fold.splits[:SPLITS] for i in split)
        for fold in folds(rows, replicates=1)
    ]
    assert len(set(first)) == 5


@pytest.mark.parametrize("kind", ["speaker", "random", "leave-one-group-out"])
def test_the_test_parts_of_nver_2_are_those_of_nver_1(kind: str):
    rules = registry.load()
    one, two = (
        folds_of_protocol(ROWS["vivae"], kind, rules.protocol(name))
        for name in ("nver-1", "nver-2")
    )
    assert one.digest == two.digest
    assert [f.test for f in one.folds] == [f.test for f in two.folds]
    assert {len(f.splits) for f in two.folds} == {15}
    assert {f.splits for f in one.folds} == {()}


@pytest.mark.parametrize("selection", ["test", "last"])
def test_without_inner_selection_the_whole_training_part_is_trained_on(selection: str):
    rules = registry.load().protocol("nver-2")
    for fold in folds_of_protocol(ROWS["vivae"], "speaker", rules, selection).folds:
        assert (fold.validation, fold.splits) == ((), ())
        assert len(fold.train) + len(fold.test) == len(ROWS["vivae"])


# fallbacks


def test_four_large_speakers_give_stratified_parts_and_say_that_speakers_are_seen():
    clips = grid(4, "ab", 20)
    rows = sorted(clips, key=lambda c: c.id)
    for fold in folds(clips, "leave-one-group-out"):
        assert fold.speakers_seen
        for split in fold.splits:
            assert Counter(rows[i].label for i in split) == {"a": 6, "b": 6}


def test_a_class_of_one_speaker_keeps_that_speaker_in_training():
    clips = [*grid(12, "ab", 4), clip("s00/z", "z", "s00")]
    rows = sorted(clips, key=lambda c: c.id)
    for fold in folds(clips):
        assert not fold.speakers_seen
        assert "s00" not in {rows[i].unit for split in fold.splits for i in split}


@pytest.mark.parametrize(("shared", "seen"), [(False, False), (True, True)])
def test_official_folds_hold_speakers_apart_where_the_shipped_test_part_does(
    shared: bool, seen: bool
):
    clips = [
        clip(c.id, str(c.label), c.speaker, split="test" if i % 5 == 0 else "train")
        if shared
        else clip(c.id, str(c.label), c.speaker, split="test" if c.speaker == "s01" else "train")
        for i, c in enumerate(grid(20, "ab", 4))
    ]
    (fold,) = folds(clips, "official")
    assert (fold.speakers_seen, len(fold.splits)) == (seen, 15)


# conversations


def dialogues(sessions: int, each: int, turns: int = 6) -> list[Clip]:
    """Conversations of two speakers; the group is the session."""
    return [
        clip(
            f"c{s}-{d}-{t}",
            "ab"[t % 2],
            f"s{s}{'FM'[t % 2]}",
            group=f"session {s}",
            conversation=f"c{s}-{d}",
            turn=t,
        )
        for s in range(sessions)
        for d in range(each)
        for t in range(turns)
    ]


@pytest.mark.parametrize(("sessions", "each", "seen"), [(5, 12, True), (24, 2, False)])
def test_conversations_are_whole_and_drawn_about_equally_often(
    sessions: int, each: int, seen: bool
):
    clips = dialogues(sessions, each)
    rows = sorted(clips, key=lambda c: c.id)
    cut = make_folds(clips, "speaker", k=5, seed=SEED, inner=INNER, replicates=REPLICATES)
    check_conversations_whole(rows, [cut])
    for fold in cut.folds:
        assert fold.speakers_seen == seen
        assert len(set(fold.splits)) == len(fold.splits)
        drawn = Counter(
            name for split in fold.splits for name in {rows[i].conversation for i in split}
        )
        counts = [drawn[name] for name in {rows[i].conversation for i in fold.train}]
        assert max(counts) - min(counts) <= 1
