"""Validation parts that share speakers on test parts that do not: what splits the speaker gap."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nverbench import Clip, registry
from nverbench.data.folds.protocol import folds_of_protocol

CLIPS = [
    Clip(f"{s}-{label}{i}", Path("x"), label, f"s{s}")
    for s in range(10)
    for label in "abc"
    for i in range(4)
]
RULES = registry.load().protocol("nver-1")
SEEN = RULES.model_copy(update={"inner_by": "clip"})


@pytest.mark.parametrize("kind", ["speaker", "leave-one-group-out", "holdout=s3"])
def test_test_parts_stay_and_share_no_speaker_and_validation_parts_share_theirs(kind: str) -> None:
    plain, seen = (folds_of_protocol(CLIPS, kind, rules) for rules in (RULES, SEEN))
    assert plain.digest == seen.digest
    clips = sorted(CLIPS, key=lambda c: c.id)
    for a, b in zip(plain.folds, seen.folds, strict=True):
        assert a.test == b.test
        tested, trained, watched = (
            {clips[row].unit for row in rows} for rows in (b.test, b.train, b.validation)
        )
        assert not tested & (trained | watched)
        assert watched <= trained
        assert (a.speakers_seen, b.speakers_seen) == (False, True)
        counts = Counter(clips[row].label for row in b.validation)
        assert len(set(counts.values())) == 1  # stratified


def test_random_folds_are_the_same_under_both() -> None:
    assert folds_of_protocol(CLIPS, "random", RULES) == folds_of_protocol(CLIPS, "random", SEEN)


def test_the_registered_protocol_differs_from_nver_2_in_this_constant_only() -> None:
    rules = registry.load()
    a, b = (
        rules.protocol("nver-2").constants(),
        rules.protocol("nver-2-seen-validation").constants(),
    )
    assert b == {**a, "inner_by": "clip"}
    assert not rules.protocol("nver-2-seen-validation").official
    assert "inner_by" not in rules.protocol("nver-1").constants()
