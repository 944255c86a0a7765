"""Finished results in their published form, and folders that hold them: small, complete, and with
ids as real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nverbench.results.predictions import Predictions
from nverbench.results.record import Combination, Counts, FoldScore, Result
from nverbench.results.store import ResultStore
from nverbench.results.tracking.client import connect, tracking_errors
from nverbench.results.tracking.fields import DIGEST
from support.results import finished

IDS = ("0123456789abcdef", "fedcba9876543210", "00aa11bb22cc33dd")
GROUPS = 6


def predictions(
    seed: int = 0, *, replicates: int = 1, groups: int = GROUPS, classes: int = 2
) -> Predictions:
    """Two clips of each group, on two folds; keys stand for the ids."""
    n = 2 * groups
    keys = [f"{i:032x}" for i in range(n)]
    probabilities = np.random.default_rng(seed).random((replicates, n, classes), dtype=np.float32)
    names = [f"group {1 + i // 2:02d}" for i in range(n)]
    return Predictions(
        keys, names, np.array([0, 1] * groups), ["1"] * groups + ["2"] * groups, probabilities, keys
    )


def folds(replicates: int = 1, epochs: int = 2) -> list[FoldScore]:
    """Two folds; the second trained one epoch more."""
    facts: dict[str, Any] = {
        "train": 6,
        "validation": 2,
        "test": 4,
        "macro_f1": 0.5,
        "uar": 0.5,
        "weighted_f1": 0.5,
        "absent": [],
        "best_epoch": 1,
    }
    found = []
    for replicate in range(replicates):
        for number in (1, 2):
            curves = [
                {"train_loss": 1.0 / epoch + number, "watched_accuracy": 0.1 * number}
                for epoch in range(1, epochs + number)
            ]
            accuracy = 0.4 + 0.1 * number + 0.2 * replicate
            found.append(
                FoldScore(
                    fold=str(number),
                    replicate=replicate,
                    accuracy=accuracy,
                    epochs=len(curves),
                    curves=curves,
                    **facts,
                )
            )
    return found


def result(job: str = IDS[0], *, replicates: int = 1, **changes: Any) -> Result:
    """A result whose predictions are ``predictions``."""
    counts = Counts(
        clips=2 * GROUPS,
        groups=GROUPS,
        per_class={"anger": GROUPS, "joy": GROUPS},
        left_out={},
        misfits=0,
        padded={},
        forward_passes={},
    )
    return finished(
        **{
            "id": job,
            "seeds": replicates,
            "counts": counts,
            "per_fold": folds(replicates),
            **changes,
        }
    )


def entry(**changes: Any) -> Combination:
    """What was combined."""
    facts: dict[str, Any] = {
        "backbones": ["a", "b"],
        "families": ["mamba", "attention"],
        "fusion": "reno",
        "loss": "renyi",
        "dataset": "jnv",
    }
    return Combination(**{**facts, "grid": "g", "paper": "p", "demo": False, **changes})


def folder(root: Path, *results: Result, seed: int = 0) -> ResultStore:
    """A results folder."""
    made = ResultStore(root)
    for number, one in enumerate(results or (result(),)):
        made.write(one, predictions(seed + number, replicates=one.seeds))
    return made


def states(uri: str) -> list[tuple[str, int]]:
    """The status of every parent run, and its folds."""
    with tracking_errors("", ""):
        runs = list(connect(uri).runs("", connect(uri).experiments()))
    parents = [r for r in runs if DIGEST in r.tags]
    return sorted(
        (p.status, sum(r.tags.get("mlflow.parentRunId") == p.run for r in runs)) for p in parents
    )
