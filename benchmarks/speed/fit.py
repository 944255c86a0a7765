"""Training five folds of a job: ours against the loops people write, same model, data and epochs;
and what RENO's whole grid would take.

    python benchmarks/speed/fit.py [--joint] [--grid] [--device cuda]

1. Five folds, early stopping off: the DataLoader loop of most papers' code (Adam, one fold after
  the other, torch's own number of threads), the best plain loop (rows by index, fused Adam; on one
  thread and on all, the faster is taken), and ours one by one, in parallel processes (for
  one seed, where a fifth fold leaves a core idle, and for three seeds), alternating in one run,
  median of three; processes are started before the clock. ``--joint`` (always on a GPU): trained
  jointly too.
2. How far joint training ends from one by one: macro-F1 after 20 epochs, where rounding has had its
  time.
3. ``--grid``: milliseconds of a training step for each fusion and width, all workers busy (joint on
  a GPU), and from them the projected hours of the 150 rows x 5 folds x 20 epochs of RENO's Tables I
  and II, from cached embeddings.
"""

from __future__ import annotations

import functools
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nverbench import Batch, registry
from nverbench.data.folds.assign import Fold
from nverbench.metrics import scores
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.plugin import discovery
from nverbench.training.folds import fit_folds
from nverbench.training.records import TrainingSetup

CLASSES, FOLDS, BATCH, SEEDS, TIMES = 6, 5, 32, 3, 3
COMPARED = {("fcn", (768,)): 20, ("cnn", (768,)): 2, ("reno", (768, 960)): 1}
"""Fusion and widths -> epochs: a small head needs many to be timed."""
CLIPS = {"asvp-esd": 7545, "jnv": 420, "vivae": 1085}
WIDTHS = {"audio-mamba-tiny": 960, "audio-mamba-small": 1920, "audio-mamba-base": 3840}
SPEECH = 768
DEVICE = "cuda" if "cuda" in sys.argv else "cpu"


def made(clips: int, dims: tuple[int, ...]) -> tuple[list[Any], Any, list[Fold]]:
    """Random embeddings of the real sizes, and five folds without a validation part."""
    rng = np.random.default_rng(0)
    rows = np.array_split(rng.permutation(clips), FOLDS)
    cut = [
        Fold(
            str(i),
            tuple(np.setdiff1d(np.arange(clips), test).tolist()),
            (),
            tuple(sorted(test.tolist())),
            False,
        )
        for i, test in enumerate(rows)
    ]
    return (
        [rng.standard_normal((clips, d)).astype(np.float32) for d in dims],
        rng.integers(0, CLASSES, clips),
        cut,
    )


def training(fusion: str, epochs: int) -> TrainingSetup:
    """The job's training, without early stopping."""
    parts = discovery.discover()
    part = parts.fusion(fusion)
    protocol = (
        registry.load()
        .protocol("nver-1")
        .model_copy(update={"selection": "last", "epochs": epochs, "scaling": "none"})
    )
    options = {
        n: p.default
        for n, p in __import__("inspect").signature(part.build).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }
    loss = parts.loss(part.default_loss)
    loss_options = {
        n: p.default
        for n, p in __import__("inspect").signature(loss.build).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }
    return TrainingSetup(part, options, loss, loss_options, protocol, CLASSES, DEVICE)


def plain(
    plan: TrainingSetup,
    streams: list[Any],
    target: Any,
    cut: list[Fold],
    *,
    loader: bool,
    threads: int,
) -> None:
    """The loop people write: DataLoader and Adam; or, without ``loader``, rows by index and fused
    Adam.
    """
    torch.set_num_threads(threads)
    data, labels = (
        [torch.from_numpy(s).to(DEVICE) for s in streams],
        torch.from_numpy(target).to(DEVICE),
    )
    for fold in cut:
        torch.manual_seed(0)
        module = plan.fusion.build(
            tuple(s.shape[1] for s in streams), CLASSES, **plan.fusion_options
        ).to(DEVICE)
        objective = plan.loss.build(
            CLASSES, torch.bincount(labels, minlength=CLASSES), **plan.loss_options
        )
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=None if loader else True)
        rows = torch.tensor(fold.train, device=DEVICE)
        own = [d[rows] for d in data]
        batches = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(*own, labels[rows]), batch_size=BATCH, shuffle=True
        )
        for _ in range(plan.epochs):
            if loader:
                steps: Any = ((b[:-1], b[-1]) for b in batches)
            else:
                order = torch.randperm(len(rows)).to(DEVICE)
                steps = (
                    (tuple(d[part] for d in own), labels[rows[part]]) for part in order.split(BATCH)
                )
            for features, wanted in steps:
                optimizer.zero_grad(set_to_none=True)
                torch.stack(
                    list(objective(module(Batch(tuple(features))), wanted).terms.values())
                ).sum().backward()
                optimizer.step()
        with torch.no_grad():
            module.eval()(Batch(tuple(d[list(fold.test)] for d in data)))
    torch.set_num_threads(1)


