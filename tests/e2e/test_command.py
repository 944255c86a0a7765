"""The printed command to reproduce a row plans that row again: for every option that ``nverbench
run`` has, from MLflow's text and from the page.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from nverbench.cli import app
from nverbench.results.command import command
from nverbench.results.record import Result
from nverbench.results.tracking.description import description

NAMED = {
    "backbone": "tiny-spectrum",
    "fusion": "tiny-linear",
    "dataset": "tiny-bursts",
    "protocol": "quick",
}
CHANGES = {
    "backbone": ["npz:own.npz"],
    "fusion": ["linear", "fcn:dropout=0.1"],
    "loss": ["cross-entropy"],
    "dataset": ["tiny-bursts:exclude=mid"],
    "exclude-label": ["mid"],
    "folds": ["random", "leave-one-group-out", "holdout=spk3"],
    "protocol": ["slower"],
    "selection": ["last", "test", "inner"],
    "seeds": ["2"],
    "device": ["cpu"],
    "dtype": ["bfloat16"],
    "untrained": [None],
    "skip-bad": [None],
    "train": ["shuffle=none"],
    "storage": ["float16"],
}
"""Option -> values that a row may be run with."""
NOT_OF_A_ROW = {
    "download",
    "executor",
    "address",
    "gpus-per-job",
    "dry-run",
    "rerun",
    "json",
    "out",
    "tracking-uri",
    "help",
}
"""Options that change where and how a row is computed, not the row."""
BESIDE_A_ROW = {"registry", "plugin", "no-plugin"}
"""Options that name files of one machine: who has a result has to name them again."""
OVERLAY = """
protocols:
  quick: {summary: two epochs, EPOCHS: 2, CONSTANTS}
  slower: {summary: three epochs, EPOCHS: 3, CONSTANTS}
""".replace(
    "CONSTANTS",
    "seed: 7, k: 4, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.3,"
    " inner_per_class: 2, patience: 5, optimizer: adam, lr: 0.05, batch: 8, replicates: 1",
).replace("EPOCHS", "epochs")


@pytest.fixture
def lab(world: Any) -> Any:
    """The tiny world with a second protocol, features of one's own and a loader that takes
    options.
    """
    world.root.joinpath("tiny.yaml").write_text(OVERLAY)
    world.datasets[:] = [
        replace(world.datasets[0], folds=("speaker", "random", "leave-one-group-out", "holdout"))
    ]
    ids = sorted(f"{path.parent.name}/{path.stem}" for path in world.corpus.glob("*/*.wav"))
    np.savez(
        world.root / "own.npz",
        ids=np.array(ids),
        embeddings=np.random.default_rng(0).standard_normal((len(ids), 6)).astype(np.float32),
    )
    return world


def words(changes: dict[str, str | None]) -> list[str]:
    """The options of a run: what is named in full, and what is changed."""
    options = {**NAMED, **changes}
    return [
        word
        for name, value in options.items()
        for word in ([f"--{name}"] if value is None else [f"--{name}", value])
    ]


def ran(lab: Any, changes: dict[str, str | None]) -> Result:
    """The result of a run with these options."""
    left = lab.run("run", *words(changes), "--registry", "tiny.yaml", "--json")
    assert left.code == 0, left.err
    (record,) = left.records
    return Result.model_validate_json(
        next(path for path in lab.results if path.stem == record["id"]).read_text()
    )


def planned(lab: Any, text: str) -> list[str]:
    """The ids that a printed command plans."""
    program, *rest = shlex.split(text)
    assert program == "nverbench"
    left = lab.run(*rest, "--registry", "tiny.yaml", "--dry-run")
    assert left.code == 0, left.err
    return re.findall(r"^([0-9a-f]{16})  ", left.out, re.M)


@pytest.mark.parametrize(
    ("option", "value"), [(name, value) for name, values in CHANGES.items() for value in values]
)
def test_the_command_printed_of_a_row_plans_that_row(
    lab: Any, option: str, value: str | None
) -> None:
    result = ran(lab, {option: value})
    on_the_page = " ".join(command(result))
    in_mlflow = re.search(r"^nverbench run .*$", description(result), re.M)
    assert in_mlflow
    assert planned(lab, on_the_page) == [result.id]
    assert planned(lab, in_mlflow[0]) == [result.id]


def test_two_backbones_and_many_options_at_once(lab: Any) -> None:
    parts = [
        "--backbone",
        "tiny-spectrum",
        "--backbone",
        "logmel-stats",
        "--fusion",
        "reno:align_dim=8",
        "--loss",
        "kl",
        "--dataset",
        "tiny-bursts",
    ]
    left = lab.run(
        "run",
        *parts,
        "--protocol",
        "slower",
        "--folds",
        "random",
        "--selection",
        "last",
        "--seeds",
        "2",
        "--registry",
        "tiny.yaml",
        "--json",
    )
    assert left.code == 0, left.err
    (record,) = left.records
    result = Result.model_validate_json(lab.results[0].read_text())
    assert planned(lab, " ".join(command(result))) == [record["id"]]


def test_every_option_of_run_is_tried_here_or_named_as_no_part_of_a_row() -> None:
    run: Any = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    options = {
        name.removeprefix("--")
        for parameter in run.params
        for name in parameter.opts
        if name.startswith("--")
    }
    assert options - NOT_OF_A_ROW - BESIDE_A_ROW == set(CHANGES)


def test_a_row_of_shuffled_half_precision_frames_is_planned_again(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Options that only conversations have."""
    from nverbench._io.state import write_state
    from nverbench.pipeline.executors import processes
    from nverbench.plugin import discovery
    from support.iemocap_tree import write_tree

    monkeypatch.setattr(processes, "WORTH_STARTING", float("inf"))
    mamba = discovery.discover().fusions.parts["erc-mamba"]
    world.fusions.append(
        replace(
            mamba,
            name="quick-mamba",
            recipe=lambda options: replace(mamba.recipe_for(options), epochs=2),
        )
    )
    write_tree(world.root / "IEMOCAP", dialogues=3, turns=4)
    write_state("corpora", "paths", "iemocap", str(world.root / "IEMOCAP"))
    left = world.run(
        "run",
        "--backbone",
        "logmel-stats",
        "--fusion",
        "quick-mamba:dim=8,hidden=8,layers=1",
        "--dataset",
        "iemocap-6",
        "--folds",
        "holdout=Ses05",
        "--train",
        "shuffle=intra",
        "--storage",
        "float16",
        "--selection",
        "last",
        "--registry",
        "tiny.yaml",
        "--json",
    )
    assert left.code == 0, left.err
    result = Result.model_validate_json(world.results[0].read_text())
    for text in (
        " ".join(command(result)),
        re.search(r"^nverbench run .*$", description(result), re.M)[0],
    ):  # type: ignore[index]
        assert planned(world, text) == [result.id]
