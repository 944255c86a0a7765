"""Runs in trouble: ``nverbench run`` killed at random moments, and two at once; what was lost, wrong, hung or left behind.

    python benchmarks/reliability.py [--count 50] [--seed 0] [--write]

Every case is a world of its own: 24 short tones, two fusions, an MLflow database. ``--write`` puts the table into RELIABILITY.md.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import reliability_left
from reliability_world import BATCH, CLIPS, FOLDS, STAGES, World, made

PATIENCE = 240.0
"""Seconds after which a run counts as hung."""
SHORTEST = 0.02
"""Seconds that any stage is taken to last: a moment within it is drawn from them."""


@dataclass
class Outcome:
    """One case, and what went wrong in it: nothing, one hopes."""

    what: str
    killed: bool = False
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> list[str]:
        """All of it."""
        return self.lost + self.wrong + self.hung + self.left


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


def killed(world: World, stage: str, delay: float, expected: dict[str, str]) -> Outcome:
    """Kill a run ``delay`` seconds after a stage began, run it again, and look."""
    outcome, process = Outcome(f"killed in {stage}"), world.start()
    deadline = time.monotonic() + PATIENCE
    while world.stage() <= STAGES.index(stage) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    outcome.killed = process.wait() == -signal.SIGKILL
    outcome.left += reliability_left.processes(world.root / "home")  # workers end with their parent
    kept, heard, built = world.kept(), world.count("heard"), world.count("built")
    ended(world, outcome, world.start())
    now = world.kept()
    outcome.lost += [f"{name} was computed again" for name, content in kept.items() if now.get(name) != content]
    if world.count("heard") > CLIPS + BATCH:
        outcome.lost.append(f"{world.count('heard')} clips were heard, {heard} of them before the kill")
    if world.count("built") - built > FOLDS * (len(expected) - len(kept)):
        outcome.lost.append(f"{world.count('built') - built} trainings after the kill")
    looked(world, outcome, expected)
    return outcome


def together(world: World, expected: dict[str, str]) -> Outcome:
    """Two runs at once on one cache, one folder of results and one database."""
    outcome = Outcome("two runs at once", killed=True)
    for process in [world.start(), world.start()]:
        ended(world, outcome, process)
    looked(world, outcome, expected)
    return outcome


def ended(world: World, outcome: Outcome, process: subprocess.Popen[str]) -> None:
    """Wait for a run that must succeed."""
    try:
        if process.wait(timeout=PATIENCE):
            outcome.wrong.append(f"exit code {process.returncode}: {(world.root / 'said').read_text()[-600:]}")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        outcome.hung.append(f"a run took more than {PATIENCE:.0f} s")


def looked(world: World, outcome: Outcome, expected: dict[str, str]) -> None:
    """What a world must be once its runs are over."""
    if world.digests() != expected:
        outcome.wrong.append(f"digests {world.digests()}, expected {expected}")
    outcome.wrong += reliability_left.told(world.root / "mlflow.db", expected.values(), FOLDS)
    outcome.left += reliability_left.files(world.root) + reliability_left.locks(world.root) + reliability_left.processes(world.root / "home")


def cases(root: Path, count: int, seed: int) -> list[Outcome]:
    """``count`` kills, spread over the stages at random moments, and a pair of runs for every ten of them."""
    database = reliability_left.empty_database(root / "empty" / "mlflow.db")
    calm = made(root / "calm", database=database)
    seconds, chance, found = undisturbed(calm), random.Random(seed), []
    for number in range(count + max(1, count // 10)):
        world = made(root / f"{number}", fit="processes" if number % 4 == 3 else "one", database=None if number % 5 == 4 else database)
        stage = STAGES[number % len(STAGES)] if number % 4 != 3 else chance.choice(STAGES)
        delay = chance.uniform(0.0, seconds[STAGES.index(stage)])
        pair = number >= count
        found.append(together(world, calm.digests()) if pair else killed(world, stage, delay, calm.digests()))
        print(f"{number + 1:4} {found[-1].what} (+{delay:.2f} s): {'; '.join(found[-1].troubles) or 'as undisturbed'}", file=sys.stderr, flush=True)
        shutil.rmtree(world.root)
    return found


def table(found: list[Outcome]) -> str:
    """Markdown: a row for every kind of trouble."""
    lines = ["| injected | times | lost | wrong | hung | left behind |", "|---|---|---|---|---|---|"]
    for what, times in Counter(o.what for o in found if o.killed).items():
        own = [o for o in found if o.what == what and o.killed]
        lines.append(f"| {what} | {times} | {' | '.join(str(sum(bool(getattr(o, n)) for o in own)) for n in ('lost', 'wrong', 'hung', 'left'))} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table; exit code 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="Kills.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="Put the table into benchmarks/RELIABILITY.md.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = cases(Path(folder), asked.count, asked.seed)
    print(table(found))
    if asked.write:
        reliability_left.written(Path(__file__).with_name("RELIABILITY.md"), table(found))
    sys.exit(any(o.troubles for o in found))


if __name__ == "__main__":
    main()
