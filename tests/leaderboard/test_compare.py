"""``compare`` two results: paired, signed the right way round, one plain sentence, and refused
where the clips or the cut are others.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nverbench.cli import main
from nverbench.errors import UsageError
from nverbench.leaderboard import compare
from nverbench.leaderboard.rows import StoredResult
from nverbench.metrics.scores import NAMES
from nverbench.metrics.significance import compare as paired_difference
from nverbench.metrics.significance import corrected_t, holm
from nverbench.results.predictions import Predictions
from nverbench.results.store import ResultStore
from support.leaderboards import LABELS, competitor, filed, said

GOOD, WEAK = filed("good", 0.9, seed=1), filed("weak", 0.5, seed=2)


def test_swapping_the_sides_turns_every_difference_round():
    one, two = compare.results(GOOD, WEAK), compare.results(WEAK, GOOD)
    for metric in NAMES:
        assert one.metrics[metric].difference.value == pytest.approx(
            -two.metrics[metric].difference.value
        )
        assert one.metrics[metric].p == pytest.approx(two.metrics[metric].p)
        assert one.folds[metric].difference.value == pytest.approx(
            -two.folds[metric].difference.value
        )
    assert compare.verdict(one) == compare.verdict(two).replace("B is", "A is")


@pytest.mark.parametrize("metric", NAMES)
def test_the_numbers_are_those_of_the_statistics(metric: str):
    found = compare.results(GOOD, WEAK)
    a, b = (one.predictions().decisions(3) for one in (GOOD, WEAK))
    assert found.metrics[metric] == paired_difference(a, b, metric=metric)
    folds = [
        {f: [getattr(s, metric) for s in one.result.per_fold if s.fold == f] for f in ("1", "2")}
        for one in (GOOD, WEAK)
    ]
    assert found.folds[metric] == corrected_t(
        *folds, ratio=96 / 96, groups=8
    )  # 2 folds of 48 test clips; 40 + 8 train


def test_the_second_opinion_says_who_is_better_or_that_it_cannot_tell():
    one = compare.results(GOOD, WEAK)
    certain = {"macro_f1": replace(one.folds["macro_f1"], p=0.01)}
    assert "A is better (+" in compare.second_opinion(replace(one, folds=certain))
    assert "cannot tell (+" in compare.second_opinion(
        replace(one, folds={"macro_f1": replace(one.folds["macro_f1"], p=0.2)})
    )


def test_hostile_names_are_shown_as_text():
    found = compare.results(GOOD, filed("other", 0.5, fusion="\u202e\x1b[31m", display={}))
    assert not {"\u202e", "\x1b"} & set("".join(compare.lines(found)))


def test_a_clear_difference_is_called_better_with_its_interval():
    d = compare.results(GOOD, WEAK).metrics["macro_f1"].difference
    expected = f"A is better by {100 * d.value:.1f} points of macro-F1 [{100 * d.low:.1f}, {100 * d.high:.1f}]"  # type: ignore[operator]
    assert compare.verdict(compare.results(GOOD, WEAK)) == expected


def test_two_equals_are_not_distinguished_and_the_sentence_names_the_detectable_difference():
    found = compare.results(filed("one", 0.6, seed=3), filed("two", 0.6, seed=4))
    smallest = found.metrics["macro_f1"].smallest
    assert smallest is not None
    assert compare.verdict(found).startswith("cannot tell: A - B is ")
    assert compare.verdict(found).endswith(
        f"a measured difference of {100 * smallest:.1f} would have been seen"
    )


def test_a_result_is_no_better_than_itself():
    found = compare.results(GOOD, GOOD)
    assert compare.verdict(found).startswith("no difference")
    assert {r.adjusted_p for r in found.recalls} == {1.0}


def test_with_fewer_than_five_speakers_nothing_is_claimed():
    found = compare.results(filed("one", 0.9, speakers=4), filed("two", 0.3, speakers=4))
    assert compare.verdict(found).startswith("no claim: fewer than five speakers; A is ")
    assert {r.adjusted_p for r in found.recalls} == {None}


def test_recalls_are_those_of_the_results_and_their_p_values_are_adjusted_together():
    found = compare.results(GOOD, WEAK)
    assert {r.label: r.a for r in found.recalls} == pytest.approx(GOOD.result.per_class_recall)
    assert [r.difference.difference.value for r in found.recalls] == pytest.approx(
        [r.a - r.b for r in found.recalls]
    )
    assert [r.adjusted_p for r in found.recalls] == holm(
        [r.difference.p for r in found.recalls if r.difference.p is not None]
    ).tolist()
    assert sum(r.clips for r in found.recalls) == found.clips


def test_seeds_are_paired_and_counted():
    seeds = compare.results(GOOD, WEAK).seeds
    assert (seeds["seeds"], seeds["a_leads"]) == (2, 2)
    single = filed("single", 0.9, seed=1)
    one = said(0.9, replicates=1)
    assert (
        compare.results(StoredResult(competitor("single", one), lambda: one), WEAK).seeds[
            "difference_sd"
        ]
        is None
    )
    assert single.result.seeds == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "others"}, "differ in the dataset: bursts and others"),
        (
            {"kind": "random"},
            (
                "differ in the kind of folds: speaker and random; compare rows of one corpus and"
                " cut; for shared against disjoint"
            ),
        ),
        ({"digest": "f" * 64}, "differ in the folds (digest): dddddddddddd and ffffffffffff"),
        ({"labels": ["a", "b", "c"]}, "differ in the labels: anger, fear, joy and a, b, c"),
    ],
)
def test_results_of_another_corpus_or_cut_are_refused_in_one_line(
    changes: dict[str, str], words: str
):
    with pytest.raises(UsageError, match=r"\A[^\n]+\Z") as refused:
        compare.results(GOOD, filed("other", 0.5, **changes))
    assert words in str(refused.value)


def test_another_protocol_on_the_same_cut_is_compared_and_noted():
    found = compare.results(GOOD, filed("other", 0.5, protocol="nver-1-demo", control=True))
    assert found.notes == (
        "the two differ in protocol too: nver-1 and nver-1-demo",
        "B is a control, not a result",
    )


def published(predictions: Predictions, *, labels: bool = True) -> Predictions:
    """As it is published: keys for ids, pseudonyms for groups, rows in the order of the keys, here
    turned round.
    """
    rows = list(range(len(predictions.ids)))[::-1]
    keys = [predictions.keys[row] for row in rows]
    groups = [f"group {9 - int(predictions.groups[row][-1])}" if labels else "" for row in rows]
    target = predictions.target[rows] if labels else predictions.target[:0]
    return Predictions(
        keys,
        groups,
        target,
        [predictions.folds[row] for row in rows],
        predictions.probabilities[:, rows],
        keys,
    )


@pytest.mark.parametrize("labels", [True, False])
def test_a_published_result_compares_with_a_local_one_as_if_it_were_local(labels: bool):
    theirs = published(WEAK.predictions(), labels=labels)
    found = compare.results(GOOD, replace(WEAK, predictions=lambda: theirs))
    turned = compare.results(replace(WEAK, predictions=lambda: theirs), GOOD)
    expected = compare.results(GOOD, WEAK)
    assert found.metrics == expected.metrics
    assert turned.metrics["accuracy"].p == expected.metrics["accuracy"].p


def test_other_groups_behind_the_same_keys_are_refused():
    theirs = published(WEAK.predictions())
    theirs.groups[0] = theirs.groups[50]
    with pytest.raises(UsageError, match="differ in clips, labels or groups"):
        compare.results(GOOD, replace(WEAK, predictions=lambda: theirs))


# the command


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for name, skill, seed in (("aa11", 0.9, 1), ("aa22", 0.5, 2), ("bb33", 0.5, 3)):
        predictions = said(skill, seed=seed, replicates=5)
        ResultStore(tmp_path).write(competitor(name, predictions), predictions)
    return tmp_path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["compare", *map(str, words)])
    return int(left.value.code or 0)


def test_results_are_named_by_id_beginning_or_path(out: Path, capsys: pytest.CaptureFixture[str]):
    assert run("aa11", "bb", "--out", out) == 0
    first = capsys.readouterr().out
    assert run(out / "results" / "aa11.json", "bb33", "--out", out) == 0
    assert capsys.readouterr().out == first
    assert first.splitlines()[-1].startswith("A is better by ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("aa", "bb33"), "'aa' begins 2 ids"),
        (("zz", "bb33"), "has an id that begins with 'zz'"),
        (("", "bb33"), "has an id that begins with ''"),
        (("nowhere/x.json", "bb33"), "there is no such result file"),
    ],
)
def test_a_name_that_fits_none_or_several_is_refused_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str], said: str
):
    assert run(*words, "--out", out) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_predictions_that_are_gone_are_named(out: Path, capsys: pytest.CaptureFixture[str]):
    (out / "results" / "bb33.predictions.npz").unlink()
    assert run("aa11", "bb33", "--out", out) == 2
    assert "bb33.predictions.npz: expected a result's predictions" in capsys.readouterr().err


DAMAGE = {
    "fewer classes": lambda p: setattr(p, "probabilities", p.probabilities[:, :, :2]),
    "no replicate": lambda p: setattr(p, "probabilities", p.probabilities[:0]),
    "another class": lambda p: setattr(p, "target", p.target + 1),
    "a negative class": lambda p: setattr(p, "target", p.target - 1),
    "labels of half": lambda p: setattr(p, "target", p.target[:40]),
    "groups of half": lambda p: setattr(p, "groups", p.groups[:40]),
    "no clips": lambda p: [
        setattr(p, name, getattr(p, name)[:0]) for name in ("ids", "groups", "folds", "target")
    ],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_predictions_of_another_result_are_refused_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str], damage: str
):
    other = said(0.5, replicates=5)
    DAMAGE[damage](other)
    (out / "results" / "bb33.predictions.npz").write_bytes(other.to_bytes())
    assert run("aa11", "bb33", "--out", out) == 2
    err = capsys.readouterr().err
    assert "it holds others" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_row_with_predictions_of_another_result_stands_unranked_and_says_why(
    out: Path, capsys: pytest.CaptureFixture[str], damage: str
):
    other = said(0.5, replicates=5)
    DAMAGE[damage](other)
    (out / "results" / "bb33.predictions.npz").write_bytes(other.to_bytes())
    with pytest.raises(SystemExit) as left:
        main(["leaderboard", "show", "--json", "--out", str(out)])
    assert not left.value.code
    records = {
        record["id"]: record for record in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert {name: record["rank"] for name, record in records.items()} == {
        "aa11": 1,
        "aa22": 2,
        "bb33": None,
    }
    assert "it holds others" in records["bb33"]["unranked"]


def test_folds_that_are_named_differently_get_no_second_opinion():
    renamed = [
        fold.model_copy(update={"fold": f"group {fold.fold}"}) for fold in WEAK.result.per_fold
    ]
    found = compare.results(
        GOOD, replace(WEAK, result=WEAK.result.model_copy(update={"per_fold": renamed}))
    )
    assert (found.folds, compare.second_opinion(found)) == ({}, "")
    assert compare.lines(found)


def test_the_record_holds_everything_the_text_says(out: Path, capsys: pytest.CaptureFixture[str]):
    assert run("aa11", "bb33", "--out", out, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert {"a", "b", "metrics", "folds", "seeds", "recalls", "notes", "verdict"} <= set(record)
    assert [r["label"] for r in record["recalls"]] == LABELS
    assert np.isfinite(record["metrics"]["uar"]["smallest"])
