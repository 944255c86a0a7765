"""A third party's afternoon in a fresh environment: four generated packages built, installed,
checked, listed, run together, uninstalled, gone.

    python benchmarks/reliability/third_party.py [--wheel FILE.whl] [--keep FOLDER]

Uses pip and the package index (several hundred MB where torch is not in pip's cache) and nothing of
the environment that runs it. Prints the seconds of every step and the lines that each kind asks of
its author.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = {"backbone": "mymfcc", "dataset": "mybursts", "fusion": "mybilinear", "loss": "myfocal"}
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def main() -> None:
    """Every step; the first that fails ends it with its output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--wheel",
        type=Path,
        help="A built wheel of nverbench; default: one is built from this checkout.",
    )
    parser.add_argument(
        "--keep", type=Path, help="The folder to work in, which stays; default: one that goes."
    )
    asked = parser.parse_args()
    if asked.keep:
        asked.keep.mkdir(parents=True)
        afternoon(asked.keep.resolve(), asked.wheel)
        return
    with tempfile.TemporaryDirectory() as folder:
        afternoon(Path(folder), asked.wheel)


def afternoon(folder: Path, wheel: Path | None) -> None:
    """The steps in a folder, with their seconds."""
    seconds: list[float] = []

    def step(*words: object, absent: bool | None = None) -> None:
        began = time.perf_counter()
        done = subprocess.run(
            [str(w) for w in words],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - began)
        print(
            f"{seconds[-1]:7.1f} s "
            f" {' '.join(Path(str(w)).name if str(w).startswith('/') else str(w) for w in words)}",
            flush=True,
        )
        listed = set(re.findall(r"[\w-]+", done.stdout)) & set(PARTS.values())
        if done.returncode or (absent is not None and len(listed) != (0 if absent else len(PARTS))):
            sys.exit(done.stdout + done.stderr)

    names = [f"nverbench-{name}" for name in PARTS.values()]
    step(sys.executable, "-m", "venv", "environment")
    if wheel is None:
        step("python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", "wheel", ROOT)
        (wheel,) = (folder / "wheel").glob("*.whl")
    step("python", "-m", "pip", "install", wheel.resolve(), "pytest")
    mine = len(seconds)
    for kind, name in PARTS.items():
        step("nverbench", "new", kind, name)
    step(
        "python",
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--wheel-dir",
        "dist",
        *(f"./{name}" for name in names),
    )
    step("python", "-m", "pip", "install", *sorted((folder / "dist").glob("*.whl")))
    for kind, name in PARTS.items():
        step("nverbench", "check", name, "--kind", kind)
    for name in names:
        step("python", "-m", "pytest", "-q", name)
    step("nverbench", "list", absent=False)
    step(
        "python",
        "-c",
        "import pathlib, nverbench_mybursts; nverbench_mybursts.sample(pathlib.Path('bursts'))",
    )
    step("nverbench", "data", "add", PARTS["dataset"], "bursts")
    step(
        "nverbench", "run", *(word for kind, name in PARTS.items() for word in (f"--{kind}", name))
    )
    step("python", "-m", "pip", "uninstall", "--yes", *names)
    step("nverbench", "list", absent=True)
    print(
        f"{sum(seconds):7.1f} s  in all, of which {sum(seconds[mine:]):.1f} s after nverbench was"
        " installed"
    )
    for kind, name in PARTS.items():
        package = folder / f"nverbench-{name}"
        toml = [
            line for line in (package / "pyproject.toml").read_text().splitlines() if line.strip()
        ]
        print(
            f"{kind}: {lines_of_code((package / f'nverbench_{name}.py').read_text())} lines of"
            f" Python, {len(toml)} of TOML"
        )


def environment(folder: Path) -> dict[str, str]:
    """The variables of a user with that environment and a home of its own for nverbench."""
    path = f"{folder / 'environment' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {"NVERBENCH_HOME": str(folder / "home"), "PATH": path, "PYTHONNOUSERSITE": "1"}
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "NVERBENCH", "VIRTUAL_ENV"))
    } | own


def lines_of_code(text: str) -> int:
    """Lines with code on them, without blank ones, comments and texts that stand alone
    (docstrings).
    """
    lines: set[int] = set()
    begins = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        alone = token.type == tokenize.STRING and begins
        if token.type not in SILENT and not alone:
            lines |= set(range(token.start[0], token.end[0] + 1))
        begins = token.type in SILENT if token.type != tokenize.COMMENT else begins
    return len(lines)


if __name__ == "__main__":
    main()
