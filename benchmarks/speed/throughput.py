"""N workers compared with one worker: embeddings in clips per second, trainings per second,
locally and through Ray; and what Ray itself costs.

    python benchmarks/speed/throughput.py [--times 3]

The demo corpus, an untrained audio-mamba-tiny on one thread, and ten trainings of some seconds
each. Medians; the ways take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nverbench import registry
from nverbench.data import corpus as corpora
from nverbench.data.folds.assign import Fold
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.pooled import embed
from nverbench.embedding.weights import PlannedBackbone, find_weights
from nverbench.pipeline.executors import processes
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.pipeline.executors.ray import connection
from nverbench.pipeline.executors.ray.executor import RayExecutor
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve
from nverbench.training.folds import fit_folds
from nverbench.training.records import TrainingSetup

TRAININGS, ROWS = 10, 800
CLIPS = 64


def fresh(cores: int) -> RayExecutor:
    """A Ray executor on a new local cluster with that many processors."""
    affinity = os.sched_getaffinity
    vars(os)["sched_getaffinity"] = lambda pid: set(range(cores))
    try:
        executor = RayExecutor()
        executor._start()
    finally:
        vars(os)["sched_getaffinity"] = affinity
    return executor


def embedding(executor: Any) -> float:
    """Clips per second, all in all but for what starting processes and loading takes
    (``Extraction.loop``).
    """
    parts = discovery.discover()
    part, dataset = parts.backbone("audio-mamba-tiny"), parts.dataset("vocal-demo")
    reference = resolve(part, "audio-mamba-tiny:untrained")
    weights = find_weights(part, reference, None)
    corpus = corpora.load_local(dataset, "vocal-demo")
    with tempfile.TemporaryDirectory() as folder:
        found = embed(
            PlannedBackbone(part, reference, weights),
            corpus.clips[:CLIPS],
            corpus.sha256,
            EmbeddingCache(Path(folder)),
            device="cpu",
            listen=executor.embed,
        )
    return len(found.ids) / found.loop


def fitting(executor: Any, epochs: int) -> float:
    """Trainings per second."""
    parts, rng = discovery.discover(), np.random.default_rng(0)
    protocol = (
        registry.load().protocol("nver-1").model_copy(update={"epochs": epochs, "patience": epochs})
    )
    plan = TrainingSetup(
        parts.fusion("fcn"),
        {"dense1": 256, "dense2": 64, "dropout": 0.3},
        parts.loss("cross-entropy"),
        {},
        protocol,
        6,
    )
    x, target, rows = (
        rng.standard_normal((ROWS, 768)).astype(np.float32),
        np.arange(ROWS) % 6,
        np.arange(ROWS),
    )
    cut = [
        Fold(
            str(i),
            tuple(rows[rows % 5 != i][60:]),
            tuple(rows[rows % 5 != i][:60]),
            tuple(rows[rows % 5 == i]),
            False,
        )
        for i in range(5)
    ]
    began = time.perf_counter()
    fit_folds(plan, [x], target, cut, TRAININGS // 5, workers=executor)
    return TRAININGS / (time.perf_counter() - began)


def own_cost(times: int) -> tuple[float, float]:
    """Seconds to start and end Ray here, and milliseconds of an empty task."""
    starts, tasks = [], []
    for _ in range(times):
        began = time.perf_counter()
        ray = connection.connected(None, 1)
        empty = ray.remote(lambda: None)
        starts.append(time.perf_counter() - began)
        ray.get([empty.remote() for _ in range(20)])
        began = time.perf_counter()
        ray.get([empty.remote() for _ in range(500)])
        tasks.append((time.perf_counter() - began) * 2)
        connection.leave(ray, None)
    return statistics.median(starts), statistics.median(tasks)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60, help="of a training")
    arguments = parser.parse_args()
    times = arguments.times
    home = tempfile.TemporaryDirectory(prefix="nverbench-throughput-")
    os.environ.update(NVERBENCH_HOME=home.name, OMP_WAIT_POLICY="passive")
    torch.set_num_threads(1)
    processes.WORTH_STARTING = 0.0
    ways: dict[str, Callable[[], Any]] = {
        "local, 1 process": lambda: ProcessExecutor(1),
        "local, 2 processes": lambda: ProcessExecutor(2),
        "ray, 1 CPU": lambda: fresh(1),
        "ray, 2 CPUs": lambda: fresh(2),
    }
    clips: dict[str, list[float]] = {way: [] for way in ways}
    trainings: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(times):
        for way, make in ways.items():
            with make() as executor:
                fitting(executor, 1)  # processes start
                clips[way].append(embedding(executor))
                trainings[way].append(fitting(executor, arguments.epochs))
    print(
        "| way | clips per second | against one | trainings per second | against one |\n| --- |"
        " ---: | ---: | ---: | ---: |"
    )
    first = "local, 1 process"
    for way in ways:
        c, t = statistics.median(clips[way]), statistics.median(trainings[way])
        against = c / statistics.median(clips[first]), t / statistics.median(trainings[first])
        print(f"| {way} | {c:.1f} | {against[0]:.2f} | {t:.2f} | {against[1]:.2f} |")
    start, task = own_cost(times)
    print(f"\nRay itself: {start:.1f} s to start on this machine, {task:.2f} ms for an empty task.")


if __name__ == "__main__":
    main()
