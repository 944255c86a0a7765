"""The conformance kit for plugin authors: named rules, each tried on a part in the way in which the
harness uses it.

:func:`checks` is the whole test of a plugin; without pytest, ``nverbench check NAME`` does the
same. Importing this module imports neither pytest nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nverbench.errors import ConformanceError
from nverbench.testing.check import Check, Pass, Skip
from nverbench.testing.kit import Trial, checks, rules_of, subject_of, trials

if TYPE_CHECKING:
    from nverbench.testing.backbones.rules import backbone_checks
    from nverbench.testing.backbones.subject import Subject

__all__ = [
    "Check",
    "ConformanceError",
    "Pass",
    "Skip",
    "Subject",
    "Trial",
    "backbone_checks",
    "checks",
    "rules_of",
    "subject_of",
    "trials",
]


def __getattr__(name: str) -> Any:
    if name == "Subject":  # torch is imported only when these names are used
        from nverbench.testing.backbones.subject import Subject

        return Subject
    if name == "backbone_checks":
        from nverbench.testing.backbones.rules import backbone_checks

        return backbone_checks
    raise AttributeError(f"module 'nverbench.testing' has no attribute {name!r}")
