"""Training on one corpus and testing on another, as typed: no clip is embedded again, and the row
says what was trained on and what was scored.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench._io.state import write_state
from nverbench.data.cross_corpus import load_local_pair
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish, rejoin
from nverbench.results.record import Result

CLIPS, OTHERS = 48, 20
GRID = """\
  - {name: tiny-cross, backbones: [[tiny-spectrum]], fusions: [tiny-linear], datasets: ["tiny-bursts:test=tiny-calls"], protocol: quick}
"""


@pytest.fixture
def two(world: Any) -> Any:
    """The tiny world with a second corpus of five other speakers: two classes of other names that
    the first has too, two takes each.
    """
    folder = world.root / "calls"
    pitch = {"shrill": 1450.0, "deep": 320.0}
    for speaker in range(5):
        (folder / f"spk{speaker}").mkdir(parents=True)
        for label, hertz in pitch.items():
            for take in range(2):
                time = np.arange(8000 * (20 + 3 * take) // 100) / 8000
                noise = 0.02 * np.random.default_rng(
                    [9, speaker, take, int(hertz)]
                ).standard_normal(len(time))
                wave = 0.3 * np.sin(2 * np.pi * (hertz + 9 * speaker) * time) + noise
                soundfile.write(folder / f"spk{speaker}" / f"{label}-{take}.wav", wave, 8000)
    bursts = replace(
        world.datasets[0], common={"high": "shrill", "low": "deep"}, licence="MIT", share="open"
    )
    calls = replace(
        bursts,
        name="tiny-calls",
        corpus="tiny-calls",
        labels=("deep", "shrill"),
        common={"deep": "deep", "shrill": "shrill"},
        licence="CC BY-NC 4.0",
        share="labels-only",
        group="caller",
    )
    world.datasets[:] = [bursts, calls]
    write_state("corpora", "paths", "tiny-calls", str(folder))
    return world


def run(world: Any, dataset: str, *words: object, backbone: str = "tiny-spectrum") -> Any:
    return world.run(
        "run",
        "--backbone",
        backbone,
        "--fusion",
        "tiny-linear",
        "--dataset",
        dataset,
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--json",
        *words,
    )


def test_a_row_scores_every_clip_of_the_tested_corpus_that_it_shares(two: Any) -> None:
    (record,) = run(two, "tiny-bursts:test=tiny-calls").records
    assert (record["entry"]["dataset"], record["folds"]["kind"], record["labels"]) == (
        "tiny-bursts:test=tiny-calls",
        "cross",
        ["deep", "shrill"],
    )
    assert np.array(record["confusion"]).sum(1).tolist() == [10, 10]
    (fold,) = record["per_fold"]
    assert (fold["fold"], fold["train"] + fold["validation"], fold["test"]) == (
        "test",
        32,
        OTHERS,
    )  # two of three classes of 48
    assert record["scores"]["accuracy"]["value"] > 0.8  # the tones are easy


def test_nothing_is_embedded_that_was_embedded_before(two: Any) -> None:
    run(two, "tiny-bursts")
    run(two, "tiny-calls")
    assert two.passes == CLIPS + OTHERS
    run(two, "tiny-bursts:test=tiny-calls")
    run(two, "tiny-calls:test=tiny-bursts")
    assert two.passes == CLIPS + OTHERS


def test_predictions_and_groups_are_those_of_the_tested_corpus(two: Any) -> None:
    ran = run(two, "tiny-bursts:test=tiny-calls")
    (path,) = Path("nverbench-runs").rglob("*.npz")
    predictions = Predictions.read(path)
    assert len(predictions.ids) == OTHERS
    assert set(predictions.groups) == {f"tiny-calls/spk{i}" for i in range(5)}
    assert (ran.records[0]["share"], ran.records[0]["licence"].partition(" (")[0]) == (
        "labels-only",
        "CC BY-NC 4.0",
    )


def test_the_registered_row_is_found_by_its_whole_name_only(two: Any) -> None:
    (two.root / "tiny.yaml").write_text((two.root / "tiny.yaml").read_text() + GRID)
    exact = two.run(
        "run", "--dataset", "tiny-bursts:test=tiny-calls", "--registry", "tiny.yaml", "--json"
    ).records
    assert [r["entry"]["grid"] for r in exact] == ["tiny-cross"]
    wide = two.run(
        "run",
        "--dataset",
        "tiny-bursts",
        "--fusion",
        "tiny-linear",
        "--registry",
        "tiny.yaml",
        "--json",
    ).records
    assert [r["entry"]["dataset"] for r in wide] == ["tiny-bursts"]


def test_the_same_command_again_does_nothing(two: Any) -> None:
    run(two, "tiny-bursts:test=tiny-calls")
    assert "already finished" in run(two, "tiny-bursts:test=tiny-calls").err


def test_the_published_form_names_nobody_and_can_be_joined_again(two: Any) -> None:
    run(two, "tiny-bursts:test=tiny-calls")
    (path,) = two.results
    (file,) = Path("nverbench-runs").rglob("*.npz")
    result, predictions = Result.model_validate_json(path.read_text()), Predictions.read(file)
    public, keyed = publish(result, predictions)
    assert "spk" not in public.model_dump_json()
    assert public.result_digest == result.result_digest == public.digest()
    corpus = load_local_pair(
        {d.name: d for d in two.datasets}.__getitem__, "tiny-bursts:test=tiny-calls"
    )
    joined = rejoin(keyed, corpus)
    assert (joined.ids, joined.groups, joined.folds) == (
        predictions.ids,
        predictions.groups,
        ["test"] * OTHERS,
    )
    assert np.array_equal(joined.target, predictions.target)


def test_a_dry_run_counts_the_passes_of_both(two: Any) -> None:
    run(two, "tiny-calls")
    said = run(two, "tiny-bursts:test=tiny-calls", "--dry-run")
    assert said.code == 0
    assert "32" in said.out + said.err  # of the 52 clips, 20 are embedded
    assert two.passes == OTHERS


def test_a_label_is_left_out_by_its_common_name(two: Any) -> None:
    ran = run(two, "tiny-bursts:test=tiny-calls", "--exclude-label", "deep")
    assert (ran.code, "leaves 1 of its labels" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("tiny-bursts:test=tiny-call", "did you mean tiny-calls"),
        ("tiny-bursts:test=tiny-bursts", "clips of the test would be trained on"),
        ("tiny-bursts:test=vocal-demo", "vocal-demo has none"),
    ],
)
def test_what_cannot_be_crossed_is_one_line_and_exit_code_2(
    two: Any, dataset: str, said: str
) -> None:
    ran = run(two, dataset)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert said in ran.err


def test_a_tested_corpus_that_is_not_here_is_asked_for(two: Any) -> None:
    two.datasets[1] = replace(two.datasets[1], corpus="nowhere")
    ran = run(two, "tiny-bursts:test=tiny-calls")
    assert (ran.code, "corpus nowhere is missing" in ran.err) == (2, True)


def test_data_folds_prints_the_one_fold_with_the_digest_of_the_run(two: Any) -> None:
    ran = two.run(
        "data",
        "folds",
        "tiny-bursts:test=tiny-calls",
        "--protocol",
        "quick",
        "--json",
        "--registry",
        "tiny.yaml",
    )
    (table,) = json.loads(ran.out)
    (record,) = run(two, "tiny-bursts:test=tiny-calls").records
    assert (table["kind"], table["digest"], table["group"]) == (
        "cross",
        record["folds"]["digest"],
        "caller",
    )
    assert [(f["fold"], f["test per class"], f["groups"]) for f in table["folds"]] == [
        ("test", {"deep": 10, "shrill": 10}, 5)
    ]
    said = two.run("data", "folds", "tiny-bursts:test=tiny-calls").out
    assert "tiny-bursts:test=tiny-calls, nver-1, cross folds: 52 clips" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("data", "folds", "tiny-bursts:test=tiny-calls", "--folds", "random"),
            "which is cross, not random",
        ),
        (("data", "folds", "tiny-bursts", "--folds", "cross"), "write them as A:test=B"),
        (
            ("data", "check", "tiny-bursts:test=tiny-calls"),
            "names two datasets, and only one is possible here",
        ),
        (
            ("data", "audit", "tiny-bursts:test=tiny-calls"),
            "names two datasets, and only one is possible here",
        ),
    ],
)
def test_a_command_that_wants_one_dataset_says_so(
    two: Any, words: tuple[str, ...], said: str
) -> None:
    ran = two.run(*words)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert said in ran.err


def test_the_registered_pairs_of_published_corpora_are_listed(two: Any) -> None:
    listed = two.run("list", "entries").out
    assert "logmel-stats / fcn / asvp-esd:test=vivae" in listed
    assert "byol-s / linear / emogator-10:test=vivae" in listed
