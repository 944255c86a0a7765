"""Does context help exactly where there is something to hear, and does order count exactly where it
says something?

    python benchmarks/science/conversations.py [--only WORDS] [--seeds K] [--full] [--estimate]
    [--out FOLDER]

Four procedural corpora whose atmosphere and order have a known strength (``conversation-demo`` and
its siblings), on log-mel frames: every conversation fusion, the single-utterance model, and
erc-mamba trained on shuffled turns, each session left out in turn and session 5 held out. Beside
them what ideal observers reach on the same turns, and a verdict on each fact that the generator
planted.

The networks are small and trained for few epochs at a high learning rate
(``conversations_quick.py``), so that all ends in less than twenty minutes on two cores; ``--full``
is the paper's network and recipe (256-d, three layers, 60 epochs, learning rate 1e-4) on the same
conversations. What it will take is measured and printed first; ``--estimate`` stops there. With
``--out`` finished rows are kept there and not trained again; ``--only`` runs the rows in whose
corpus, fusion, shuffle and folds (``conversation-demo-order erc-mamba intra holdout=ses5``) every
word occurs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import conversations_quick as quick
from conversations_report import Measured, decisions, judged, table
from conversations_rows import HELD, LEFT_OUT, Row, facts, rows

from nverbench import registry
from nverbench.pipeline import plan
from nverbench.pipeline.job import Job, Plan
from nverbench.pipeline.selection import Selection
from nverbench.plugin import discovery
from nverbench.results import predictions
from nverbench.results.store import ResultStore
from nverbench_datasets.conversation_design import (
    CONVERSATIONS,
    DESIGNS,
    FEWEST,
    LABELS,
    LONGEST,
    MOST,
    SESSIONS,
    SHORTEST,
    UNSCORED,
    dialogues,
)
from nverbench_datasets.conversation_ideal import judge

BACKBONE, MELS = "logmel-stats", 80
EPOCHS = 60
"""Of the paper's recipe."""
VALIDATION, EVALUATED = 0.1, 1.4
"""The share of conversations that selection takes, and what an epoch takes with its evaluation, in
steps' time.
"""


