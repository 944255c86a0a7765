"""How planning grows: the plan of 10,000 jobs, its dry run, a listing of 10,000 entries, the skip
of finished jobs; seconds and peak memory.

Seconds by the clock, and of this process alone (CPU s): on a busy machine the second is what the
work costs. Every row is a process of its own, so that its peak memory is its own. ``--entries`` and
``--finished`` make it smaller; ``--stage NAME --profile`` prints where one stage spends its time.
Nothing is trained: the corpora are the small synthetic ones, and finished results are one result
under many ids.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nverbench.pipeline.job import Plan

HERE = Path(__file__).resolve().parent
CORPORA = ("vocal-demo", "conversation-demo")
WIDTHS = 10
"""Backbones: the log-mel floor, projected to this many widths."""


def overlay(folder: Path, entries: int) -> Path:
    """A registry file of this many entries: every width with every head and corpus."""
    heads = [f"fcn:dense1={64 + n}" for n in range(entries // (WIDTHS * len(CORPORA)))]
    grid = {
        "name": "scale",
        "backbones": [[f"logmel-stats:project={8 + n}"] for n in range(WIDTHS)],
        "fusions": heads,
        "datasets": list(CORPORA),
    }
    path = folder / "scale.yaml"
    path.write_text(json.dumps({"entries": [grid]}), encoding="utf-8")  # JSON is YAML
    return path


def planned(entries: int, folder: Path) -> Plan:
    """The plan of every entry of the overlay."""
    from nverbench import registry
    from nverbench.pipeline import plan
    from nverbench.pipeline.selection import Selection
    from nverbench.plugin import discovery

    return plan.plan(
        registry.load([overlay(folder, entries)]),
        discovery.discover(),
        Selection(backbones=("logmel-stats",), fusions=("fcn",)),
    )


def time_plan(entries: int, folder: Path) -> tuple[float, int, float]:
    """Seconds of ``plan.plan`` with corpora and file digests on disk already, and its jobs."""
    from nverbench import registry
    from nverbench.pipeline import plan
    from nverbench.pipeline.selection import Selection
    from nverbench.plugin import discovery

    rules, parts, asked = (
        registry.load([overlay(folder, entries)]),
        discovery.discover(),
        Selection(backbones=("logmel-stats",), fusions=("fcn",)),
    )
    began, own = time.perf_counter(), time.process_time()
    made = plan.plan(rules, parts, asked)
    return time.perf_counter() - began, len(made.jobs), time.process_time() - own


def time_command(words: list[str], entries: int, folder: Path) -> tuple[float, int, float]:
    """Seconds of a command inside a fresh process, imports and the reading of the registry counted,
    and the lines it printed.
    """
    from nverbench.cli import main

    printed = io.StringIO()
    file = overlay(folder, entries)
    began, own = time.perf_counter(), time.process_time()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(SystemExit),
    ):
        main([*words, "--registry", str(file)])
    return time.perf_counter() - began, printed.getvalue().count("\n"), time.process_time() - own


def time_skips(finished: int, folder: Path) -> tuple[float, int, float]:
    """Seconds of a run whose jobs are all finished (plan, imports and table not counted), and its
    jobs.
    """
    from nverbench.pipeline.run import run

    made = planned(finished, folder)
    out = folder / "runs"
    pretend(made, out)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    began, own = time.perf_counter(), time.process_time()
    summary = run(made, out, uri, say=lambda _: None)
    seconds, used = time.perf_counter() - began, time.process_time() - own
    if len(summary.unchanged) != len(made.jobs):
        raise SystemExit(
            f"{len(made.jobs) - len(summary.unchanged)} of {len(made.jobs)} jobs were not skipped:"
            f" {summary.failures[:1]}"
        )
    return seconds, len(made.jobs), used


def time_build(finished: int, folder: Path) -> tuple[float, int, float]:
    """Seconds of ``leaderboard build`` of that many results, read from disk, and the results."""
    pretend(planned(finished, folder), folder / "runs")
    seconds, _, own = time_command(
        ["leaderboard", "build", "--no-entries", "--out", str(folder / "runs")], finished, folder
    )
    return seconds, finished, own


def pretend(made: Plan, out: Path) -> None:
    """Results on disk for every job of a plan: one result, of the size of a real one, under every
    id.
    """
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    from nverbench.results.store import ResultStore
    from support.results import finished, predictions

    folder, arrays = ResultStore(out), predictions()
    curves = [{"train": 1.0 / (1 + n), "validation": 1.1 / (1 + n)} for n in range(50)]
    fold = finished().per_fold[0].model_copy(update={"curves": curves})
    per_fold = [
        fold.model_copy(update={"fold": str(n), "replicate": r}) for r in range(5) for n in range(5)
    ]
    for job in made.jobs:
        folder.write(finished(id=job.id, per_fold=per_fold), arrays)


def stages(
    entries: int, finished: int, folder: Path
) -> dict[str, tuple[str, Callable[[], tuple[float, int, float]]]]:
    """What is measured, by name: its heading and what measures it."""
    filters = ["--backbone", "logmel-stats", "--fusion", "fcn"]
    return {
        "plan": (f"plan of {entries:,} jobs", lambda: time_plan(entries, folder)),
        "dry-run": (
            f"run --dry-run of {entries:,} jobs",
            lambda: time_command(["run", *filters, "--dry-run"], entries, folder),
        ),
        "list": (
            f"list entries, {entries:,} of them",
            lambda: time_command(["list", "entries"], entries, folder),
        ),
        "skip": (f"skip of {finished:,} finished jobs", lambda: time_skips(finished, folder)),
        "build": (
            f"leaderboard build of {finished:,} results",
            lambda: time_build(finished, folder),
        ),
    }


def measure(name: str, entries: int, finished: int, *, profile: bool) -> None:
    """One stage in this process: prints seconds, the number of things, and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        watcher = cProfile.Profile()
        work = stages(entries, finished, Path(folder))[name][1]
        seconds, number, own = watcher.runcall(work) if profile else work()
    if profile:
        pstats.Stats(watcher).sort_stats("cumulative").print_stats(45)
    print(
        json.dumps(
            [seconds, number, own, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
        )
    )


def main() -> None:
    """Print the table, a row per stage."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--entries", type=int, default=10_000)
    words.add_argument("--finished", type=int, default=1_000)
    words.add_argument("--stage", help=argparse.SUPPRESS)
    words.add_argument(
        "--profile",
        action="store_true",
        help="with --stage plan, dry-run, list, skip or build: where it spends its time",
    )
    asked = words.parse_args()
    if asked.stage:
        measure(asked.stage, asked.entries, asked.finished, profile=asked.profile)
        return
    with tempfile.TemporaryDirectory() as home:
        around = {**os.environ, "NVERBENCH_HOME": home}
        sizes = ["--entries", str(asked.entries), "--finished", str(asked.finished)]
        run = [sys.executable, __file__, "--stage"]
        subprocess.run(
            [*run, "plan", "--entries", "40"], check=True, env=around, stdout=subprocess.DEVNULL
        )  # makes the corpora, digests their files
        print(f"{'':<34} {'seconds':>8} {'CPU s':>8} {'ms each':>8} {'things':>7} {'peak MiB':>9}")
        for name, (heading, _) in stages(asked.entries, asked.finished, Path(home)).items():
            done = subprocess.run(
                [*run, name, *sizes], check=True, env=around, stdout=subprocess.PIPE, text=True
            )
            seconds, number, own, peak = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{heading:<34} {seconds:>8.2f} {own:>8.2f} {1000 * seconds / max(1, number):>8.3f}"
                f" {number:>7,} {peak:>9,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
