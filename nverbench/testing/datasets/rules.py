"""The rules of a dataset, in the order in which a broken one is best mended."""

from __future__ import annotations

from nverbench.testing.check import Check
from nverbench.testing.datasets import files, labels, record
from nverbench.testing.datasets.subject import DatasetSubject

RULE_MODULES = (record, files, labels)


def dataset_checks() -> tuple[Check[DatasetSubject], ...]:
    """Every rule a dataset is held to."""
    return tuple(check for room in RULE_MODULES for check in room.CHECKS)
