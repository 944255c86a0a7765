"""What telling MLflow of a finished job costs: 5 folds of 20 epochs, 1 and 5 replicates, into
SQLite and through a local server.

The target is 0.7 s for a new job of one replicate (issue 9). The first job of a database, which
makes its tables, is shown apart. Not called mlflow.py: a script of that name would stand before the
real one on the path of every script beside it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # helpers of the tests

from nverbench.leaderboard import serve
from nverbench.results import tracking
from nverbench.results.predictions import Predictions
from nverbench.results.record import FoldScore, Result
from nverbench.results.store import ResultStore
from support.results import finished
from support.tracking_processes import free_port

JOBS, CLIPS, LABELS, EPOCHS = 12, 1229, 10, 20
TERMS = (
    "train_cross_entropy",
    "train_renyi",
    "train_loss",
    "watched_cross_entropy",
    "watched_accuracy",
    "watched_macro_f1",
)


def job(number: int, replicates: int) -> tuple[Result, Predictions]:
    """A job of the size of a registered one."""
    rng = np.random.default_rng(number)
    facts = {
        "train": 840,
        "validation": 120,
        "test": 269,
        "absent": [],
        "best_epoch": 9,
        "epochs": EPOCHS,
    }
    scores = dict.fromkeys(("accuracy", "macro_f1", "uar", "weighted_f1"), 0.4)
    folds = [
        FoldScore(
            fold=str(fold),
            replicate=replicate,
            **facts,
            **scores,
            curves=[dict(zip(TERMS, rng.random(6).tolist(), strict=True))] * EPOCHS,
        )
        for replicate in range(replicates)
        for fold in range(1, 6)
    ]
    recall = {f"label {i}": 0.4 for i in range(LABELS)}
    result = finished(
        id=f"{number:016x}",
        per_fold=folds,
        seeds=replicates,
        per_class_recall=recall,
        labels=list(recall),
    )
    keys = [f"{i:032x}" for i in range(CLIPS)]
    probabilities = rng.random((replicates, CLIPS, LABELS), dtype=np.float32)
    groups = [f"group {i % 41:02d}" for i in range(CLIPS)]
    return result, Predictions(
        keys,
        groups,
        rng.integers(0, LABELS, CLIPS),
        [str(1 + i % 5) for i in range(CLIPS)],
        probabilities,
        keys,
    )


def seconds(uri: str, root: Path, replicates: int) -> list[tuple[float, float]]:
    """Of each job, one after another: on the clock, and of this process's processor time (a
    server's is not in it).
    """
    folder, taken = ResultStore(root), []
    for number in range(JOBS):
        result, predictions = job(1000 * replicates + number, replicates)
        folder.write(result, predictions)
        began, worked = time.perf_counter(), time.process_time()
        tracking.log(result, folder, uri)
        taken.append((time.perf_counter() - began, time.process_time() - worked))
    return taken


@contextlib.contextmanager
def local_server(root: Path) -> Iterator[str]:
    """A tracking server with a SQLite database of its own."""
    with serve.mlflow_ui(f"sqlite:///{root}/server.db", root / "artifacts", free_port()) as (
        address,
        _,
    ):
        yield address.rstrip("/")


def main() -> None:
    """Print a Markdown table."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        "| store | replicates | first s | median s | worst s | median processor s"
        " |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as place, local_server(Path(place)) as server:
        for store, uri in (("SQLite", f"sqlite:///{place}/mlflow.db"), ("local server", server)):
            for replicates in (1, 5):
                first, *others = seconds(uri, Path(place) / store / str(replicates), replicates)
                clock, processor = ([one[i] for one in others] for i in (0, 1))
                cells = (
                    first[0],
                    statistics.median(clock),
                    max(clock),
                    statistics.median(processor),
                )
                print(
                    f"| {store} | {replicates} | {' | '.join(f'{cell:.2f}' for cell in cells)} |",
                    flush=True,
                )
        folder = ResultStore(Path(place) / "SQLite" / "1")
        for what, do in (
            ("push of nothing new", tracking.push),
            ("pull of nothing new", tracking.pull),
        ):
            began = time.perf_counter()
            do(folder, f"sqlite:///{place}/mlflow.db", print)
            print(f"{what}, {2 * JOBS} jobs on the server: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
