"""Finished results that compete on one small corpus, with their predictions: for tests of ranks,
comparisons and claims.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from nverbench.leaderboard.rows import StoredResult
from nverbench.metrics.jackknife import jackknife
from nverbench.metrics.scores import NAMES, confusion, recalls
from nverbench.results.predictions import Predictions
from nverbench.results.record import Combination, Folds, FoldScore, Result, Score
from support.results import finished

LABELS = ["anger", "fear", "joy"]
FOLDS = ("1", "2")
COLUMNS = ["id", "label", "prediction", "speaker", "fold", "replicate"]
"""Of a file of predictions."""


def said(
    skill: float, *, seed: int = 0, speakers: int = 8, clips: int = 12, replicates: int = 2
) -> Predictions:
    """Predictions that are right with probability ``skill``; the corpus depends on ``speakers`` and
    ``clips`` only.
    """
    n = speakers * clips
    target = np.arange(n) % len(LABELS)
    rng = np.random.default_rng(seed)
    right = rng.random((replicates, n)) < skill
    decided = np.where(
        right, target, (target + rng.integers(1, len(LABELS), (replicates, n))) % len(LABELS)
    )
    probabilities = np.eye(len(LABELS), dtype=np.float32)[decided] * 0.8 + 0.05
    groups = [f"speaker {i // clips}" for i in range(n)]
    folds = [FOLDS[(i // clips) % len(FOLDS)] for i in range(n)]
    return Predictions(
        [f"clip-{i:03d}" for i in range(n)],
        groups,
        target,
        folds,
        probabilities,
        [f"{i:032x}" for i in range(n)],
    )


def competitor(name: str, predictions: Predictions, **changes: Any) -> Result:
    """The result of those predictions; ``changes`` of a combination's or a result's field, or of
    ``kind`` and ``digest`` of the folds.
    """
    entry = {
        "backbones": ["a", "b"],
        "families": ["mamba", "attention"],
        "fusion": "concat",
        "loss": "cross-entropy",
        "dataset": "bursts",
        "grid": "g",
        "paper": "",
        "demo": False,
    }
    entry |= {key: changes.pop(key) for key in list(changes) if key in entry}
    kind, digest = changes.pop("kind", "speaker"), changes.pop("digest", "d" * 64)
    hard = predictions.decisions(len(LABELS))
    counts = sum(confusion(hard.target, row, len(LABELS)) for row in hard.predicted)
    per_fold = [s for r in range(len(hard.predicted)) for s in _per_fold(predictions, r)]
    scores = {
        metric: Score(
            value=i.value,
            low=i.low,
            high=i.high,
            se=i.se,
            bootstrap=None,
            fold_mean=i.value,
            fold_sd=0.01,
            seed_sd=0.01,
        )
        for metric, i in jackknife(hard).items()
    }
    template = finished()
    number = {label: int((hard.target == i).sum()) for i, label in enumerate(LABELS)}
    counted = template.counts.model_copy(
        update={
            "clips": len(predictions.ids),
            "groups": len(set(predictions.groups)),
            "per_class": number,
        }
    )
    facts = {
        "id": name,
        "standing": "official",
        "labels": LABELS,
        "counts": counted,
        "per_group_accuracy": {},
        "confusion": counts.tolist(),
        "per_class_recall": dict(zip(LABELS, recalls(counts).tolist(), strict=True)),
        "seeds": len(hard.predicted),
    }
    cut = Folds(kind=kind, digest=digest, number=len(FOLDS), speakers_seen=False, notes=[])
    return finished(
        **{
            **facts,
            "entry": Combination(**entry),
            "folds": cut,
            "scores": scores,
            "per_fold": per_fold,
            **changes,
        }
    )


def filed(
    name: str,
    skill: float = 0.6,
    *,
    seed: int = 0,
    speakers: int = 8,
    replicates: int = 2,
    **changes: Any,
) -> StoredResult:
    """A filed competitor; a ranked one has five replicates."""
    predictions = said(skill, seed=seed, speakers=speakers, replicates=replicates)
    return StoredResult(competitor(name, predictions, **changes), lambda: predictions)


def _per_fold(predictions: Predictions, replicate: int) -> list[FoldScore]:
    hard = predictions.decisions(len(LABELS)).predicted[replicate]
    found = []
    for fold in FOLDS:
        rows = np.array([name == fold for name in predictions.folds])
        values = dict.fromkeys(NAMES, float((hard[rows] == predictions.target[rows]).mean()))
        found.append(
            FoldScore(
                fold=fold,
                replicate=replicate,
                train=40,
                validation=8,
                test=int(rows.sum()),
                absent=[],
                best_epoch=1,
                epochs=2,
                curves=[],
                **values,
            )
        )
    return found


def cells_of(predictions: Predictions, columns: list[str] = COLUMNS) -> list[list[str]]:
    """The predictions as cells of a file."""
    found = []
    for r, decided in enumerate(predictions.decisions(3).predicted):
        rows = zip(
            predictions.ids,
            predictions.target,
            decided,
            predictions.groups,
            predictions.folds,
            strict=True,
        )
        cells = [
            dict(zip(COLUMNS, [i, LABELS[t], LABELS[p], g, f, str(r)], strict=True))
            for i, t, p, g, f in rows
        ]
        found += [[cell[name] for name in columns] for cell in cells]
    return found


def write(
    path: Path, cells: list[list[str]], columns: list[str] = COLUMNS, end: str = "\n"
) -> Path:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=end).writerows([columns, *cells])
    path.write_bytes(buffer.getvalue().encode())
    return path
