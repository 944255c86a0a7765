"""The kit as pytest items, the only module of it that needs pytest.

>>> @pytest.mark.parametrize(("check", "subject"), items(Subject(MY_BACKBONE)))
... def test_my_backbone_conforms(check, subject):
...     run(check, subject)
"""

from __future__ import annotations

from typing import Any

import pytest

from nverbench.testing.backbones.rules import backbone_checks
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, Skip


def items(*subjects: Subject, slow: bool = False) -> list[Any]:
    """One named item per backbone and rule, for ``@pytest.mark.parametrize(("check", "subject"),
    ...)``.
    """
    return [
        pytest.param(check, subject, id=f"{subject}-{check.name}")
        for subject in subjects
        for check in backbone_checks(slow=slow)
    ]


def run(check: Check[Subject], subject: Subject) -> None:
    """Try the rule; what does not apply is a skipped test with its reason."""
    outcome = check.run(subject)
    if isinstance(outcome, Skip):
        pytest.skip(outcome.reason)
