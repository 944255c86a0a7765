"""The rules of a backbone, in the order in which a broken one is best mended."""

from __future__ import annotations

from dataclasses import replace

from nverbench.testing import backbone_frames, backbone_layers, backbone_numbers, backbone_record, backbone_state
from nverbench.testing.check import Check, only_encoders
from nverbench.testing.subject import Subject

ROOMS = (backbone_record, backbone_frames, backbone_state, backbone_numbers, backbone_layers)


def backbone_checks(*, slow: bool = False) -> tuple[Check[Subject], ...]:
    """Every rule a backbone is held to; with ``slow`` also those that take long for a large model."""
    checks = (replace(check, run=only_encoders(check.run)) for room in ROOMS for check in room.CHECKS)
    return tuple(check for check in checks if slow or not check.slow)
