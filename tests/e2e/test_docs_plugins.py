"""docs/plugins.md, lived through with the built wheel: every console line is typed in a fresh
folder and environment, in order. No network.

The environment sees the libraries of the one that runs the tests, but not its nverbench: that is
the wheel's. ``-s`` prints what each line took.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.paths import ROOT
from support.source import lines_of_code

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
LINES = [
    line.removeprefix("$ ")
    for block in CONSOLE
    for line in block.splitlines()
    if line.startswith("$ ")
]
(VOC2VEC,), (OVERLAY,) = (
    re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL) for kind in ("python", "yaml")
)
NAMES = ("mymfcc", "mybursts", "mybilinear", "myfocal")
SPELLED = {  # as typed -> with this environment's programs, and without the network
    r"^pip (install|wheel)\b": r"python -m pip \1 --no-deps --no-index --no-build-isolation",
    r"^(pip|pytest)\b": r"python -m \1",
}
CHECKPOINT = """
import sys
import nverbench
nverbench.import_torchaudio()
from transformers import Wav2Vec2Config, Wav2Vec2Model
config = Wav2Vec2Config(num_hidden_layers=1, intermediate_size=16, conv_dim=(16,) * 7, num_conv_pos_embeddings=16)
Wav2Vec2Model(config).save_pretrained(sys.argv[1])
"""


@dataclass
class Shop:
    """A folder, an environment with the wheel in it, and how long every command took there."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "environment" / "bin" / "python"

    def typed(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line of the guide; ID is the row of the four generated parts."""
        words = re.sub(r"\bID\b", self.row, line) if re.search(r"\bID\b", line) else line
        for pattern, spelled in SPELLED.items():
            words = re.sub(pattern, spelled, words)
        own = {
            "NVERBENCH_HOME": str(self.folder / "home"),
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONNOUSERSITE": "1",
        }
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PIP_", "NVERBENCH"))
        } | own
        began = time.perf_counter()
        done = subprocess.run(
            words, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        self.seconds[line] = time.perf_counter() - began
        return done

    @property
    def row(self) -> str:
        """The id of the row that the four generated packages made together."""
        rows = [
            json.loads(path.read_text())
            for path in (self.folder / "nverbench-runs" / "results").glob("*.json")
        ]
        (found,) = [
            row["id"]
            for row in rows
            if {f"nverbench-{name}" for name in NAMES} <= row["provenance"]["plugins"].keys()
        ]
        return str(found)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The wheel, built and installed; the guide's files; a tiny checkpoint of random numbers."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "venv",
            "--system-site-packages",
            "--without-pip",
            made.folder / "environment",
        ],
        check=True,
    )
    (own,) = (made.folder / "environment").glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(
        f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n"
    )  # behind its own
    for line in (
        f"pip wheel --quiet --wheel-dir wheel {ROOT}",
        "pip install --quiet --ignore-installed --no-compile wheel/*.whl",
    ):
        done = made.typed(line)
        assert done.returncode == 0, done.stderr
    (made.folder / "my_voc2vec.py").write_text(VOC2VEC)
    (made.folder / "mine.yaml").write_text(OVERLAY)
    subprocess.run(
        [made.python, "-c", CHECKPOINT, "voc2vec"], cwd=made.folder, check=True, capture_output=True
    )
    yield made
    print(
        "",
        *(f"{seconds:6.1f} s  {line}" for line, seconds in made.seconds.items()),
        f"{sum(made.seconds.values()):6.1f} s  in all",
        sep="\n",
    )


def test_the_environment_has_the_wheel_and_not_the_checkout(shop: Shop) -> None:
    done = shop.typed(
        "python -c 'import nverbench, nverbench_losses; print(nverbench.__file__,"
        " nverbench_losses.__file__)'"
    )
    assert done.stdout.count(str(shop.folder / "environment")) == 2, done.stdout + done.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_guide_does_what_it_says(line: str, shop: Shop) -> None:
    done = shop.typed(line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if line.startswith(("nverbench list", "nverbench run")) and "--dry-run" not in line:
        named = set(NAMES) & set(re.findall(r"[\w-]+", line))
        assert named <= set(re.findall(r"[\w-]+", done.stdout))


def test_the_four_ran_in_one_job_and_nothing_of_them_is_left(shop: Shop) -> None:
    """The last lines of the guide have uninstalled them."""
    assert shop.row
    for words in ("list", "list plugins"):
        assert not [name for name in NAMES if name in shop.typed(f"nverbench {words}").stdout]


def test_the_guide_counts_the_lines_that_its_packages_have(shop: Shop) -> None:
    for name, kind in zip(NAMES, ("backbone", "dataset", "fusion", "loss"), strict=True):
        code = lines_of_code(
            (shop.folder / f"nverbench-{name}" / f"nverbench_{name}.py").read_text()
        )
        assert re.search(rf"^\| {kind} \|.*\| {code} \|", GUIDE, re.MULTILINE), (kind, code)


def test_the_guide_is_short() -> None:
    assert len(GUIDE.splitlines()) <= 190
    assert lines_of_code(VOC2VEC) <= 50  # formatted, one field of a record a line
