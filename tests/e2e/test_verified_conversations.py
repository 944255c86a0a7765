"""Honest rows of fusions that stop by weighted F1 (all ``erc-*``, the third paper's) pass the
verifier; edited ones do not.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench._io.state import write_state
from nverbench.pipeline.executors import processes
from nverbench.plugin import discovery
from nverbench.results.record import Result
from support.iemocap_tree import write_tree

WORDS = (
    "run",
    "--backbone",
    "logmel-stats",
    "--fusion",
    "quick-gru:dim=8,hidden=8,layers=1",
    "--dataset",
    "iemocap-6",
    "--json",
)


@pytest.fixture
def dialogues(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tree of dialogues, and erc-gru in twelve epochs at a rate at which the lowest cross-entropy
    and the highest weighted F1 are apart.
    """
    gru = discovery.discover().fusions.parts["erc-gru"]
    world.fusions.append(
        replace(
            gru,
            name="quick-gru",
            recipe=lambda options: replace(gru.recipe_for(options), epochs=12, lr=0.02),
        )
    )
    monkeypatch.setattr(processes, "WORTH_STARTING", float("inf"))
    write_tree(world.root / "IEMOCAP", dialogues=3, turns=6, seconds=0.2)
    write_state("corpora", "paths", "iemocap", str(world.root / "IEMOCAP"))
    return world


def submitted(world: Any, *words: str) -> Path:
    """The submission of a finished row."""
    ran = world.run(*WORDS, *words)
    assert ran.code == 0, ran.err
    (record,) = ran.records
    ran = world.run("leaderboard", "submit", record["id"], "--as", "Ann")
    assert ran.code == 0, ran.err
    return Path("submission") / str(record["id"])


def edited(folder: Path, change: Any) -> None:
    """Write a result back as a forger would, under a digest that fits."""
    content = json.loads((folder / "result.json").read_text())
    change(content)
    content["result_digest"] = Result.model_validate(content).digest()
    (folder / "result.json").write_text(json.dumps(content))


def lowest_cross_entropy(fold: dict[str, Any]) -> int:
    watched = [curve["watched_cross_entropy"] for curve in fold["curves"]]
    return watched.index(min(watched)) + 1


@pytest.mark.parametrize("folds", ["leave-one-group-out", "holdout=Ses05"])
def test_an_honest_row_is_self_consistent_and_an_edited_epoch_is_named(
    dialogues: Any, folds: str
) -> None:
    folder = submitted(dialogues, "--folds", folds)
    ran = dialogues.run("leaderboard", "verify", folder)
    assert (ran.code, ran.out.partition(" (")[0].strip()) == (0, f"{folder.name}: self-consistent")
    per_fold = json.loads((folder / "result.json").read_text())["per_fold"]
    other = [
        i for i, fold in enumerate(per_fold) if fold["best_epoch"] != lowest_cross_entropy(fold)
    ]
    assert other, "the two rules agree on every fold: the test shows nothing"

    def by_the_other_rule(content: dict[str, Any]) -> None:
        content["per_fold"][other[0]]["best_epoch"] = lowest_cross_entropy(per_fold[other[0]])

    edited(folder, by_the_other_rule)
    ran = dialogues.run("leaderboard", "verify", folder)
    assert ran.code == 2
    assert (
        f"the best epoch is {lowest_cross_entropy(per_fold[other[0]])}; its curves give"
        f" {per_fold[other[0]]['best_epoch']}" in ran.out
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--train", "shuffle=intra"), "train shuffle=intra"),
        (("--storage", "float16"), "frames stored as float16"),
        (("--selection", "last"), "selection last"),
    ],
)
def test_a_row_run_otherwise_is_unofficial_and_may_not_be_edited_to_say_more(
    dialogues: Any, words: tuple[str, str], reason: str
) -> None:
    folder = submitted(dialogues, "--folds", "holdout=Ses05", *words)
    content = json.loads((folder / "result.json").read_text())
    assert f"overridden: {reason}" in content["standing_reasons"]
    assert dialogues.run("leaderboard", "verify", folder).code == 0
    edited(folder, lambda content: content.update(standing="official", standing_reasons=[]))
    ran = dialogues.run("leaderboard", "verify", folder)
    assert ran.code == 2
    assert f"overridden: {reason}"[:30] in ran.out  # the message quotes the first 60 letters
