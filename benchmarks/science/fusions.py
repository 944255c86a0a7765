"""Every fusion side by side on open clips and open weights: is RENO better than concatenation, late
fusion, or as many plain weights?

    python benchmarks/science/fusions.py EMOGATOR_FOLDER BYOL_S.pth [--out FOLDER]

On emogator-41 (speaker folds): the pair byol-s + logmel-stats (a trained network and a floor
without weights, 5 replicates), the pair byol-s + untrained audio-mamba-tiny (the second stream is a
random network, 3 replicates), and the heads on each stream alone (5). Some two hours on two cores;
with ``--out`` finished jobs are kept there and a second call prints the tables from them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from nverbench.leaderboard.rows import StoredResult, rows
from nverbench.metrics.jackknife import Decisions
from nverbench.metrics.scores import PRIMARY
from nverbench.metrics.significance import compare
from nverbench.results.record import Result
from nverbench.results.store import ResultStore

PAIRS = {("byol-s", "logmel-stats"): 5, ("byol-s", "audio-mamba-tiny:untrained"): 3}
SINGLES = ("byol-s", "logmel-stats", "audio-mamba-tiny:untrained")
CONTRASTS = (
    ("reno", "concat"),
    ("reno", "concat-matched"),
    ("reno", "late"),
    ("reno", "gated"),
    ("parrot", "parrot-concat"),
    ("concat", "late"),
)


def run(words: list[str], folder: Path) -> None:
    """One nverbench command, its lines on this terminal."""
    environment = {**os.environ, "NVERBENCH_HOME": str(folder / "home")}
    if subprocess.run(
        [sys.executable, "-m", "nverbench", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    ).returncode:
        sys.exit(f"nverbench {' '.join(words)} failed")


def points(value: float, low: float | None, high: float | None) -> str:
    """A difference in points with its interval."""
    return f"{100 * value:+.1f}" + (
        f" [{100 * low:+.1f}, {100 * high:+.1f}]" if low is not None and high is not None else ""
    )


def report(results: list[Result], folder: ResultStore) -> None:
    """The rows of one pair or of the single streams, best first, and the contrasts among them."""
    decisions = {r.id: folder_predictions(folder, r) for r in results}
    best = max(results, key=lambda r: r.scores[PRIMARY].value)
    print(f"\n{results[0].seeds} replicates; macro-F1 in percent, behind the best in points\n")
    print(
        "| fusion | macro-F1 [95%] | sd over seeds | accuracy | weights trained | behind the best"
        " [95%] |\n|---|---|---|---|---|---|"
    )
    for r in sorted(results, key=lambda r: -r.scores[PRIMARY].value):
        s, behind = r.scores[PRIMARY], compare(decisions[best.id], decisions[r.id]).difference
        name = (
            r.entry.fusion
            if len(r.entry.backbones) > 1
            else f"{r.entry.backbones[0]} / {r.entry.fusion}"
        )
        print(
            f"| {name} | {100 * s.value:.1f} [{100 * (s.low or 0):.1f}, {100 * (s.high or 0):.1f}]"
            f" | {100 * (s.seed_sd or 0):.1f} | {100 * r.scores['accuracy'].value:.1f} |"
            f" {r.provenance.parameters_trained / 1e6:.2f} M |"
            f" {'-' if r is best else points(behind.value, behind.low, behind.high)} |"
        )
    by_fusion = {r.entry.fusion: r.id for r in results}
    for a, b in CONTRASTS:
        if a in by_fusion and b in by_fusion:
            c = compare(decisions[by_fusion[a]], decisions[by_fusion[b]])
            print(
                f"{a} - {b}: {points(c.difference.value, c.difference.low, c.difference.high)}, p ="
                f" {c.p:.2g}"
            )


def folder_predictions(folder: ResultStore, result: Result) -> Decisions:
    """A result's predictions as decisions."""
    from nverbench.results.predictions import Predictions as Stored

    return Stored.read(folder.predictions_path(result.id)).decisions(len(result.labels))


def best_of_each(results: list[Result], folder: ResultStore) -> None:
    """Ranked rows of everything that is no control, and the best fusion against the best single
    stream.
    """
    from nverbench.results.predictions import Predictions as Stored

    filed = [
        StoredResult(r, lambda r=r: Stored.read(folder.predictions_path(r.id))) for r in results
    ]  # type: ignore[misc]
    print(
        "\nrank groups of what is no control (the best, and all that are not significantly below"
        " it, have rank 1):"
    )
    for row in rows(filed):
        if row.rank is not None:
            e = row.result.entry
            print(
                f"  {row.rank}  {100 * row.result.scores[PRIMARY].value:.1f} "
                f" {' + '.join(e.backbones)} / {e.fusion}"
            )
    kinds = [
        [r for r in results if not r.control and (len(r.entry.backbones) > 1) == pair]
        for pair in (True, False)
    ]
    pair, single = (max(own, key=lambda r: r.scores[PRIMARY].value) for own in kinds)
    c = compare(folder_predictions(folder, pair), folder_predictions(folder, single))
    print(
        f"best fusion ({pair.entry.fusion}) - best single ({single.entry.backbones[0]} /"
        f" {single.entry.fusion}):"
        f" {points(c.difference.value, c.difference.low, c.difference.high)}, p = {c.p:.2g}"
    )


def main() -> None:
    """Run what is not finished, then print."""
    out = (
        Path(sys.argv[sys.argv.index("--out") + 1]).resolve()
        if "--out" in sys.argv
        else Path(tempfile.mkdtemp())
    )
    emogator, weights = (Path(word).resolve() for word in sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    run(["data", "add", "emogator", str(emogator)], out)
    run(["weights", "add", "byol-s", str(weights)], out)
    common = ["--dataset", "emogator-41", "--folds", "speaker"]
    for pair, seeds in PAIRS.items():
        run(
            [
                "run",
                *(word for name in pair for word in ("--backbone", name)),
                *common,
                "--seeds",
                str(seeds),
            ],
            out,
        )
    for name in SINGLES:
        run(
            [
                "run",
                "--backbone",
                name,
                "--fusion",
                "linear",
                "--fusion",
                "fcn",
                "--fusion",
                "cnn",
                *common,
                "--seeds",
                "5",
            ],
            out,
        )
    folder = ResultStore(out / "nverbench-runs")
    results = list(folder.results()[0].values())
    for pair in PAIRS:
        print(f"\n### {' + '.join(pair)}")
        report([r for r in results if tuple(r.entry.backbones) == pair], folder)
    print("\n### one stream")
    report([r for r in results if len(r.entry.backbones) == 1], folder)
    best_of_each(results, folder)


if __name__ == "__main__":
    main()
