"""Real recordings and real weights from a fresh home: every command a researcher types, timed, and
the numbers they print.

    python benchmarks/science/real_audio.py EMOGATOR_FOLDER BYOL_S.pth [--pair]

EMOGATOR_FOLDER: a clone of fredbuhl/EmoGator or a part of it; BYOL_S.pth: the checkpoint that
registry.yaml pins. ``--pair`` adds RENO and concat on byol-s + untrained audio-mamba-tiny (a
quarter of an hour more on two cores).
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METRICS = ("accuracy", "macro_f1", "uar")


def nverbench(words: list[str], folder: Path) -> str:
    """Run one command in ``folder`` and print it with its wall time; its standard output."""
    began = time.perf_counter()
    environment = {**os.environ, "NVERBENCH_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "nverbench", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    print(
        f"$ nverbench {' '.join(words)}    [{time.perf_counter() - began:.1f} s, exit"
        f" {done.returncode}]",
        flush=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    print(
        "".join(f"    {line}\n" for line in done.stderr.splitlines() if "speaker gap" in line),
        end="",
    )
    return done.stdout


def say(output: str) -> None:
    """Print a line per JSON record."""
    for line in output.splitlines():
        r = json.loads(line)
        scores = [
            f"{m} {s['value']:.3f} [{s['low']:.3f}, {s['high']:.3f}] (fold sd {s['fold_sd']:.3f})"
            for m in METRICS
            for s in [r["scores"][m]]
        ]
        passes = ", ".join(f"{n} {k} passes" for n, k in r["counts"]["forward_passes"].items())
        system = (
            f"{' + '.join(r['entry']['backbones'])} / {r['entry']['fusion']} / {r['folds']['kind']}"
        )
        print(f"    {system}: {', '.join(scores)}; {passes}; {r['standing']}", flush=True)


def own_recordings(emogator: Path, folder: Path) -> Path:
    """A table of 240 clips of eight contributors, as a researcher would write for recordings of her
    own.
    """
    clips = sorted((emogator / "data" / "mp3").glob("*.mp3"))
    speakers = sorted({c.name[:6] for c in clips})[:8]
    names = {"02": "amusement", "03": "anger", "15": "fear", "22": "relief", "24": "sadness"}
    table = folder / "recordings.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker"])
        writer.writerows(
            [c, names[c.name[7:9]], c.name[:6]]
            for c in clips
            if c.name[:6] in speakers and c.name[7:9] in names
        )
    return table


def main() -> None:
    """Everything, in one temporary folder."""
    emogator, weights = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(nverbench(["data", "add", "emogator", str(emogator)], folder), end="")
        print(nverbench(["weights", "add", "byol-s", str(weights)], folder), end="")
        both = ["--folds", "speaker", "--folds", "random", "--json"]
        say(
            nverbench(
                [
                    "run",
                    "--backbone",
                    "byol-s",
                    "--fusion",
                    "fcn",
                    "--dataset",
                    "emogator-10",
                    *both,
                ],
                folder,
            )
        )
        heads = ["--fusion", "linear", "--fusion", "fcn", "--fusion", "cnn"]
        say(
            nverbench(
                [
                    "run",
                    "--backbone",
                    "byol-s",
                    *heads,
                    "--dataset",
                    "emogator-41",
                    "--seeds",
                    "5",
                    *both,
                ],
                folder,
            )
        )
        table = own_recordings(emogator, folder)
        say(
            nverbench(
                [
                    "run",
                    "--backbone",
                    "byol-s",
                    "--fusion",
                    "linear",
                    "--dataset",
                    f"table:{table}",
                    "--json",
                ],
                folder,
            )
        )
        if "--pair" in sys.argv:
            pair = [
                "--backbone",
                "byol-s",
                "--backbone",
                "audio-mamba-tiny:untrained",
                "--fusion",
                "reno",
                "--fusion",
                "concat",
            ]
            say(nverbench(["run", *pair, "--dataset", "emogator-10", "--json"], folder))


if __name__ == "__main__":
    main()
