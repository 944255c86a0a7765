"""Runs every rule on a backbone and says which it breaks."""

from __future__ import annotations

from typing import Any

from nverbench import Backbone, PartError
from nverbench.testing import ConformanceError, Subject, backbone_checks

CHECKS = {check.name: check for check in backbone_checks(slow=True)}


def outcomes(part: Backbone, text: str = "") -> dict[str, Any]:
    """What every rule gives for a part; the message where it is broken."""
    subject = Subject(part, text)
    found: dict[str, Any] = {}
    for name, check in CHECKS.items():
        try:
            found[name] = check.run(subject)
        except (ConformanceError, PartError) as error:
            found[name] = str(error)
    return found


def failures(part: Backbone, text: str = "") -> dict[str, str]:
    """The message of every rule that is broken."""
    return {
        name: outcome for name, outcome in outcomes(part, text).items() if isinstance(outcome, str)
    }


def assert_fails_only(part: Backbone, rules: set[str], words: str) -> None:
    """The part breaks these rules and no other, and each is said in one line that helps."""
    found = failures(part)
    assert set(found) == rules
    assert any(words in message for message in found.values())
    for message in found.values():
        assert "\n" not in message
        assert message.startswith("tiny")
        assert "expected" in message
        assert "; " in message