def ours(
    way: str,
    plan: TrainingSetup,
    streams: list[Any],
    target: Any,
    cut: list[Fold],
    workers: ProcessExecutor | None,
    seeds: int = 1,
) -> Any:
    """The project's own fit, in one of its ways."""
    os.environ["NVERBENCH_FIT"] = way
    return fit_folds(plan, streams, target, cut, seeds, workers=workers)


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def compare(workers: ProcessExecutor, *, joint: bool) -> None:
    """The first table."""
    cores = os.cpu_count() or 1
    print(
        f"1,085 clips, {DEVICE}, {cores} cores; seconds of five folds and an epoch (times faster"
        " than the DataLoader loop)\n"
    )
    print(
        "| fusion | widths | DataLoader loop | best plain loop | ours, one by one | ours, processes"
        " | ours, processes, 3 seeds: each |"
        + (" ours, joint |" if joint else "")
        + "\n|"
        + "---|" * (8 if joint else 7)
    )
    for (fusion, dims), epochs in COMPARED.items():
        plan, job = training(fusion, epochs), made(1085, dims)
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "loader": (1, lambda plan=plan, job=job: plain(plan, *job, loader=True, threads=cores)),
            "index1": (1, lambda plan=plan, job=job: plain(plan, *job, loader=False, threads=1)),
            "index": (1, lambda plan=plan, job=job: plain(plan, *job, loader=False, threads=cores)),
            "one": (1, lambda plan=plan, job=job: ours("one", plan, *job, None)),
            "processes": (1, lambda plan=plan, job=job: ours("processes", plan, *job, workers)),
            "seeds": (
                SEEDS,
                lambda plan=plan, job=job: ours("processes", plan, *job, workers, SEEDS),
            ),
        }
        if joint:
            ways["joint"] = 1, lambda plan=plan, job=job: ours("joint", plan, *job, None)
        rounds = [
            {name: timed(work) / seeds / epochs for name, (seeds, work) in ways.items()}
            for _ in range(TIMES)
        ]
        t = {name: statistics.median(r[name] for r in rounds) for name in ways}
        t["index"] = min(t["index"], t.pop("index1"))
        cells = " | ".join(f"{t[n]:.2f} ({t['loader'] / t[n]:.1f})" for n in t if n != "loader")
        print(
            f"| {fusion} | {'+'.join(map(str, dims))} | {t['loader']:.2f} | {cells} |", flush=True
        )


def drift() -> None:
    """The second: macro-F1 of five folds trained jointly and one by one, on features whose classes
    overlap.
    """
    plan, (streams, target, cut) = training("fcn", 20), made(420, (768,))
    streams[0][:, :CLASSES] += 2 * np.eye(CLASSES, dtype=np.float32)[target]
    macro = []
    for way in ("one", "joint"):
        fitted = ours(way, plan, streams, target, cut, None)[0]
        counts = sum(
            scores.confusion(target[list(f.test)], o.probabilities.argmax(-1), CLASSES)
            for f, o in zip(cut, fitted, strict=True)
        )
        macro.append(float(scores.scores(counts)["macro_f1"]))
    print(
        f"\nfcn, 20 epochs, float32: macro-F1 one by one {macro[0]:.4f}, jointly {macro[1]:.4f},"
        f" difference {macro[1] - macro[0]:+.4f}"
    )


def grid(workers: ProcessExecutor) -> None:
    """The second table: seconds per training step with all workers busy, and the projected
    total.
    """
    singles, pairs = (
        [(d,) for d in (SPEECH, *WIDTHS.values())],
        [(d, SPEECH) for d in (SPEECH, *WIDTHS.values())],
    )
    rows = {("fcn", d): 4 if d == (SPEECH,) else 1 for d in singles} | {
        ("cnn", d): 4 if d == (SPEECH,) else 1 for d in singles
    }
    rows |= {(f, d): 6 if d == (SPEECH, SPEECH) else 4 for f in ("concat", "reno") for d in pairs}
    total = 0.0
    print(
        f"\nRENO's Tables I and II from cached embeddings, {DEVICE}\n\n| fusion | widths | ms per"
        " step, all cores | "
        + " | ".join(f"{name}: one job, min" for name in CLIPS)
        + " | rows a corpus |\n|---|---|---|---|---|---|---|"
    )
    for (fusion, dims), count in rows.items():
        job, probe = made(420, dims), training(fusion, 1)
        steps = FOLDS * -(-336 // BATCH)
        way = "joint" if DEVICE == "cuda" else "processes"
        # 10 trainings: no core is idle
        work = functools.partial(ours, way, probe, *job, workers, 2)
        each = min(timed(work) for _ in range(2)) / steps / 2
        jobs = {
            name: each * FOLDS * 20 * -(-(clips * 4 // 5) // BATCH) / 60
            for name, clips in CLIPS.items()
        }
        total += count * sum(jobs.values())
        minutes = " | ".join(f"{m:.2f}" for m in jobs.values())
        print(
            f"| {fusion} | {'+'.join(map(str, dims))} | {1e3 * each:.1f} | {minutes} | {count} |",
            flush=True,
        )
    print(f"\nprojected: {total / 60:.1f} hours for 750 trainings of 20 epochs, early stopping off")


def main() -> None:
    """Run the requested comparisons."""
    torch.set_num_threads(1)
    with ProcessExecutor() as workers:
        ours("processes", training("linear", 1), *made(100, (8,)), workers)  # the workers start
        compare(workers, joint=DEVICE == "cuda" or "--joint" in sys.argv)
        drift()
        if "--grid" in sys.argv:
            grid(workers)


if __name__ == "__main__":
    main()
