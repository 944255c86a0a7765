"""Conversations from files to rows: IEMOCAP-shaped trees through frames, whole dialogues, three
protocols, shuffles and half the disk.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from nverbench._io.state import write_state
from nverbench.pipeline.executors import processes
from nverbench.plugin import discovery
from support.iemocap_tree import write_tree

MAMBA = "quick-mamba:dim=8,hidden=8,layers=1"
HELD, LEFT_OUT = "holdout=Ses05", "leave-one-group-out"
QUICK = ("--backbone", "logmel-stats", "--dataset", "iemocap-6", "--json")


@pytest.fixture
def iemocap(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tree of 15 dialogues, and erc-mamba in six epochs instead of sixty, trained in this
    process: another imports torch for longer.
    """
    mamba = discovery.discover().fusions.parts["erc-mamba"]
    world.fusions.append(
        replace(
            mamba,
            name="quick-mamba",
            recipe=lambda options: replace(mamba.recipe_for(options), epochs=6, lr=0.03),
        )
    )
    monkeypatch.setattr(processes, "WORTH_STARTING", float("inf"))
    written = write_tree(world.root / "IEMOCAP", dialogues=3, turns=4)
    write_state("corpora", "paths", "iemocap", str(world.root / "IEMOCAP"))
    world.scored = sum(turn.scored is not None for turn in written)
    world.turns = len(written)
    return world


def job(world: Any, *words: object, fusion: str = MAMBA) -> Any:
    """The record of the only job that ran."""
    ran = world.run("run", *QUICK, "--fusion", fusion, *words)
    assert ran.code == 0, ran.err
    (record,) = ran.records
    return record


def test_from_files_to_the_table_of_three_protocols_and_what_context_gave(iemocap: Any) -> None:
    """Leave-one-session-out (the paper's Table 2), training on sessions 1-4 (its Table 3), and that
    with the epoch chosen on session 5, as the paper may have done: the first two choose it on
    held-out training conversations, the third is labelled optimistic.
    """
    rows = {
        "left out": job(iemocap, "--folds", LEFT_OUT),
        "held": job(iemocap, "--folds", HELD),
        "optimistic": job(iemocap, "--folds", HELD, "--selection", "test"),
    }
    assert rows["left out"]["counts"]["forward_passes"] == {"logmel-stats": iemocap.turns}
    assert rows["held"]["counts"]["forward_passes"] == {
        "logmel-stats": 0
    }  # heard once, by the first job
    assert rows["left out"]["counts"]["clips"] == iemocap.scored
    assert (
        rows["left out"]["folds"]["speakers_seen"] is True
    )  # whole conversations of every training session are held back for selection
    assert [len(row["per_fold"]) for row in rows.values()] == [5, 1, 1]
    assert rows["left out"]["scores"]["accuracy"]["low"] > 0.5  # a label's pitch can be heard
    assert not list((iemocap.root / "nverbench-runs" / "checkpoints").glob("*"))

    shown = iemocap.run("leaderboard", "show", "--json")
    assert shown.code == 0, shown.err
    found = {row["id"]: row for row in shown.records}
    by_name = {name: found[row["id"]] for name, row in rows.items()}
    assert len(found) == 3
    assert {
        name: (row["folds"]["kind"], row["selection"], row["optimistic"], row["rank"])
        for name, row in by_name.items()
    } == {
        "left out": (LEFT_OUT, "inner", False, None),
        "held": (HELD, "inner", False, None),
        "optimistic": (HELD, "test", True, None),
    }
    assert by_name["left out"]["unranked"] == "1 replicate; a ranked row carries 5"
    assert by_name["held"]["unranked"] == "fewer than 5 groups: no claim of significance"
    assert by_name["optimistic"]["unranked"].startswith("optimistic: ")
    table = iemocap.run("leaderboard", "show").out
    assert [
        word
        for word in (LEFT_OUT, HELD, "optimistic", "majority class", "uniform guessing")
        if word not in table
    ] == []

    missing = iemocap.run("atmosphere", rows["held"]["id"])
    assert missing.code == 2
    single = job(iemocap, "--folds", HELD, fusion=f"{MAMBA},context=utterance")
    assert (
        f"this makes it: nverbench run --backbone logmel-stats --fusion {single['entry']['fusion']}"
        in missing.err
    )
    said = iemocap.run("atmosphere", rows["held"]["id"], "--json", "--figure", "held.png")
    (analysis,) = said.records
    assert (analysis["single"], analysis["accuracy"]["turns"]) == (
        single["id"],
        rows["held"]["counts"]["clips"],
    )
    assert analysis["accuracy"]["contextual"] == pytest.approx(
        rows["held"]["scores"]["accuracy"]["value"]
    )
    assert analysis["accuracy"]["single"] == pytest.approx(single["scores"]["accuracy"]["value"])
    assert (iemocap.root / "held.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_trained_on_shuffled_conversations_says_so_and_its_test_is_the_same(
    iemocap: Any,
) -> None:
    plain, shuffled = (
        job(iemocap, "--folds", HELD),
        job(iemocap, "--folds", HELD, "--train", "shuffle=intra"),
    )
    assert plain["id"] != shuffled["id"]
    assert plain["folds"] == shuffled["folds"]
    assert "shuffle=intra" in iemocap.run("leaderboard", "show").out


def test_a_dry_run_says_the_disk_that_frames_take_and_half_of_it_for_float16(iemocap: Any) -> None:
    sizes = []
    for storage in ("float32", "float16"):
        ran = iemocap.run("run", *QUICK, "--fusion", MAMBA, "--storage", storage, "--dry-run")
        assert f"logmel-stats: {iemocap.turns} forward passes" in ran.out
        sizes.append(float(ran.out.partition(" MB of cache")[0].rpartition(" ")[2]))
    assert 1.7 < sizes[0] / sizes[1] < 2.1


def test_a_run_says_the_disk_before_it_starts_and_refuses_when_it_is_not_there(
    iemocap: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    full = shutil.disk_usage("/")._replace(free=1000)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: full)
        ran = iemocap.run("run", *QUICK, "--fusion", MAMBA, "--folds", HELD)
        assert ran.code == 2
        assert (
            "free some, move the cache with NVERBENCH_HOME, or take half with --storage float16"
            in ran.err
        )
        assert iemocap.results == []
        assert (
            iemocap.run("run", *QUICK, "--fusion", MAMBA, "--folds", HELD, "--dry-run").code == 0
        )  # what says its needs never needs them
    ran = iemocap.run("run", *QUICK, "--fusion", MAMBA, "--folds", HELD)
    assert ran.code == 0
    assert "frames will take" in ran.err


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
        line = next(
            x for x in evaluation.read_text().splitlines() if "\tfru\t" in x or "\tneu\t" in x
        )
        evaluation.write_text(
            evaluation.read_text().replace(
                line, line.replace("\tfru\t", "\txxx\t").replace("\tneu\t", "\txxx\t")
            )
        )
    assert digests[0] != digests[1]
