"""What a corpus is and how it is cut, as typed: ``data folds``, label sets with
``--exclude-label``, datasheets, and the speaker gap of a run.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nverbench._io.state import write_state


def tables(world: Any, *words: object) -> list[dict[str, Any]]:
    ran = world.run("data", "folds", *words, "--json", "--registry", "tiny.yaml")
    assert ran.code == 0
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def both(world: Any, *words: object) -> Any:
    return world.job("--folds", "speaker", "--folds", "random", "--json", *words)


def test_the_table_counts_every_clip_of_every_class_once(world: Any) -> None:
    (table,) = tables(world, "tiny-bursts")
    per_class = [
        sum(fold["test per class"][label] for fold in table["folds"])
        for label in ("high", "low", "mid")
    ]
    assert per_class == [16, 16, 16]
    assert sum(fold["groups"] for fold in table["folds"]) == 8


def test_the_digest_is_that_of_the_result_of_a_run(world: Any) -> None:
    (table,) = tables(world, "tiny-bursts", "--protocol", "quick")
    (record,) = world.job("--json").records
    assert table["digest"] == record["folds"]["digest"]


@pytest.mark.parametrize("kinds", [("speaker",), ("random", "leave-one-group-out")])
def test_each_kind_of_folds_has_a_table_of_its_own(world: Any, kinds: tuple[str, ...]) -> None:
    assert [
        t["kind"] for t in tables(world, "tiny-bursts", *(w for k in kinds for w in ("--folds", k)))
    ] == list(kinds)


def test_the_printed_table_has_a_line_per_class_and_says_whether_the_digest_is_registered(
    world: Any,
) -> None:
    ran = world.run("data", "folds", "tiny-bursts")
    assert "(not registered)" in ran.out
    assert {"high", "low", "mid", "test", "validation", "train", "speakers"} <= {
        line.split()[0] for line in ran.out.splitlines()
    }


def test_validation_parts_within_training_are_counted(world: Any) -> None:
    (table,) = tables(world, "tiny-bursts", "--protocol", "nver-2")
    assert {fold["splits"] for fold in table["folds"]} == {15}
    assert {fold["train"] + fold["test"] for fold in table["folds"]} == {48}
    ran = world.run("data", "folds", "tiny-bursts", "--protocol", "nver-2")
    assert "validation: 15 parts within train per fold" in ran.out


def test_a_registered_digest_is_recognised(world: Any) -> None:
    (table,) = tables(world, "tiny-bursts")
    pins = "pins: {datasets: {tiny-bursts: {source: here, licence: MIT, folds: {speaker: DIGEST}}}}"
    for digest, said in ((table["digest"], "the registered one"), ("0" * 64, "NOT the registered")):
        (world.root / "pins.yaml").write_text(pins.replace("DIGEST", f"'{digest}'"))
        assert said in world.run("data", "folds", "tiny-bursts", "--registry", "pins.yaml").out


def test_many_folds_are_printed_beside_each_other_in_parts(world: Any) -> None:
    lines = world.run(
        "data", "folds", "tiny-bursts", "--folds", "leave-one-group-out"
    ).out.splitlines()
    assert sum(line.split()[:2] == ["test", "fold"] for line in lines) == 1
    assert max(map(len, lines)) < 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tiny-bursts", "--folds", "sideways"), "unknown kind of folds 'sideways'"),
        (("tiny-bursts", "--folds", "holdout=nobody"), "no such group"),
        (("tiny-bursts:exclude=hgih",), "did you mean high?"),
        (("tiny-bursts:exclude=high+low",), "leaves 1 of its labels"),
        (("tiny-burst",), "did you mean tiny-bursts?"),
        (("tiny-bursts", "--protocol", "nver-9"), "no protocol named 'nver-9'"),
    ],
)
def test_a_slip_is_one_line_and_exit_code_2(world: Any, words: tuple[str, ...], said: str) -> None:
    ran = world.run("data", "folds", *words)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert said in ran.err


# label sets


def test_an_excluded_label_makes_a_dataset_of_another_name_with_one_class_less(world: Any) -> None:
    words = (
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "tiny-bursts",
        "--registry",
        "tiny.yaml",
        "--json",
    )
    ran = world.run("run", *words, "--exclude-label", "mid", "--protocol", "quick")
    (record,) = ran.records
    assert (record["entry"]["dataset"], record["labels"], record["counts"]["clips"]) == (
        "tiny-bursts:exclude=mid",
        ["high", "low"],
        32,
    )
    assert (record["standing"], len(record["confusion"])) == ("unofficial", 2)


def test_excluding_a_label_by_option_and_by_flag_is_one_result(world: Any) -> None:
    words = (
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--json",
    )
    (flag,) = world.run("run", *words, "--dataset", "tiny-bursts", "--exclude-label", "mid").records
    again = world.run("run", *words, "--dataset", "tiny-bursts:exclude=mid")
    assert (again.records[0]["id"], "already finished" in again.err) == (flag["id"], True)


def test_embeddings_of_a_label_set_are_those_of_the_whole(world: Any) -> None:
    world.job()
    passes = world.passes
    world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "tiny-bursts:exclude=mid",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
    )
    assert world.passes == passes


def test_a_label_can_only_be_excluded_from_a_named_dataset(world: Any) -> None:
    ran = world.run("run", "--backbone", "tiny-spectrum", "--exclude-label", "mid")
    assert (ran.code, "needs --dataset" in ran.err) == (2, True)


def test_a_label_set_keeps_published_counts_of_the_labels_it_has(world: Any) -> None:
    world.datasets[0] = replace(world.datasets[0], counts={"high": 16, "low": 17, "mid": 99})
    assert "low 16 of 17" in (said := world.run("data", "check", "tiny-bursts:exclude=mid").out)
    assert "mid" not in said.replace("exclude=mid", "")


# datasheets


def test_a_datasheet_says_what_a_label_is_and_is_not(world: Any) -> None:
    said = world.run("show", "tiny-bursts").out
    assert (
        "portrayed; a label is a reported or posed expression, not a person's inner state" in said
    )
    assert "consent: unknown" in said


def test_a_label_whose_name_would_mislead_is_shown_in_other_words_and_keeps_its_name(
    world: Any,
) -> None:
    world.datasets[0] = replace(world.datasets[0], display={"low": "low (portrayed)"})
    assert "low (shown as: low (portrayed))" in world.run("show", "tiny-bursts").out
    assert "low (portrayed)" in world.run("data", "folds", "tiny-bursts").out
    assert world.job("--json").records[0]["labels"] == ["high", "low", "mid"]


@pytest.mark.parametrize("name", ["emogator-41", "vivae", "asvp-esd", "ravdess", "jnv", "crema-d"])
def test_every_published_corpus_says_its_licence_its_source_and_who_judged(
    world: Any, name: str
) -> None:
    sheet = json.loads(world.run("show", name, "--json").out)["datasheet"]
    assert all(
        sheet[key]
        for key in ("licence", "source", "judged by", "recorded", "cite", "results may publish")
    )


def test_the_corpus_of_a_dataset_that_is_not_here_is_asked_for(world: Any) -> None:
    ran = world.run("data", "folds", "jnv")
    assert (ran.code, "corpus jnv is missing" in ran.err) == (2, True)


# the speaker gap


def test_two_kinds_of_folds_take_one_pass_over_the_clips(world: Any) -> None:
    assert len(both(world).records) == 2
    assert world.passes == 48


def test_the_gap_is_the_difference_of_the_two_rows(world: Any) -> None:
    ran = both(world)
    rows = {r["folds"]["kind"]: r for r in ran.records}
    gap = rows["speaker"]["speaker_gap"]
    expected = {
        name: rows["random"]["scores"][name]["value"] - rows["speaker"]["scores"][name]["value"]
        for name in ("accuracy", "macro_f1", "uar")
    }
    assert {name: gap["values"][name]["value"] for name in expected} == pytest.approx(expected)
    assert (
        gap["values"]["macro_f1"]["low"]
        <= gap["values"]["macro_f1"]["value"]
        <= gap["values"]["macro_f1"]["high"]
    )
    assert rows["random"]["speaker_gap"] == gap


def test_the_gap_is_kept_beside_the_results_and_printed_with_the_table(world: Any) -> None:
    ran = world.job("--folds", "speaker", "--folds", "random")
    (path,) = Path("nverbench-runs/gaps").glob("*.json")
    assert json.loads(path.read_text())["kind"] == "speaker"
    assert "speaker gap (random minus speaker folds" in ran.out
    assert "speaker gap (random minus speaker folds" in world.run("leaderboard", "show").out


def test_the_second_cut_may_come_in_a_later_run(world: Any) -> None:
    world.job("--folds", "speaker")
    assert "speaker gap" not in world.run("leaderboard", "show").out
    world.job("--folds", "random")
    assert "speaker gap" in world.run("leaderboard", "show").out


SEEN = """
protocols:
  quick-seen: {summary: validation speakers seen, seed: 7, k: 4, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.3,
    inner_per_class: 2, inner_by: clip, patience: 5, optimizer: adam, lr: 0.05, batch: 8, epochs: 2, replicates: 1}
