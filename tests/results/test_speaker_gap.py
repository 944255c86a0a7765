"""Which rows make a speaker gap, and which row splits it in two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nverbench.results.predictions import Predictions
from nverbench.results.record import Folds, Result
from nverbench.results.speaker_gap import of_the_same_systems, speaker_gaps, text
from support.results import finished

CLIPS, GROUPS, CLASSES = 60, 6, ("a", "b", "c")


def row(name: str, kind: str, *, rules: dict[str, Any] | None = None, **changes: Any) -> Result:
    """A result on folds of a kind under a protocol of these constants."""
    protocol = {"name": changes.get("protocol", "nver-2"), "lr": 1e-3, **(rules or {})}
    folds = Folds(kind=kind, digest=kind[0] * 64, number=5, speakers_seen=False, notes=[])
    own = finished(id=name, folds=folds, labels=list(CLASSES), **{"protocol": "nver-2", **changes})
    facts = own.provenance.model_copy(update={"identity": {"protocol": protocol}})
    return own.model_copy(update={"provenance": facts})


def decided(result: Result) -> Predictions:
    """Predictions that are right more often on random folds."""
    rng = np.random.default_rng(len(result.id))
    target = np.arange(CLIPS) % len(CLASSES)
    skill = {"random": 2.0, "seen": 1.0}.get(result.id.partition("-")[0], 0.0)
    logits = rng.normal(size=(1, CLIPS, 3)) + skill * np.eye(3)[target]
    p = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)
    ids, groups = [f"c{i:02d}" for i in range(CLIPS)], [f"s{i % GROUPS}" for i in range(CLIPS)]
    return Predictions(ids, groups, target, ["1"] * CLIPS, p, ids)


RANDOM, APART = row("random", "random"), row("apart", "speaker")
BY_CLIP = {"inner_by": "clip"}
SEEN = row("seen", "speaker", rules=BY_CLIP, protocol="nver-2-seen-validation")


def gaps(*results: Result) -> Any:
    return speaker_gaps(results, decided, print)


def test_two_rows_of_one_system_make_a_gap_and_a_third_splits_it() -> None:
    (whole,) = gaps(RANDOM, APART)
    (split,) = gaps(SEEN, RANDOM, APART)
    assert (whole.parts, whole.ids) == (None, ("random", "apart"))
    assert split.values == whole.values
    assert split.ids == ("random", "apart", "seen")
    for name, i in split.values.items():
        test, validation = split.parts.test_seen[name], split.parts.validation_seen[name]
        assert test.value + validation.value == pytest.approx(i.value)
        assert test.low < test.value < test.high
        assert validation.low < validation.value < validation.high
    assert "; of it test speakers seen: " in text(split)
    assert text(split).startswith(text(whole))


@pytest.mark.parametrize(
    "other",
    [
        row("seen", "speaker", rules=BY_CLIP | {"lr": 1e-2}, protocol="x"),
        row("seen", "speaker", rules=BY_CLIP, protocol="x", seeds=5),
        row("seen", "speaker", rules=BY_CLIP, protocol="x", selection="last"),
        row("seen", "leave-one-group-out", rules=BY_CLIP, protocol="x"),
        row("seen", "speaker", protocol="x"),
    ],
    ids=["other rules", "replicates", "selection", "test parts", "speakers not seen"],
)
def test_a_row_that_differs_in_more_than_its_validation_speakers_splits_nothing(
    other: Result,
) -> None:
    (gap,) = gaps(RANDOM, APART, other)
    assert gap.parts is None


def test_the_row_that_splits_a_gap_has_none_of_its_own() -> None:
    shared = row("random-2", "random", rules=BY_CLIP, protocol="nver-2-seen-validation")
    assert gaps(SEEN, shared) == []


def test_stored_rows_of_the_same_system_are_found_for_the_row_that_splits_their_gap() -> None:
    other = row("far", "speaker", seeds=5)
    found = of_the_same_systems([SEEN], [RANDOM, APART, other])
    assert {r.id for r in found} == {"random", "apart", "seen"}
    assert of_the_same_systems([APART], [RANDOM]) == [APART]
