"""Copies of one recording are on one side of every fold that chooses its test part itself; where
they cannot be, they are named. A corpus without copies is cut as if there were no such rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nverbench import Clip
from nverbench.data.copies import IDENTICAL, LISTED, OVERLAPPING, copies
from nverbench.data.folds.assign import FoldSet, make_folds
from nverbench.errors import FoldError

KINDS = ("speaker", "random", "leave-one-group-out")


def clip(name: str, label: str, speaker: str, start: float | None = None, end: float | None = None):
    return Clip(name, Path(name), label, speaker, start=start, end=end)


def cut(clips: list[Clip], kind: str = "speaker", same: Sequence[Collection[str]] = ()) -> FoldSet:
    return make_folds(clips, kind, k=5, seed=1, inner=None, same=same)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Clip], dict[str, str]]:
    """Clips of six speakers, each of a file of its own."""
    n = draw(st.integers(3, 8))
    clips = [
        clip(f"s{s}-{i}", draw(st.sampled_from("abc")), f"s{s}") for s in range(6) for i in range(n)
    ]
    return clips, {c.id: c.id for c in clips}


@given(table=tables(), kind=st.sampled_from(KINDS))
def test_a_corpus_without_copies_is_never_named(table: tuple[list[Clip], dict[str, str]], kind):
    found = copies(*table)
    assert found.leak(cut(table[0], kind)) is None
    assert found.conflict() is None


@given(table=tables(), kind=st.sampled_from(KINDS), data=st.data())
def test_copies_in_training_and_test_are_always_named(
    table: tuple[list[Clip], dict[str, str]], kind: str, data: st.DataObject
):
    clips, sha256 = table
    pairs = st.tuples(st.sampled_from(clips), st.sampled_from(clips))
    planted = data.draw(st.lists(pairs, min_size=1, max_size=5))
    for one, other in planted:
        sha256[other.id] = sha256[one.id]
    try:
        folds = cut(clips, kind)
    except FoldError:
        assume(False)
    order = sorted(clips, key=lambda c: c.id)
    expected = {
        order[row].id
        for fold in folds.folds
        for row in fold.test
        if sha256[order[row].id] in {sha256[order[other].id] for other in fold.train}
    }
    leak = copies(clips, sha256).leak(folds)
    assert (leak.clips if leak else 0) == len(expected)
    if leak:
        assert sha256[leak.first[0]] == sha256[leak.first[1]]


def segments(*bounds: tuple[float | None, float | None]) -> tuple[list[Clip], dict[str, str]]:
    """One file, each segment of another speaker, and files of five more speakers."""
    clips = [clip(f"a{i}", "x", f"s{i}", *pair) for i, pair in enumerate(bounds)]
    others = [clip(f"b{i}", "y", f"t{i}") for i in range(5)]
    return [*clips, *others], {c.id: c.id[0] if c.id[0] == "a" else c.id for c in [*clips, *others]}


@pytest.mark.parametrize(
    ("bounds", "clips"),
    [
        (((0, 2), (2, 4)), 0),
        (((0, 2.05), (2, 4)), 0),
        (((0, 2), (1, 3)), 2),
        (((None, None), (1, 3)), 2),
        (((None, 2), (1, None)), 2),
        (((None, 2), (2, None)), 0),
        (((0, 10), (1, 2), (5, 6)), 3),
    ],
)
def test_overlapping_segments_of_one_file_are_copies(
    bounds: tuple[tuple[float | None, float | None], ...], clips: int
):
    table = segments(*bounds)
    leak = copies(*table).leak(cut(table[0], "leave-one-group-out"))
    assert (leak.clips if leak else 0) == clips
    assert leak is None or leak.what == OVERLAPPING


def test_copies_of_one_fold_are_no_leak():
    clips = [clip(f"s{s}-{i}", "ab"[i % 2], f"s{s}") for s in range(6) for i in range(4)]
    sha256 = {c.id: str(c.speaker) + str(c.label) for c in clips}
    assert copies(clips, sha256).leak(cut(clips)) is None


def test_copies_under_two_labels_are_named_whatever_the_folds():
    clips = [clip(f"s{s}-{i}", "ab"[i % 2], f"s{s}") for s in range(6) for i in range(4)]
    sha256 = {c.id: c.id for c in clips} | {"s0-0": "same", "s0-1": "same"}
    found = copies(clips, sha256)
    wrong = found.conflict()
    assert wrong is not None
    assert (wrong.clips, wrong.first) == (2, ("s0-0", "s0-1"))


# uniting


def planted(data: st.DataObject, clips: list[Clip], sha256: dict[str, str]) -> None:
    """Gives some clips the bytes of others."""
    pairs = st.tuples(st.sampled_from(clips), st.sampled_from(clips))
    for one, other in data.draw(st.lists(pairs, min_size=1, max_size=4)):
        sha256[other.id] = sha256[one.id]


@settings(max_examples=25)
@given(table=tables(), kind=st.sampled_from(KINDS), data=st.data())
def test_no_test_clip_has_a_copy_in_training(
    table: tuple[list[Clip], dict[str, str]], kind: str, data: st.DataObject
):
    clips, sha256 = table
    planted(data, clips, sha256)
    found = copies(clips, sha256)
    try:
        folds = cut(clips, kind, found.recordings)
    except FoldError:
        assert kind == "speaker"  # six speakers, five folds
        return
    order = sorted(clips, key=lambda c: c.id)
    for fold in folds.folds:
        tested = {sha256[order[row].id] for row in fold.test}
        assert not tested & {sha256[order[row].id] for row in fold.train}
    assert found.leak(folds) is None
    assert sorted(row for fold in folds.folds for row in fold.test) == list(range(len(clips)))


@settings(max_examples=25)
@given(table=tables(), kind=st.sampled_from(KINDS))
def test_a_corpus_without_copies_is_cut_to_the_same_folds(
    table: tuple[list[Clip], dict[str, str]], kind: str
):
    recordings = copies(*table).recordings
    assert recordings == ()
    assert cut(table[0], kind, recordings) == cut(table[0], kind)


@settings(max_examples=25)
@given(table=tables())
def test_copies_within_one_speaker_do_not_change_speaker_folds(
    table: tuple[list[Clip], dict[str, str]],
):
    clips, _ = table
    same = [[c.id for c in clips if c.speaker == "s0"], [c.id for c in clips if c.speaker == "s1"]]
    for kind in ("speaker", "leave-one-group-out"):
        united, plain = cut(clips, kind, same), cut(clips, kind)
        assert (united.folds, united.digest, united.notes) == (
            plain.folds,
            plain.digest,
            plain.notes,
        )


def people(speakers: int, takes: int = 4) -> list[Clip]:
    return [clip(f"s{s}-{i}", "ab"[i % 2], f"s{s}") for s in range(speakers) for i in range(takes)]


def test_ten_speakers_who_share_recordings_are_refused_by_name_and_number():
    clips = people(10)
    same = [[f"s{s}-0" for s in range(10)], ["s0-1", "s1-1"]]
    sentence = (
        "cannot cut 10 groups into 5 speaker-disjoint folds: 12 clips that are copies of one"
        " another join s0, s1, s2, s3, s4, s5, s6, s7 and 2 more, so that 1 group can be kept"
        " apart; keep one copy of each recording"
    )
    with pytest.raises(FoldError, match=sentence):
        cut(clips, "speaker", same)
    with pytest.raises(FoldError, match="into leave-one-group-out folds: 12 clips"):
        cut(clips, "leave-one-group-out", same)
    assert cut(clips, "random", same).notes[0] == (
        "copies of 2 recordings (12 clips) are kept in one fold each"
    )


def test_joined_speakers_are_one_fold_under_the_first_name_and_the_notes_count_them():
    clips = people(6)
    same = [["s1-0", "s3-0"], ["s3-1", "s4-0"], ["s0-0", "s0-1"]]
    found = cut(clips, "leave-one-group-out", same)
    order = sorted(clips, key=lambda c: c.id)
    people_of = {f.name: {order[row].speaker for row in f.test} for f in found.folds}
    assert people_of == {"s0": {"s0"}, "s1": {"s1", "s3", "s4"}, "s2": {"s2"}, "s5": {"s5"}}
    assert found.notes[0] == "copies of 2 recordings join 3 groups into 1"


def test_a_recording_with_many_copies_takes_no_class_away_from_other_folds():
    clips = people(10, takes=8)
    same = [[c.id for c in clips if c.label == "a" and c.speaker in ("s0", "s1", "s2")]]
    order = sorted(clips, key=lambda c: c.id)
    counts = [
        Counter(order[row].label for row in fold.test) for fold in cut(clips, "random", same).folds
    ]
    assert sorted(c["a"] for c in counts) == [7, 7, 7, 7, 12]
    assert [c["b"] for c in counts] == [8] * 5


@pytest.mark.parametrize(
    ("listed", "what"), [((), IDENTICAL), ([["s0-0", "s1-0", "s9-9"]], LISTED)]
)
def test_copies_that_a_kind_cannot_move_are_named(listed: list[list[str]], what: str):
    clips = people(3)
    sha256 = {c.id: c.id for c in clips} | ({} if listed else {"s0-0": "s1-0"})
    found = copies(clips, sha256, listed)
    assert found.recordings == (("s0-0", "s1-0"),)
    leak = found.leak(cut(clips, "holdout=s0", found.recordings))
    assert leak is not None
    assert (leak.clips, leak.first, leak.what) == (1, ("s0-0", "s1-0"), what)


def test_a_listed_recording_under_two_labels_is_named():
    clips = people(3)
    wrong = copies(clips, {c.id: c.id for c in clips}, [["s0-0", "s0-1"]]).conflict()
    assert wrong is not None
    assert (wrong.clips, wrong.first, wrong.what) == (2, ("s0-0", "s0-1"), LISTED)