"""


def test_a_row_with_validation_speakers_seen_splits_the_gap_in_two(world: Any) -> None:
    whole = both(world).records[0]["speaker_gap"]
    assert whole["parts"] is None
    Path("seen.yaml").write_text(SEEN)
    ran = world.job("--folds", "speaker", "--protocol", "quick-seen", "--registry", "seen.yaml")
    assert ran.code == 0, ran.err
    assert "of it test speakers seen: " in ran.out
    (path,) = Path("nverbench-runs/gaps").glob("*.json")
    gap = json.loads(path.read_text())
    assert gap["values"] == whole["values"]
    for name, i in gap["values"].items():
        parts = [gap["parts"][part][name]["value"] for part in ("test_seen", "validation_seen")]
        assert sum(parts) == pytest.approx(i["value"])
    shown = world.run("leaderboard", "show", "--json").records
    (split,) = (r for r in shown if r["protocol"] == "quick-seen")
    assert split["folds"]["speakers_seen"] is True
    assert split["speaker_gap"]["parts"]["seen_validation"] == split["id"]


def test_where_speakers_are_few_the_gap_is_taken_to_the_folds_that_leave_one_out(
    world: Any,
) -> None:
    few = world.datasets[0]
    world.datasets.append(
        replace(
            few,
            name="few",
            corpus="few",
            load=lambda root: [c for c in few.load(root) if c.speaker < "spk4"],
            folds=("leave-one-group-out", "random"),
        )
    )
    write_state("corpora", "paths", "few", str(world.corpus))
    ran = world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "few",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--folds",
        "leave-one-group-out",
        "--folds",
        "random",
        "--json",
    )
    gap = ran.records[0]["speaker_gap"]
    assert (gap["kind"], gap["values"]["uar"]["low"]) == ("leave-one-group-out", None)
