"""Copies on both sides of a fold are always named; a corpus without copies never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nverbench import Clip
from nverbench.data.copies import copies
from nverbench.data.folds.assign import FoldSet, make_folds
from nverbench.errors import FoldError

KINDS = ("speaker", "random", "leave-one-group-out")


def clip(name: str, label: str, speaker: str, start: float | None = None, end: float | None = None):
    return Clip(name, Path(name), label, speaker, start=start, end=end)


def cut(clips: list[Clip], kind: str = "speaker") -> FoldSet:
    return make_folds(clips, kind, k=5, seed=1, inner=None)


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
    assert leak is None or leak.segments


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
