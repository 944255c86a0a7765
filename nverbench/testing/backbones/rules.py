"""The rules of a backbone, in the order in which a broken one is best mended."""

from __future__ import annotations

from dataclasses import replace

from nverbench.testing.backbones import frames, layers, precision, record, state
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, only_encoders

RULE_MODULES = (record, frames, state, precision, layers)


def backbone_checks(*, slow: bool = False) -> tuple[Check[Subject], ...]:
    """Every rule a backbone is held to; with ``slow`` also those that take long for a large
    model.
    """
    checks = (
        replace(check, run=only_encoders(check.run))
        for room in RULE_MODULES
        for check in room.CHECKS
    )
    return tuple(check for check in checks if slow or not check.slow)
