"""Conversations from files to rows: IEMOCAP-shaped trees through frames, whole dialogues, three protocols, shuffles and half the disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nverbench.home import note

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))  # pytest's importlib mode leaves that folder off the path

from iemocap_tree import write_tree

MAMBA, MEAN = "erc-mamba:dim=8,hidden=8,layers=1", "erc-mean:dim=8,hidden=8,layers=0"
QUICK = ("--backbone", "logmel-stats", "--dataset", "iemocap-6", "--json")


@pytest.fixture
def iemocap(world: Any) -> Any:
    written = write_tree(world.root / "IEMOCAP", dialogues=3, turns=4)
    note("corpora", "paths", "iemocap", str(world.root / "IEMOCAP"))
    world.scored = sum(turn.scored is not None for turn in written)
    world.turns = len(written)
    return world


def test_whole_dialogues_give_a_row_per_protocol(iemocap: Any) -> None:
    held, left_out = "holdout=Ses05", "leave-one-group-out"
    asked = {"held": (MEAN, held, "inner"), "left out": (MEAN, left_out, "inner"), "optimistic": (MAMBA, held, "test")}
    rows = {}
    for name, (fusion, folds, selection) in asked.items():
        ran = iemocap.run("run", *QUICK, "--fusion", fusion, "--folds", folds, "--selection", selection)
        assert ran.code == 0, ran.err
        (rows[name],) = ran.records
    assert rows["held"]["counts"]["forward_passes"] == {"logmel-stats": iemocap.turns}
    assert rows["left out"]["counts"]["forward_passes"] == {"logmel-stats": 0}  # heard once, by the first job
    assert rows["left out"]["counts"]["clips"] == iemocap.scored
    assert rows["left out"]["folds"]["speakers_seen"] is True  # whole conversations of every training session are held back for selection
    assert [len(rows["held"]["per_fold"]), len(rows["left out"]["per_fold"])] == [1, 5]
    assert [row["optimistic"] for row in rows.values()] == [False, False, True]
    assert not list((iemocap.root / "nverbench-runs" / "checkpoints").glob("*"))


def test_a_dry_run_says_the_disk_that_frames_take_and_half_of_it_for_float16(iemocap: Any) -> None:
    sizes = []
    for storage in ("float32", "float16"):
        ran = iemocap.run("run", *QUICK, "--fusion", MAMBA, "--storage", storage, "--dry-run")
        assert f"logmel-stats: {iemocap.turns} forward passes" in ran.out
        sizes.append(float(ran.out.partition(" MB of cache")[0].rpartition(" ")[2]))
    assert 1.7 < sizes[0] / sizes[1] < 2.1


def test_a_heads_turns_are_single_clips(iemocap: Any) -> None:
    ran = iemocap.run("run", *QUICK, "--fusion", "linear", "--folds", "holdout=Ses05")
    assert ran.code == 0, ran.err
    assert ran.records[0]["counts"]["forward_passes"] == {"logmel-stats": iemocap.scored}


def test_a_changed_heard_turn_makes_another_dataset(iemocap: Any) -> None:
    digests = []
    for _ in range(2):
        ran = iemocap.run("run", *QUICK, "--fusion", "linear", "--folds", "holdout=Ses05")
        digests.append(json.loads(ran.out)["provenance"]["dataset_digest"])
        evaluation = next((iemocap.root / "IEMOCAP").rglob("Ses01F_impro01.txt"))
        line = next(x for x in evaluation.read_text().splitlines() if "\tfru\t" in x or "\tneu\t" in x)
        evaluation.write_text(evaluation.read_text().replace(line, line.replace("\tfru\t", "\txxx\t").replace("\tneu\t", "\txxx\t")))
    assert digests[0] != digests[1]
