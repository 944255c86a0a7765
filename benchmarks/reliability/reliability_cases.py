"""The cases of ``reliability.py`` in the world of tones: a run is killed, a worker is killed,
several run at once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import reliability_left
from reliability_world import BATCH, CLIPS, FOLDS, STAGES, World

PATIENCE = 240.0
"""Seconds after which a run counts as hung."""
SHORTEST = 0.02
"""Seconds that any stage is taken to last: a moment within it is drawn from them."""


@dataclass
class Outcome:
    """One case, and what went wrong in it: nothing, one hopes."""

    what: str
    happened: bool = False
    """Whether the trouble came about: a run may end before it is killed."""
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> list[str]:
        """All of it."""
        return self.lost + self.wrong + self.hung + self.left


@dataclass(frozen=True)
class Calm:
    """What an undisturbed run gave."""

    database: Path
    """An empty one of MLflow, to begin with."""
    seconds: list[float]
    """Of every stage."""
    digests: dict[str, str]


def undisturbed(world: World) -> list[float]:
    """Run a world to its end; the seconds of every stage.

    Raises:
        RuntimeError: it failed: there is nothing to compare with.
    """
    process, began = world.start(), [0.0] * len(STAGES)
    while process.poll() is None:
        for i in range(world.stage()):
            began[i] = began[i] or time.monotonic()
        time.sleep(0.005)
    if process.returncode:
        raise RuntimeError((world.root / "said").read_text())
    ends = [*began[1:], time.monotonic()]
    return [max(SHORTEST, end - begin) for begin, end in zip(began, ends, strict=True)]


def until(world: World, stage: str, process: subprocess.Popen[str], delay: float) -> None:
    """Wait until ``delay`` seconds after a stage began, or the process ended."""
    deadline = time.monotonic() + PATIENCE
    while (
        world.stage() <= STAGES.index(stage)
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.002)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)


def killed(world: World, stage: str, delay: float, expected: dict[str, str]) -> Outcome:
    """Kill a run ``delay`` seconds after a stage began, run it again, and look."""
    outcome, process = Outcome(f"run killed in {stage}"), world.start()
    until(world, stage, process, delay)
    outcome.happened = shot(process)
    outcome.left += reliability_left.processes(world.root / "home")  # workers end with their parent
    kept, heard, built = world.kept(), world.count("heard"), world.count("built")
    ended(world, outcome, world.start())
    recomputed(world, outcome, kept)
    if world.count("heard") > CLIPS + BATCH:
        outcome.lost.append(
            f"{world.count('heard')} clips were heard, {heard} of them before the kill"
        )
    if world.count("built") - built > FOLDS * (len(expected) - len(kept)):
        outcome.lost.append(f"{world.count('built') - built} trainings after the kill")
    looked(world, outcome, expected)
    return outcome


def worker_killed(world: World, chance: random.Random, calm: Calm) -> Outcome:
    """Kill one of the processes that train; the run itself must end well."""
    outcome, process = Outcome("training worker killed"), world.start()
    workers, deadline = list[int](), time.monotonic() + PATIENCE
    while not workers and process.poll() is None and time.monotonic() < deadline:
        workers = reliability_left.children(process.pid, b"spawn_main")
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(
            chance.uniform(0.0, calm.seconds[STAGES.index("fit")] + 4.0)
        )  # they import torch for some seconds
    for worker in (
        chance.sample(reliability_left.children(process.pid, b"spawn_main"), 1)
        if process.poll() is None
        else []
    ):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
            outcome.happened = True
    kept = world.kept()
    ended(world, outcome, process)
    recomputed(world, outcome, kept)
    looked(world, outcome, calm.digests)
    return outcome


def together(
    world: World,
    count: int,
    calm: Calm,
    chance: random.Random | None,
    *,
    server: bool,
    folders: bool,
) -> Outcome:
    """Several runs at once on one cache, one MLflow and one folder of results (or one each); with
    ``chance`` one of them is killed at some moment.
    """
    names = [f"runs-{i}" if folders else "nverbench-runs" for i in range(count)]
    where = f"{'a folder each, ' if folders else ''}one MLflow {'server' if server else 'database'}"
    outcome = Outcome(
        f"{count} runs at once ({where}){', one killed' if chance else ''}", happened=True
    )
    with reliability_left.tracking(world.root, server=server) as uri:
        processes = [world.start(name, uri) for name in names]
        if chance is not None:
            stage = chance.choice(STAGES)
            until(
                world,
                stage,
                processes[0],
                chance.uniform(0.0, 2 * calm.seconds[STAGES.index(stage)]),
            )
            outcome.happened, outcome.what = shot(processes[0]), outcome.what
        for process in processes[1:] if chance is not None else processes:
            ended(world, outcome, process)
        if chance is not None and folders:
            ended(world, outcome, world.start(names[0], uri))
    looked(world, outcome, calm.digests, names)
    return outcome


def shot(process: subprocess.Popen[str]) -> bool:
    """Kill a process; whether it still ran."""
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def ended(world: World, outcome: Outcome, process: subprocess.Popen[str]) -> None:
    """Wait for a run that must succeed, and tell everything."""
    try:
        if process.wait(timeout=PATIENCE):
            outcome.wrong.append(
                f"exit code {process.returncode}: {(world.root / 'said').read_text()[-600:]}"
            )
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        outcome.hung.append(f"a run took more than {PATIENCE:.0f} s")


def recomputed(world: World, outcome: Outcome, kept: dict[str, bytes]) -> None:
    """Finished results must stay, to the byte."""
    now = world.kept()
    outcome.lost += [
        f"{name} was computed again" for name, content in kept.items() if now.get(name) != content
    ]


def looked(
    world: World, outcome: Outcome, expected: dict[str, str], folders: list[str] | None = None
) -> None:
    """What a world must be once its runs are over."""
    for folder in folders or ["nverbench-runs"]:
        if world.digests(folder) != expected:
            outcome.wrong.append(f"digests {world.digests(folder)}, expected {expected}")
    outcome.wrong += reliability_left.told(world.root / "mlflow.db", expected.values(), FOLDS)
    outcome.left += (
        reliability_left.files(world.root)
        + reliability_left.locks(world.root)
        + reliability_left.processes(world.root / "home")
    )
