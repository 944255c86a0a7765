"""The rules of a fusion, in the order in which an author best fixes what they report."""

from __future__ import annotations

from nverbench.testing.check import Check
from nverbench.testing.fusions import learning, outputs, record, training
from nverbench.testing.fusions.subject import FusionSubject


def fusion_checks() -> tuple[Check[FusionSubject], ...]:
    """All rules of fusions: what the record declares, what the module returns, how it trains."""
    return (*record.CHECKS, *outputs.CHECKS, *training.CHECKS, *learning.CHECKS)
