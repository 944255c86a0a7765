"""README.md, lived through: every console line is typed in a fresh folder, in order, and every
Python block is run.

Blocks that use real recordings and real weights need ../shared beside the repository and are
skipped without it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nverbench.plugin import discovery
from support.paths import ROOT

SHARED = ROOT.parent / "shared"
README, CONTRIBUTING = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
)
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README + CONTRIBUTING, re.DOTALL)
LINES = [
    line.removeprefix("$ ")
    for block in CONSOLE
    for line in block.splitlines()
    if line.startswith("$ ")
]
NEEDS_SHARED = ("emogator", "byol-s")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with recordings, a table of them, and links to the shared corpus and weights
    where they are.
    """
    folder = tmp_path_factory.mktemp("readme")
    demo = discovery.discover().dataset("vocal-demo")
    assert demo.make is not None
    demo.make(folder / "made")
    (folder / "recordings").mkdir()
    rows = ["path,label,speaker"]
    for path in sorted((folder / "made").rglob("*.wav")):
        name = f"recordings/{path.parent.name}_{path.name}"
        shutil.copy(path, folder / name)
        rows.append(f"{name},{path.stem},{path.parent.name}")
    (folder / "recordings.csv").write_text("\n".join(rows))
    said = [
        f"{i},{'laugh' if i % 2 else 'cry'},{'laugh' if i % 3 else 'cry'},speaker{i // 10}"
        for i in range(60)
    ]
    (folder / "predictions.csv").write_text("\n".join(["id,label,prediction,speaker", *said]))
    if SHARED.is_dir():
        (folder / "EmoGator").symlink_to(SHARED / "data" / "EmoGator")
        (folder / "byol-s.pth").symlink_to(next((SHARED / "weights" / "byol-s").glob("*.pth")))
    return folder


def typed(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "NVERBENCH_HOME": str(folder / "home"), "PATH": path}
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_readme_does_what_it_says(line: str, folder: Path):
    if any(word in line for word in NEEDS_SHARED) and not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: real recordings and weights are needed")
    done = typed(line, folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", PYTHON)
def test_a_snippet_of_the_readme_runs(code: str, folder: Path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "macro-F1" in done.stdout or "batch-invariance Pass" in done.stdout


def test_the_main_command_of_the_readme_is_the_one_make_demo_types():
    assert "nverbench run --backbone audio-mamba-base --fusion reno" in LINES
    assert "$(BIN)/nverbench run --backbone audio-mamba-base --fusion reno\n" in (
        ROOT / "Makefile"
    ).read_text(encoding="utf-8")
