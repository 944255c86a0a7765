"""The rules of a dataset, in the order in which an author best fixes what they report."""

from __future__ import annotations

from dataclasses import replace

from nverbench.testing.check import Check
from nverbench.testing.datasets import files, labels, record
from nverbench.testing.datasets.subject import DatasetSubject, with_clips


def dataset_checks() -> tuple[Check[DatasetSubject], ...]:
    """All rules of datasets; those that need clips are skipped if there are none to look at."""
    on_clips = (*files.CHECKS, *labels.CHECKS)
    return (*record.CHECKS, *(replace(check, run=with_clips(check.run)) for check in on_clips))
