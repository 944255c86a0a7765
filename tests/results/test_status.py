"""The notes of a result: one for each thing that a reader must know before its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from nverbench.results.status import CONTROL, OPTIMISTIC, status_notes
from support.results import finished


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, []),
        ({"control": True}, [CONTROL]),
        ({"optimistic": True}, [OPTIMISTIC]),
        ({"heard_in_pretraining": ["a", "b"]}, ["pretrained on these recordings: a, b"]),
        (
            {"heard_in_pretraining": ["a (possibly: why)"]},
            ["possibly pretrained on these recordings: a (possibly: why)"],
        ),
        (
            {"heard_in_pretraining": ["a (possibly: why)", "b"]},
            ["pretrained on these recordings: a (possibly: why), b"],
        ),
        (
            {"control": True, "optimistic": True, "heard_in_pretraining": ["a"]},
            [CONTROL, OPTIMISTIC, "pretrained on these recordings: a"],
        ),
    ],
    ids=["none", "control", "optimistic", "pretrained", "possibly", "one possibly", "all"],
)
def test_each_thing_to_know_is_one_note(changes: dict[str, Any], notes: list[str]) -> None:
    assert status_notes(finished(**changes)) == notes
