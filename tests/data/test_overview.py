"""The line about classes and speakers, and what looks wrong in one's own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nverbench import Clip, Dataset, LabelCard
from nverbench.data.corpus import Corpus
from nverbench.data.overview import overview
from nverbench.plugin.options import PartRef


def corpus(rows: Sequence[tuple[str, str | None]], own: bool = True) -> Corpus:
    """A corpus of (label, speaker) rows."""
    clips = tuple(Clip(str(i), Path(), label, who) for i, (label, who) in enumerate(rows))
    card = LabelCard(kind="portrayed", setting="acted")
    dataset = Dataset(
        name="d", load=lambda root: [], label_card=card, corpus=None if own else "corpus"
    )
    labels = tuple(sorted({str(c.label) for c in clips}))
    return Corpus(dataset, PartRef("d"), clips, labels, {}, "", {}, (), (), partial=False)


def balanced(labels: Sequence[str], speakers: int = 4, takes: int = 2) -> list[tuple[str, str]]:
    return [(c, f"s{s}") for s in range(speakers) for c in labels for _ in range(takes)]


def test_the_line_counts_clips_classes_and_speakers():
    assert overview(corpus(balanced(["cry", "laugh"]))) == [
        "16 clips, 2 classes (cry 8, laugh 8), 4 speakers"
    ]
    assert overview(corpus([("a", None)] * 3 + [("b", None)] * 2)) == [
        "5 clips, 2 classes (a 3, b 2), no speakers"
    ]


def test_of_many_classes_the_largest_three_and_the_smallest_are_named():
    rows = [(f"c{i:02d}", None) for i in range(30) for _ in range(40 - i)]
    (line,) = overview(corpus(rows))
    assert "30 classes (c00 40, c01 39, c02 38, 26 more, c29 11)" in line


ODD = {
    "class sigh has one clip": [*balanced(["cry", "laugh"]), ("sigh", "s0")],
    "class sigh has one speaker": [*balanced(["cry", "laugh"]), ("sigh", "s0"), ("sigh", "s0")],
    "every class has one speaker and every speaker one class": [("a", "s0"), ("b", "s1")] * 5,
    "every speaker has one class": [(c, f"{c}{i}") for c in "ab" for i in range(3)] * 2,
    "classes test, train look like the parts of a split": balanced(["train", "test"]),
    "classes Actor_01, Actor_02 look like people": balanced(["Actor_01", "Actor_02"]),
    "class unknown looks like missing values": balanced(["cry", "unknown"]),
    "look continuous": balanced([f"0.{i}" for i in range(1, 10)]),
    "speaker s9 has 75% of the clips": [*balanced(["a", "b"]), *[("a", "s9"), ("b", "s9")] * 24],
    "90% of the clips are of class a": balanced(["a"] * 9 + ["b"]),
}


@pytest.mark.parametrize("words", ODD)
def test_what_looks_wrong_is_one_line(words: str):
    lines = overview(corpus(ODD[words]))[1:]
    assert sum(words in line for line in lines) == 1, lines


@pytest.mark.parametrize("words", ODD)
def test_a_corpus_of_a_plugin_gets_the_line_alone(words: str):
    assert len(overview(corpus(ODD[words], own=False))) == 1


@pytest.mark.parametrize(
    "labels",
    [
        ["anger", "fear", "joy"],
        ["1", "2", "3", "4", "5"],
        ["a", "b"],
        ["neutral", "other"],
        ["positive", "negative"],
        ["speaker-like", "actor"],
    ],
)
@pytest.mark.parametrize("speakers", [2, 3, 10])
def test_ordinary_classes_get_the_line_alone(labels: list[str], speakers: int):
    assert len(overview(corpus(balanced(labels, speakers)))) == 1
