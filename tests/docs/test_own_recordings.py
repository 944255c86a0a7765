"""docs/own-recordings.md, lived through: every console line is typed in a folder that holds what the
page names.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.paths import ROOT

PAGE = (ROOT / "docs" / "own-recordings.md").read_text(encoding="utf-8")
LINES = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
CLASSES = ("laugh", "cry")


def write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]], sep: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=sep).writerows([header, *rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty clips of five people, and every listing of them that the page names."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "recordings").mkdir()
    (folder / "listed").mkdir()
    rows: list[tuple[object, ...]] = []
    noise = np.random.default_rng(0)
    for i in range(20):
        label, who = CLASSES[i % 2], f"p{i // 4}"
        wave = 0.2 * np.sin(np.arange(8000 + 90 * i) * (0.1 + 0.1 * (i % 2)))
        path = folder / "recordings" / f"take_{who}_{i}.wav"
        soundfile.write(path, wave + 0.01 * noise.standard_normal(len(wave)), 16_000)
        rows.append((f"recordings/{path.name}", label, who))
        sorted_one = folder / "classes" / label / path.name
        sorted_one.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, sorted_one)
        shutil.copy(path, folder / "listed" / path.name)
    write(folder / "recordings.csv", ("path", "label", "speaker"), rows, ",")
    write(folder / "moods.csv", ("clip", "mood", "who"), rows, ",")
    write(folder / "semicolons.csv", ("file", "emotion", "spk"), rows, ";")
    listed = [(Path(str(path)).name, label) for path, label, _ in rows]
    write(folder / "listed" / "metadata.csv", ("file_name", "label"), listed, ",")
    turns = [(*row, f"d{i // 4}", i % 4) for i, row in enumerate(rows)]
    header = ("path", "label", "speaker", "conversation", "turn")
    write(folder / "talk.csv", header, turns, ",")
    return folder


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_page_does_what_it_says(line: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "NVERBENCH_HOME": str(folder / "home"), "PATH": path}
    done = subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