def main() -> None:
    """Say what it will take, train what is not finished, print the tables."""
    asked = arguments()
    chosen = [row for row in rows() if all(word in str(row) for word in asked.only.split())]
    if not chosen:
        sys.exit(f"--only {asked.only}: no row holds every word; rows read as {rows()[0]}")
    said(chosen, seeds=asked.seeds, full=asked.full)
    if asked.estimate:
        return
    out = Path(asked.out or tempfile.mkdtemp()).resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ["NVERBENCH_HOME"] = str(out / "home")
    began = time.perf_counter()
    measured = trained(chosen, out, seeds=asked.seeds, full=asked.full)
    report(measured)
    print(
        f"\n{len(measured)} of {len(chosen)} rows, {(time.perf_counter() - began) / 60:.1f}"
        f" minutes; results in {out}"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORDS")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="the paper's networks and recipe")
    parser.add_argument(
        "--estimate", action="store_true", help="say how long it will take, and stop"
    )
    parser.add_argument("--out", metavar="FOLDER")
    return parser.parse_args()


def trained(chosen: Sequence[Row], out: Path, *, seeds: int, full: bool) -> dict[Row, Measured]:
    """Every chosen row, planned and run as the command line would, in one run, so that no core
    waits for the end of a row.
    """
    from nverbench.pipeline.run import run

    rules, parts = registry.load(), discovery.discover(extra=[(quick.ORIGIN, quick)])
    jobs: dict[Row, Job] = {}
    for row in chosen:
        wanted = Selection(
            backbones=(BACKBONE,),
            fusions=(row.fusion if full else quick.text(row.fusion),),
            datasets=(row.corpus,),
            folds=(row.folds,),
            shuffle=row.shuffle,
            seeds=seeds,
        )
        (jobs[row],) = plan.plan(rules, parts, wanted).jobs
    summary = run(
        Plan(tuple(jobs.values()), (), ()),
        out,
        f"sqlite:///{out}/mlflow.db",
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    done = {r.id: r for r in (*summary.finished, *summary.unchanged)}
    folder = ResultStore(out)
    measured = {}
    for row, job in jobs.items():
        if job.id in done:
            stored = predictions.Predictions.read(folder.predictions_path(job.id))
            measured[row] = Measured(
                done[job.id], decisions(stored, len(LABELS), by_conversation=row.folds == HELD)
            )
    return measured


def report(measured: Mapping[Row, Measured]) -> None:
    """Tables by corpus, then the verdicts."""
    asked = []
    for design in DESIGNS:
        own = {row: found for row, found in measured.items() if row.corpus == design.name}
        if own:
            ideal = judge(design, dialogues(design))
            print("\n".join(table(design.name, ideal, own)))
            asked += facts(design, ideal, own)
    if asked:
        print("\n### what the generator planted")
        print("\n".join(judged(asked, measured)))


def said(chosen: Iterable[Row], *, seeds: int, full: bool) -> None:
    """Print what will be trained and how long it will take here, from steps measured now."""
    chosen = list(chosen)
    trainings = {row: seeds * (SESSIONS if row.folds == LEFT_OUT else 1) for row in chosen}
    fusions = {row.fusion for row in chosen}
    seconds = {fusion: seconds_of_training(fusion, full=full) for fusion in sorted(fusions)}
    cores = len(os.sched_getaffinity(0))
    total = sum(trainings[row] * seconds[row.fusion] for row in chosen) / cores
    recipe = (
        f"the paper's networks, {EPOCHS} epochs"
        if full
        else f"small networks, {quick.EPOCHS} epochs at a learning rate of {quick.LR:g}"
    )
    print(
        f"{len(chosen)} rows, {sum(trainings.values())} trainings, {SESSIONS * CONVERSATIONS}"
        f" conversations a corpus; {recipe}"
    )
    print(
        "seconds a training: "
        + ", ".join(f"{fusion} {value:.0f}" for fusion, value in seconds.items())
    )
    print(
        f"about {total / 60:.0f} minutes on {cores} cores, and one or two to hear the corpora",
        flush=True,
    )


def seconds_of_training(fusion: str, *, full: bool) -> float:
    """Of one fold: median of some steps on a conversation of mean length, on one thread, times all
    steps.
    """
    import torch

    from nverbench import Batch
    from nverbench.plugin.options import resolve

    text = fusion if full else quick.text(fusion)
    part = discovery.discover(extra=[(quick.ORIGIN, quick)]).fusion(text.partition(":")[0])
    options = resolve(part, text).full
    module, recipe = part.build((MELS,), len(LABELS), **options), part.recipe_for(options)
    turns, frames = (FEWEST + MOST) // 2, (SHORTEST + LONGEST) // 2 + 1
    if recipe.unit == "conversation":
        ends = frames * torch.arange(1, turns + 1)
        batch = Batch(
            (torch.randn(1, turns * frames, MELS),),
            (ends[-1:],),
            (torch.stack([ends - frames, ends], dim=1),),
        )
    else:
        clips = recipe.batch or 1
        batch = Batch((torch.randn(clips, frames, MELS),), (torch.full((clips,), frames),))
    conversations = SESSIONS * CONVERSATIONS * (1 - 1 / SESSIONS) * (1 - VALIDATION)
    steps = (
        conversations
        if recipe.unit == "conversation"
        else conversations * turns * (1 - UNSCORED) / (recipe.batch or 1)
    )
    return (recipe.epochs or 1) * steps * EVALUATED * _step(module, batch)


def _step(module: object, batch: object, times: int = 7) -> float:
    """Seconds of one forward and backward pass."""
    import torch

    before, taken = torch.get_num_threads(), []
    torch.set_num_threads(1)
    for _ in range(times):
        began = time.perf_counter()
        module(batch).logits.square().mean().backward()  # type: ignore[operator]
        taken.append(time.perf_counter() - began)
    torch.set_num_threads(before)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
