"""Runs in trouble: ``nverbench run`` and its workers killed at random moments, and several at once;
what was lost, wrong, hung or left behind.

    PYTHONPATH=. python benchmarks/reliability/reliability.py [--count 50] [--seed 0] [--keep FILE]
    [--only KIND]... [--write]

Every case is a world of its own: 24 short tones, two fusions, two kinds of folds, an MLflow
database; its moments hang on the seed and its number alone. ``--keep`` adds outcomes to a file and
passes over those that are there, so that the work can be cut in parts; ``--write`` puts the table
of all of them into RELIABILITY.md.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import reliability_left
from reliability_cases import Calm, Outcome, killed, together, undisturbed, worker_killed
from reliability_world import STAGES, made

Case = Callable[[Path, random.Random, int], Outcome]
TROUBLES = ("lost", "wrong", "hung", "left")


def kinds(root: Path) -> dict[str, tuple[float, Case]]:
    """What is injected -> how often for every kill of a run, and one case of it, in a folder of its
    own.
    """
    import reliability_talk

    found: list[Calm] = []

    def calm() -> Calm:
        if not found:
            database = reliability_left.empty_database(root / "empty" / "mlflow.db")
            world = made(root / "calm", database=database)
            found.append(Calm(database, undisturbed(world), world.digests()))
        return found[0]

    def kill(place: Path, chance: random.Random, number: int) -> Outcome:
        many = number % 4 == 3
        stage = STAGES[number % len(STAGES)] if not many else chance.choice(STAGES)
        world = made(
            place,
            fit="processes" if many else "one",
            database=None if number % 5 == 4 else calm().database,
        )
        return killed(
            world, stage, chance.uniform(0.0, calm().seconds[STAGES.index(stage)]), calm().digests
        )

    def tell(place: Path, chance: random.Random, number: int) -> Outcome:
        return killed(
            made(place, database=calm().database),
            "tell",
            chance.uniform(0.0, calm().seconds[-1]),
            calm().digests,
        )

    def worker(place: Path, chance: random.Random, number: int) -> Outcome:
        return worker_killed(made(place, fit="processes", database=calm().database), chance, calm())

    def drivers(count: int, *, victim: bool, server: bool = False, folders: bool = False) -> Case:
        def case(place: Path, chance: random.Random, number: int) -> Outcome:
            world = made(place, database=calm().database)
            return together(
                world, count, calm(), chance if victim else None, server=server, folders=folders
            )

        return case

    def talk(place: Path, chance: random.Random, number: int) -> Outcome:
        return reliability_talk.killed(root / "talk", chance, number)

    return {
        "kill": (1.0, kill),
        "tell": (0.2, tell),
        "worker": (0.2, worker),
        "talk": (0.2, talk),
        "two": (0.1, drivers(2, victim=False)),
        "two-kill": (0.1, drivers(2, victim=True)),
        "three": (0.1, drivers(3, victim=False)),
        "folders": (0.1, drivers(3, victim=False, folders=True)),
        "server": (0.1, drivers(3, victim=False, server=True, folders=True)),
        "server-kill": (0.1, drivers(3, victim=True, server=True, folders=True)),
    }


def carried_out(asked: argparse.Namespace, root: Path) -> list[Outcome]:
    """Every case that was asked for, but for those that are kept already, in front of which they
    stand.
    """
    known = read(asked.keep)
    for kind, (share, case) in kinds(root).items():
        for number in range(
            max(1, round(share * asked.count)) if not asked.only or kind in asked.only else 0
        ):
            name = f"{kind} {number} of seed {asked.seed}"
            if name in known:
                continue
            place = root / f"{kind}-{number}"
            known[name] = case(place, random.Random(name), number)
            print(
                f"{name}: {known[name].what}:"
                f" {'; '.join(known[name].troubles) or 'as undisturbed'}",
                file=sys.stderr,
                flush=True,
            )
            shutil.rmtree(place, ignore_errors=True)
            if asked.keep:
                with asked.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"name": name, **asdict(known[name])}) + "\n")
    return list(known.values())


def read(kept: Path | None) -> dict[str, Outcome]:
    """Outcomes of before, by name."""
    lines = kept.read_text(encoding="utf-8").splitlines() if kept and kept.exists() else []
    return {record.pop("name"): Outcome(**record) for record in map(json.loads, lines)}


def table(found: list[Outcome]) -> str:
    """Markdown: a row for every kind of trouble that came about."""
    lines = [
        "| injected | times | lost | wrong | hung | left behind |",
        "|---|---|---|---|---|---|",
    ]
    for what in dict.fromkeys(o.what for o in found if o.happened):
        own = [o for o in found if o.what == what and o.happened]
        lines.append(
            f"| {what} | {len(own)} |"
            f" {' | '.join(str(sum(bool(getattr(o, n)) for o in own)) for n in TROUBLES)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table; exit code 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--count", type=int, default=50, help="Kills of a run; other troubles in proportion."
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="A file of outcomes, added to.")
    parser.add_argument(
        "--only",
        action="append",
        help="A kind of trouble, by the name that its cases are shown with.",
    )
    parser.add_argument(
        "--write", action="store_true", help="Put the table into benchmarks/RELIABILITY.md."
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = carried_out(asked, Path(folder))
    print(table(found))
    if asked.write:
        reliability_left.written(Path(__file__).parents[1] / "RELIABILITY.md", table(found))
    sys.exit(any(o.troubles for o in found))


if __name__ == "__main__":
    main()
