"""What a command line changes makes a row unofficial: decided once, from a plan's words or from a
result's identity.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from nverbench import registry
from nverbench.pipeline.standing import Conditions, overrides
from nverbench.plugin.options import PartRef
from nverbench.registry import Entry

ENTRY = Entry(("a",), "linear", None, "d")
PROTOCOL = registry.load().protocol("nver-1")
USUAL = Conditions("speaker", PROTOCOL.selection)


def found(
    run: Conditions,
    *,
    entry: Entry = ENTRY,
    loss: str = "cross-entropy",
    usual: str | None = "speaker",
) -> list[str]:
    return overrides(
        entry, PROTOCOL, run, loss=PartRef(loss), default_loss="cross-entropy", usual_folds=usual
    )


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (replace(USUAL, folds="random"), "folds random"),
        (replace(USUAL, folds="holdout"), "folds holdout"),
        (replace(USUAL, selection="last"), "selection last"),
        (replace(USUAL, dtype="float16"), "dtype float16"),
        (replace(USUAL, storage="float16"), "frames stored as float16"),
        (replace(USUAL, shuffle="inter"), "train shuffle=inter"),
        (replace(USUAL, skip_bad=True), "--skip-bad"),
    ],
)
def test_each_condition_that_differs_is_named(run: Conditions, reason: str) -> None:
    assert found(run) == [reason]


def test_nothing_is_overridden_where_nothing_differs() -> None:
    assert found(USUAL) == []
    assert (
        found(replace(USUAL, folds="cross")) == []
    )  # the one way to train on one corpus and test on another
    assert (
        found(replace(USUAL, folds="random"), usual=None) == []
    )  # few groups: a plan takes what they allow


def test_a_shuffle_is_named_unless_the_entry_says_it() -> None:
    shuffled = replace(ENTRY, shuffle="inter")
    assert found(replace(USUAL, shuffle="inter"), entry=shuffled) == []
    assert found(replace(USUAL, shuffle="intra"), entry=shuffled) == ["train shuffle=intra"]
    assert found(USUAL, entry=shuffled) == ["train shuffle=none"]


def test_another_loss_is_named_unless_the_entry_says_it() -> None:
    assert found(USUAL, loss="kl") == ["loss kl"]
    assert found(USUAL, entry=replace(ENTRY, loss="kl"), loss="kl") == []


def test_a_published_holdout_does_not_name_its_group() -> None:
    held = replace(ENTRY, folds="holdout=Ses05")
    assert found(replace(USUAL, folds="holdout"), entry=held) == []
    assert found(replace(USUAL, folds="holdout=Ses05"), entry=held) == []
    assert found(replace(USUAL, folds="holdout=Ses01"), entry=held) == ["folds holdout=Ses01"]
