"""The ablation of protocol constants: what it trains twice, what it keeps, and how corpora choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import protocol_choices as study
import pytest
from corpus_features import CorpusFeatures
from protocol_choices_tables import Measured, leave_one_corpus_out, print_tables

from nverbench import Clip


def features(clips: int = 60) -> CorpusFeatures:
    """Ten speakers, three classes, two streams of noise with the class in them."""
    rng = np.random.default_rng(0)
    rows = tuple(Clip(f"{i:03d}", Path(), "abc"[i % 3], f"s{i % 10}") for i in range(clips))
    code = 3 * np.eye(3, dtype=np.float32)[np.arange(clips) % 3]
    streams = [code + rng.normal(0, 1, (clips, 3)).astype(np.float32) for _ in range(2)]
    return CorpusFeatures("small", rows, (streams[0], streams[1]))


def found(gains: dict[str, dict[str, float]]) -> Measured:
    """Records of one head: choice -> corpus -> macro-F1 in percent."""
    cells = {
        (choice, "fcn", corpus): {"macro_f1": value / 100, "accuracy": 0.5, "seconds": 1.0}
        for choice, values in gains.items()
        for corpus, value in values.items()
    }
    corpora = tuple(sorted({corpus for _, _, corpus in cells}))
    return Measured(cells, tuple(gains), ("fcn",), corpora)


def same(head: str, one: str, other: str) -> bool:
    """Whether two choices are one training of a head."""
    corpus, protocols = features(), (study.protocol_of(one), study.protocol_of(other))
    first, second = [study.identity(corpus, head, protocol, 1) for protocol in protocols]
    return first == second


@pytest.mark.parametrize("change", ["rates=[0.001]", "patience=5", "epochs=20"])
def test_a_head_that_is_fitted_to_its_optimum_is_not_trained_again_for_other_steps(
    change: str,
) -> None:
    assert same("linear", "nver-2", f"nver-2:{change}")
    assert not same("fcn", "nver-2", f"nver-2:{change}")


@pytest.mark.parametrize("change", ["penalties=[]", "penalties=[0.5]"])
def test_other_heads_are_not_trained_again_for_other_penalties(change: str) -> None:
    assert same("fcn", "nver-2", f"nver-2:{change}")
    assert not same("linear", "nver-2", f"nver-2:{change}")


@pytest.mark.parametrize("change", ["watch=cross-entropy", "inner_splits=1", "rates=[]"])
def test_choices_that_can_change_a_head_are_trained(change: str) -> None:
    assert not same("linear", "nver-2", f"nver-2:{change}")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("nver-2:rate=[0.001]", "rate: extra inputs"),
        ("nver-2:watch=accuracy", "watch: input should be"),
        ("nver-9", "no protocol named 'nver-9'"),
    ],
)
def test_a_wrong_choice_is_one_line(choice: str, message: str) -> None:
    with pytest.raises(SystemExit, match=f"choice {choice.split(':')[0]}.*{message}"):
        study.protocol_of(choice)


def test_a_second_start_trains_only_what_is_missing(tmp_path: Path) -> None:
    records, asked = (
        tmp_path / "records.jsonl",
        ([features()], ["linear"], ["nver-1:lr=0.1;epochs=2"]),
    )
    study.measure_missing(records, *asked, 1)
    whole = records.read_text(encoding="utf-8")
    records.write_text(whole + whole[: len(whole) // 2], encoding="utf-8")  # killed while writing
    study.measure_missing(records, *asked, 1)
    assert records.read_text(encoding="utf-8") == whole
    record = json.loads(whole)
    assert len(record["best_epoch"][0]) == 5
    assert 0.6 < record["macro_f1"] <= 1


def test_a_subset_does_not_depend_on_what_else_is_in_it() -> None:
    small, large = [features().subset(n) for n in (10, 20)]
    assert {clip.id for clip in small.clips} < {clip.id for clip in large.clips}
    assert len(small.streams[0]) == 10


def test_the_corpus_left_out_never_chooses_for_itself() -> None:
    gains: dict[str, dict[str, float]] = {
        "nver-1": {"a": 50, "b": 50, "c": 50},
        "nver-2": {"a": 50, "b": 52, "c": 52},
        "mine": {"a": 90, "b": 51, "c": 51},
    }
    by_corpus = {one.corpus: one for one in leave_one_corpus_out(found(gains))}
    assert (by_corpus["a"].choice, by_corpus["a"].best) == ("nver-2", "mine")
    assert by_corpus["a"].here == pytest.approx(0)
    assert by_corpus["b"].choice == "mine"
    assert by_corpus["b"].elsewhere == pytest.approx((40 + 1) / 2)


def test_a_choice_that_is_not_complete_is_not_chosen(capsys: Any) -> None:
    gains: dict[str, dict[str, float]] = {
        "nver-1": {"a": 50, "b": 50},
        "nver-2": {"a": 51, "b": 48.6},
        "mine": {"a": 90},
    }
    study_of_two = found(gains)
    assert {one.choice for one in leave_one_corpus_out(study_of_two)} == {"nver-1", "nver-2"}
    print_tables(study_of_two)
    printed = capsys.readouterr().out
    assert "not complete, and not chosen from: mine" in printed
    assert "| nver-2 | +1.0 | -1.4 | -0.2 [1.2] | 1.0 |" in printed
