"""A finished result of two folds and its predictions, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nverbench.metrics.scores import NAMES
from nverbench.results.predictions import Predictions
from nverbench.results.record import (
    Combination,
    Counts,
    Folds,
    FoldScore,
    Provenance,
    Result,
    Score,
    Timings,
)

JOB = "reno-0123456789ab"


def finished(**changes: Any) -> Result:
    """A finished result of two folds."""
    score = Score(
        value=0.5,
        low=0.4,
        high=0.6,
        se=0.05,
        bootstrap=(0.42, 0.58),
        fold_mean=0.5,
        fold_sd=0.1,
        seed_sd=None,
    )
    fold = FoldScore(
        fold="1",
        replicate=0,
        train=6,
        validation=2,
        test=4,
        accuracy=0.5,
        macro_f1=0.5,
        uar=0.5,
        weighted_f1=0.5,
        absent=[],
        best_epoch=3,
        epochs=8,
        curves=[{"train": 1.0, "validation": 1.1}],
    )
    facts: dict[str, Any] = {
        "id": JOB,
        "created": "2026-01-01T00:00:00Z",
        "entry": Combination(
            backbones=["a", "b"],
            families=["mamba", "attention"],
            fusion="reno",
            loss="renyi",
            dataset="jnv",
            grid="g",
            paper="p",
            demo=False,
        ),
        "standing": "provisional",
        "standing_reasons": ["1 replicate; an official row carries 5"],
        "control": False,
        "optimistic": False,
        "protocol": "nver-1",
        "selection": "inner",
        "seeds": 1,
        "folds": Folds(kind="speaker", digest="d" * 64, number=2, speakers_seen=False, notes=[]),
        "labels": ["anger", "joy"],
        "share": "open",
        "licence": "MIT (a)",
        "counts": Counts(
            clips=8,
            groups=2,
            per_class={"anger": 4, "joy": 4},
            left_out={},
            misfits=0,
            padded={"a": 0},
            forward_passes={"a": 8, "b": 8},
        ),
        "scores": dict.fromkeys(NAMES, score),
        "unit": "speaker",
        "per_group_accuracy": {"ann": 0.5, "bob": 0.5},
        "per_class_recall": {"anger": 0.5, "joy": 0.5},
        "confusion": [[2, 2], [2, 2]],
        "per_fold": [fold, fold.model_copy(update={"fold": "2"})],
        "provenance": Provenance(
            identity={"seed": 1},
            dataset_digest="e" * 64,
            embedding_digests={"a": "f" * 64},
            weights_digests={"a": "0" * 64},
            plugins={"backbones": "1"},
            libraries={"torch": "2"},
            licences={"a": "MIT"},
            parameters_frozen={"a": 10},
            parameters_trained=5,
            threads=2,
        ),
        "timings": Timings(
            embed={"a": 1.0},
            fit=2.0,
            embed_per_clip={"a": 0.1},
            real_time_factor={"a": None},
            peak_memory=1,
        ),
        "machine": {"host": "here"},
        "names": None,
    }
    return Result(**{**facts, **changes}).sealed()


def predictions(seed: int = 0, *, replicates: int = 2) -> Predictions:
    rng = np.random.default_rng(seed)
    probabilities = rng.random((replicates, 4, 2), dtype=np.float32)
    return Predictions(
        ["a", "b/é", "c", "d"],
        ["ann", "ann", "bob", ""],
        np.array([0, 1, 0, 1]),
        ["1", "1", "2", "2"],
        probabilities,
        [f"{i:032x}" for i in (3, 1, 2, 0)],
    )
