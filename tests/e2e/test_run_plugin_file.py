"""``--plugin FILE.py``: a single file runs beside what is installed, in workers too; its rows are
unofficial, another content is another row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.cli.common import load_catalog
from nverbench.data.folds.assign import Fold
from nverbench.pipeline.executors.processes import ProcessExecutor
from nverbench.plugin import single_file
from nverbench.training.folds import fit_folds
from nverbench.training.records import TrainingSetup
from support.training import CLASSES, ENTROPY, QUICK, data

FUSION = """
import os, pathlib
from nverbench import Fusion, Output, hookimpl

def build(dims, classes, *, scale: float = 1.0):
    import torch
    if folder := os.environ.get("NVERBENCH_TEST_BUILT"):
        (pathlib.Path(folder) / str(os.getpid())).touch()

    class Head(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(sum(dims), classes)

        def forward(self, batch):
            return Output(self.layer(torch.cat(batch.streams, 1)) * scale)

    return Head()

@hookimpl
def nverbench_fusions():
    yield Fusion(name="mine", arity=(1, None), build=build, default_loss="tiny-loss")
"""
BACKBONE = """
import os
from nverbench import Backbone, hookimpl

def load(ctx):
    def encode(waves, lengths):
        with open("heard", "a") as file:
            file.write("x" * len(waves))
        if os.path.getsize("heard") > int(os.environ.get("NVERBENCH_TEST_STOP", 1000)):
            raise KeyboardInterrupt
        return waves[:, : waves.shape[1] // 100 * 100].unflatten(1, (-1, 100))[..., :4].abs(), lengths // 100

    return encode

@hookimpl
def nverbench_backbones():
    yield Backbone(name="ears", family="features", sample_rate=8000, frame_dim=4, dim=4, batch=3, min_samples=800, frame_rate=80, load=load)
"""


@pytest.fixture
def file(world: Any, tmp_path: Path) -> Path:
    """A fusion that no package brings, in the working folder."""
    path = tmp_path / "mine.py"
    path.write_text(FUSION)
    return path


@pytest.mark.parametrize(
    "words", [("list", "fusions"), ("show", "mine"), ("list", "plugins"), ("doctor",)], ids=" ".join
)
def test_a_part_of_a_file_is_listed_like_any_other(
    world: Any, file: Path, words: tuple[str, ...]
) -> None:
    ran = world.run(*words, "--plugin", "mine.py")
    assert ran.code == 0
    assert "file:mine.py" in ran.out
    assert "mine" not in world.run("list", "fusions").out.split()


def test_its_row_is_unofficial_and_says_why(world: Any, file: Path) -> None:
    (row,) = world.job("--plugin", "mine.py", "--json", fusion="mine").records
    assert row["standing"] == "unofficial"
    assert (
        "parts of mine.py were tried with --plugin, no installed package brings them"
        in row["standing_reasons"]
    )
    assert str(file.parent) not in world.results[0].read_text()


def test_the_same_file_is_the_same_row_and_an_edited_one_another(world: Any, file: Path) -> None:
    assert "1 finished, 0 already finished" in world.job("--plugin", "mine.py", fusion="mine").err
    assert "0 finished, 1 already finished" in world.job("--plugin", "mine.py", fusion="mine").err
    file.write_text(FUSION + "# edited\n")
    assert "1 finished, 0 already finished" in world.job("--plugin", "mine.py", fusion="mine").err
    assert len(world.results) == 2


def test_a_file_elsewhere_with_the_same_content_is_the_same_row(world: Any, file: Path) -> None:
    world.job("--plugin", "mine.py", fusion="mine")
    (file.parent / "other").mkdir()
    file.rename(file.parent / "other" / "mine.py")
    assert "1 already finished" in world.job("--plugin", "other/mine.py", fusion="mine").err


def test_a_changed_neighbour_of_the_file_is_another_row(world: Any, file: Path) -> None:
    (file.parent / "helper.py").write_text("FACTOR = 1.0\n")
    file.write_text(FUSION.replace("* scale", "* scale * helper.FACTOR") + "import helper\n")
    for factor, line in (
        ("1.0", "1 finished, 0 already finished"),
        ("1.0", "0 finished, 1 already finished"),
        ("2.0", "1 finished, 0 already finished"),
    ):
        (file.parent / "helper.py").write_text(f"FACTOR = {factor}\n")
        assert line in world.job("--plugin", "mine.py", fusion="mine").err
    assert len(world.results) == 2


def ears(world: Any) -> Any:
    return world.run(
        "run",
        "--backbone",
        "ears",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "tiny-bursts",
        "--plugin",
        "ears.py",
    )


def test_an_interrupted_run_goes_on_where_it_was(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ears.py").write_text(BACKBONE)
    monkeypatch.setenv("NVERBENCH_TEST_STOP", "20")
    assert ears(world).code == 130
    heard = (tmp_path / "heard").stat().st_size
    monkeypatch.delenv("NVERBENCH_TEST_STOP")
    assert ears(world).code == 0
    assert (tmp_path / "heard").stat().st_size < heard + 48


def test_embeddings_of_an_edited_backbone_are_computed_anew(world: Any, tmp_path: Path) -> None:
    (tmp_path / "ears.py").write_text(BACKBONE)
    for times, text in ((1, BACKBONE), (1, BACKBONE), (2, BACKBONE.replace(".abs()", ".square()"))):
        (tmp_path / "ears.py").write_text(text)
        assert ears(world).code == 0
        assert (tmp_path / "heard").stat().st_size == 48 * times


def test_workers_run_the_file_that_the_run_began_with(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVERBENCH_FIT", "processes")
    monkeypatch.setenv("NVERBENCH_TEST_BUILT", str(tmp_path / "built"))
    (tmp_path / "built").mkdir()
    part = load_catalog(None, [file]).fusion("mine")
    file.write_text("raise RuntimeError('edited while the run goes on')")
    features, target = data(60)
    rows = np.arange(60)
    cuts = [
        Fold(
            str(i),
            tuple(rows[rows % 3 == i][:10]),
            tuple(rows[rows % 3 == i][10:]),
            tuple(rows[rows % 3 != i]),
            False,
        )
        for i in range(2)
    ]
    with ProcessExecutor(2) as workers:
        (fitted,) = fit_folds(
            TrainingSetup(part, {"scale": 2.0}, ENTROPY, {}, QUICK, CLASSES),
            [features],
            target,
            cuts,
            1,
            workers=workers,
        )
    assert len(fitted) == 2
    built = {path.name for path in (tmp_path / "built").iterdir()}
    assert built
    assert str(os.getpid()) not in built


def same_names(folder: Path) -> list[str]:
    (folder / "other").mkdir()
    (folder / "other" / "mine.py").write_text(FUSION + "# another\n")
    return ["mine.py", "other/mine.py"]


def holding(text: str) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        (folder / "bad.py").write_text(text)
        return ["bad.py"]

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda folder: ["absent.py"],
            (
                "--plugin absent.py: cannot be read (No such file or directory); give the path of a"
                " Python file"
            ),
        ),
        (lambda folder: ["bursts"], "--plugin bursts: cannot be read (Is a directory)"),
        (
            same_names,
            (
                "--plugin other/mine.py: two files are called mine.py, and results tell them apart"
                " by name; rename one"
            ),
        ),
        (
            holding("import nverbench\n\nx = 1 / 0\n"),
            "--plugin bad.py: line 3: ZeroDivisionError: division by zero; correct the file",
        ),
        (
            holding("def f(:\n"),
            "--plugin bad.py: SyntaxError: invalid syntax (bad.py, line 1); correct the file",
        ),
        (
            holding("import no_such_module"),
            "--plugin bad.py: line 1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (holding("raise SystemExit('goodbye')"), "--plugin bad.py: line 1: SystemExit: goodbye"),
        (
            holding("x = 1\0"),
            "--plugin bad.py: SyntaxError: source code string cannot contain null bytes",
        ),
        (holding("x = 1"), "nverbench_losses; nverbench new KIND NAME writes a file that has one"),
        (
            holding(FUSION.replace('"mine"', '"Mine"')),
            "--plugin bad.py: fusion 'Mine': a name is lower-case letters",
        ),
        (
            holding(FUSION.replace("yield Fusion", "yield dict")),
            "--plugin bad.py: nverbench_fusions gave a dict; expected Fusion records",
        ),
        (
            holding(FUSION.replace('"mine"', '"linear"')),
            "--plugin bad.py: fusion linear is claimed by nverbench",
        ),
        (
            holding(FUSION.replace('"mine"', '"tiny-linear"')),
            "or leave a plugin out with --no-plugin NAME",
        ),
    ],
    ids=[
        "missing",
        "folder",
        "same names",
        "raises",
        "syntax",
        "import",
        "exit",
        "bytes",
        "no hook",
        "name",
        "record",
        "house",
        "clash",
    ],
)
def test_a_file_that_is_no_plugin_is_one_line_and_exit_2(
    world: Any, file: Path, write: Callable[[Path], list[str]], said: str
) -> None:
    ran = world.run("list", *(word for name in write(file.parent) for word in ("--plugin", name)))
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert ran.out == ""


def test_what_a_file_prints_stays_off_standard_output(world: Any, file: Path) -> None:
    file.write_text("print('hello')\n" + FUSION)
    assert len(world.job("--plugin", "mine.py", "--json", fusion="mine").records) == 1


def test_a_file_named_twice_counts_once(world: Any, file: Path) -> None:
    assert world.run("show", "mine", "--plugin", "mine.py", "--plugin", file).code == 0


def test_a_class_of_the_file_can_be_pickled(file: Path) -> None:
    """As those of modules can: parts travel to workers by reference."""
    import pickle

    file.write_text(
        "import dataclasses\n\n@dataclasses.dataclass\nclass Point:\n    x: int\n" + FUSION
    )
    ((_, module),) = single_file.read([file])
    # pickled on this line
    assert pickle.loads(pickle.dumps(module.Point(1))) == module.Point(1)  # noqa: S301
