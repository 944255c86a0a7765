"""The rules of a fusion, in the order in which a broken one is best mended."""

from __future__ import annotations

from nverbench.testing.check import Check
from nverbench.testing.fusions import outputs, training
from nverbench.testing.fusions.subject import FusionSubject

FIRST = ("record", "lazy-import", "options")


def fusion_checks() -> tuple[Check[FusionSubject], ...]:
    """Every rule a fusion is held to: what it declares, what it gives, how it trains."""
    checks = (*training.CHECKS, *outputs.CHECKS)
    declared = [check for check in checks if check.name in FIRST]
    given = [check for check in outputs.CHECKS if check.name not in FIRST]
    trained = [check for check in training.CHECKS if check.name not in FIRST]
    return (*declared, *given, *trained)
