"""The straight line, end to end on a stranger's tiny world: one table, one file per job, one
forward pass per clip, ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLIPS = 48
EMBEDDED_FIRST = "tiny-spectrum"


def test_a_run_prints_a_table_and_leaves_one_result_per_job(world: Any) -> None:
    ran = world.job()
    assert ran.code == 0
    assert "macro-F1 % [95%]" in ran.out
    assert EMBEDDED_FIRST in ran.out
    assert "1 finished, 0 already finished, 0 failed" in ran.err
    assert len(world.results) == 1
    assert world.results[0].with_name(f"{world.results[0].stem}.predictions.npz").exists()
    assert world.passes == CLIPS


def test_a_rerun_says_that_it_has_nothing_to_do_and_computes_nothing(world: Any) -> None:
    world.job()
    before, world.passes = world.results[0].read_bytes(), 0
    ran = world.job()
    assert ran.code == 0
    assert "already finished" in ran.err
    assert "0 finished, 1 already finished" in ran.err
    assert "macro-F1 % [95%]" in ran.out
    assert (world.passes, world.results[0].read_bytes()) == (0, before)


def test_rerun_gives_the_same_result_digest_without_a_forward_pass(world: Any) -> None:
    first = world.job("--json").records[0]
    world.passes = 0
    again = world.job("--json", "--rerun")
    assert again.records[0]["result_digest"] == first["result_digest"]
    assert again.records[0]["counts"]["forward_passes"] == {"tiny-spectrum": 0}
    assert world.passes == 0
    assert "1 finished, 0 already finished" in again.err


def test_a_second_head_needs_no_forward_pass(world: Any) -> None:
    world.job()
    world.passes = 0
    assert world.job(fusion="tiny-wide").code == 0
    assert world.passes == 0


def test_two_heads_of_one_run_share_one_pass_per_clip(world: Any) -> None:
    ran = world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    assert "2 finished" in ran.err
    assert world.passes == CLIPS


def test_the_json_record_holds_scores_with_intervals_and_everything_behind_them(world: Any) -> None:
    ran = world.job("--json", "--folds", "speaker")
    (record,) = ran.records
    assert set(record["scores"]) == {"accuracy", "macro_f1", "uar", "weighted_f1"}
    assert all(0 <= s["low"] <= s["value"] <= s["high"] <= 1 for s in record["scores"].values())
    assert record["scores"]["accuracy"]["value"] > 0.8  # the tones are easy
    assert [f["fold"] for f in record["per_fold"]] == ["1", "2", "3", "4"]
    assert sum(f["test"] for f in record["per_fold"]) == CLIPS
    assert set(record["per_class_recall"]) == {"high", "low", "mid"}
    assert record["counts"]["per_class"] == {"high": 16, "low": 16, "mid": 16}
    assert (record["counts"]["clips"], record["counts"]["groups"], record["unit"]) == (
        CLIPS,
        8,
        "speaker",
    )
    assert record["provenance"]["plugins"] == {"nverbench-tiny": "0.1"}
    assert {
        "embedding_digests",
        "weights_digests",
        "dataset_digest",
        "libraries",
        "licences",
        "threads",
    } <= set(record["provenance"])
    assert record["entry"]["grid"] == "tiny-grid"
    assert (record["share"], record["licence"]) == ("none", "unknown (tiny-bursts)")
    assert (
        "names" not in record
    )  # what the digest needs of this machine's names is in the file only
    assert "macro-F1" not in ran.out


def test_pooled_accuracy_is_the_diagonal_of_the_confusion(world: Any) -> None:
    (record,) = world.job("--json").records
    counts = np.array(record["confusion"])
    assert counts.sum() == CLIPS
    assert record["scores"]["accuracy"]["value"] == pytest.approx(counts.trace() / counts.sum())


def test_both_folds_print_the_speaker_gap(world: Any) -> None:
    ran = world.job("--folds", "speaker", "--folds", "random")
    assert ran.code == 0
    assert (
        "speaker gap (random minus speaker folds, points) tiny-spectrum / tiny-linear / tiny-loss"
        " on tiny-bursts" in ran.out
    )
    assert len(world.results) == 2
    assert world.passes == CLIPS


def test_seeds_are_replicates_with_a_spread(world: Any) -> None:
    (record,) = world.job("--json", "--seeds", "2").records
    assert len(record["per_fold"]) == 8
    assert all(s["seed_sd"] is not None for s in record["scores"].values())


def test_a_selection_on_the_test_part_is_called_optimistic(world: Any) -> None:
    ran = world.job("--selection", "test")
    assert "optimistic" in ran.out
    assert "stopping epoch was chosen on the test part" in ran.err


@pytest.mark.parametrize("after", [0, 9, 30])
def test_ctrl_c_exits_130_and_the_next_run_does_only_what_is_left(world: Any, after: int) -> None:
    world.interrupt_at = after
    ran = world.job()
    assert ran.code == 130
    assert world.passes == after
    world.interrupt_at = None
    assert world.job().code == 0
    assert world.passes == CLIPS


def test_ctrl_c_says_that_the_same_command_goes_on(world: Any) -> None:
    world.interrupt_at = 0
    assert "the same command goes on from here" in world.job().err


def test_an_interrupted_run_ends_in_the_same_result_as_a_straight_one(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.interrupt_at = 21
    world.job()
    world.interrupt_at = None
    resumed = world.job("--json").records[0]
    monkeypatch.setenv("NVERBENCH_HOME", str(world.root / "other-home"))
    world.run("data", "add", "tiny-bursts", world.corpus)
    straight = world.job("--json", "--out", "other-runs").records[0]
    assert straight["result_digest"] == resumed["result_digest"]
    assert world.passes == 2 * CLIPS


def test_ctrl_c_keeps_the_jobs_that_are_finished(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nverbench.pipeline import assemble

    # a job begins ahead only where processes train, also on a loaded machine
    monkeypatch.setenv("NVERBENCH_FIT", "one")
    begin, calls = assemble.begin_job, []

    def second_is_interrupted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return begin(*args, **options)

    monkeypatch.setattr(assemble, "begin_job", second_is_interrupted)
    assert world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml").code == 130
    assert len(world.results) == 1
    ran = world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    assert "1 finished, 1 already finished" in ran.err


def test_one_failing_job_does_not_stop_the_others(world: Any) -> None:
    ran = world.job("--fusion", "tiny-broken")
    assert ran.code == 1
    assert "1 finished, 0 already finished, 1 failed" in ran.err
    assert "RuntimeError: the stranger forgot something" in ran.err
    assert "world.py:" in ran.err  # the place where it was raised
    assert len(world.results) == 1


def test_debug_lets_the_traceback_of_a_failing_job_through(world: Any) -> None:
    from nverbench.cli import main

    words = [
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-broken",
        "--dataset",
        "tiny-bursts",
        "--debug",
    ]
    with pytest.raises(RuntimeError, match="the stranger forgot something"):
        main(words)


def test_results_do_not_depend_on_the_folder_that_holds_the_corpus(world: Any) -> None:
    first = world.job("--json").records[0]
    moved = world.root / "elsewhere" / "copy"
    moved.parent.mkdir()
    world.corpus.rename(moved)
    assert world.run("data", "add", "tiny-bursts", moved).code == 0
    assert world.job("--json").records[0]["id"] == first["id"]
    assert world.passes == CLIPS


def test_a_clip_that_changes_makes_a_new_row_and_one_new_batch(world: Any) -> None:
    first = world.job("--json").records[0]
    import soundfile

    changed = world.corpus / "spk0" / "high-0.wav"
    samples, rate = soundfile.read(changed)
    soundfile.write(changed, samples * 0.5, rate, subtype="PCM_16")
    world.passes = 0
    second = world.job("--json").records[0]
    assert second["id"] != first["id"]
    assert 1 <= world.passes <= 3  # its planned batch


def test_the_same_path_is_never_written_into_a_result(world: Any) -> None:
    world.job()
    assert str(world.root) not in world.results[0].read_text()


def test_results_go_where_out_says(world: Any, tmp_path: Path) -> None:
    world.job("--out", "mine")
    assert world.results == []
    assert len(list((tmp_path / "mine" / "results").glob("*.json"))) == 1


def test_a_damaged_result_costs_its_own_job_only(world: Any) -> None:
    world.job()
    world.results[0].write_text("{")
    ran = world.run("run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml")
    assert "1 finished" in ran.err


def test_a_damaged_tracking_marker_does_not_end_the_run(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.job()
    monkeypatch.undo()  # the real tracking
    from nverbench.errors import TrackingError
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore, read_result

    folder = ResultStore(world.root / "nverbench-runs")
    result = read_result(world.results[0])
    (folder.root / f"{result.id}.tracked").write_text("{")
    with pytest.raises(TrackingError):
        tracking.log(result, folder, "nowhere://x")
