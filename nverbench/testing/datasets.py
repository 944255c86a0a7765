"""The rules of a dataset, in the order in which a broken one is best mended."""

from __future__ import annotations

from nverbench.testing import dataset_labels, dataset_record, dataset_tree
from nverbench.testing.check import Check
from nverbench.testing.dataset_subject import DatasetSubject

ROOMS = (dataset_record, dataset_tree, dataset_labels)


def dataset_checks() -> tuple[Check[DatasetSubject], ...]:
    """Every rule a dataset is held to."""
    return tuple(check for room in ROOMS for check in room.CHECKS)
