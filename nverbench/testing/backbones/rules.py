"""The rules of a backbone, in the order in which an author best fixes what they report."""

from __future__ import annotations

from dataclasses import replace

from nverbench.testing.backbones import frames, layers, precision, record, state
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, only_encoders

RULE_MODULES = (record, frames, state, precision, layers)


def backbone_checks(*, slow: bool = False) -> tuple[Check[Subject], ...]:
    """All rules of backbones; with ``slow`` also those that take long for a large model."""
    return tuple(
        replace(check, run=only_encoders(check.run))
        for module in RULE_MODULES
        for check in module.CHECKS
        if slow or not check.slow
    )
