"""Planning a row that trains on one dataset and tests on another: what is missing, what is refused,
and what its id depends on.
"""

from __future__ import annotations

from typing import Any

import pytest

from nverbench import LabelCard, UsageError, registry
from nverbench.errors import DatasetError, FoldError

COMMON = {"x": "anger", "y": "fear"}


@pytest.fixture
def crossed(bench: Any) -> Any:
    """The bench with words for the labels of two datasets, and a grid that crosses them."""
    for name in ("toys", "few"):
        bench.swap("datasets", name, common=COMMON)
    for path in (bench.root / "few").iterdir():
        path.write_text(f"few {path.name}")  # otherwise the same recordings as those of toys
    (bench.root / "more.yaml").write_text(
        "entries: [{name: over, backbones: [[ant]], fusions: [head], datasets: ['toys:test=few']}]"
    )
    bench.rules = registry.load([bench.root / "more.yaml"], packaged=bench.root / "rules.yaml")
    return bench


def test_a_row_trains_on_the_one_and_tests_on_the_other(crossed: Any) -> None:
    job = crossed.only(datasets=("toys:test=few",))
    assert (str(job.corpus.reference), job.cut.kind, job.corpus.labels) == (
        "toys:test=few",
        "cross",
        ("anger", "fear"),
    )
    (fold,) = job.cut.folds
    assert (fold.name, len(fold.train) + len(fold.validation), len(fold.test)) == ("test", 36, 18)
    assert str(job) == "ant / head / toys:test=few / cross"
    assert (job.entry.grid, job.standing.level) == ("over", "unofficial")  # of an overlay


def test_the_id_depends_on_both_sides_and_on_which_of_them_trains(crossed: Any) -> None:
    ids = [crossed.only(datasets=(text,)).id for text in ("toys:test=few", "few:test=toys", "few")]
    for name in ("few", "toys"):
        (crossed.root / name / "s0-x0").write_text(f"another recording of {name}")
        ids.append(crossed.only(datasets=("toys:test=few",)).id)
    assert len(set(ids)) == 5


def test_the_bare_name_of_a_dataset_does_not_mean_rows_that_test_on_another(crossed: Any) -> None:
    jobs = crossed.plan(backbones=("ant",), fusions=("head",), datasets=("toys",)).jobs
    assert {str(job.corpus.reference) for job in jobs} == {"toys"}


def test_an_id_names_the_plugins_of_both(crossed: Any) -> None:
    assert crossed.only(datasets=("toys:test=few",)).identity["plugins"] == {"toy-parts": "1.0"}
    assert crossed.only(datasets=("toys:test=few",)).identity["dataset"]["test"] == "few"


@pytest.mark.parametrize("absent", [("few",), ("toys",), ("toys", "few")])
def test_a_corpus_that_is_missing_on_either_side_is_asked_for(
    crossed: Any, absent: tuple[str, ...]
) -> None:
    for name in absent:
        crossed.swap("datasets", name, corpus=name)
    planned = crossed.plan(backbones=("ant",), fusions=("head",), datasets=("toys:test=few",))
    assert planned.jobs == ()
    assert [m.what for m in planned.missing] == [f"corpus {name}" for name in absent]


def test_a_registered_corpus_whose_plugin_is_absent_is_missing(crossed: Any) -> None:
    text = "pins: {datasets: {later: {source: somewhere, licence: MIT}}}"
    (crossed.root / "pins.yaml").write_text(text)
    crossed.rules = registry.load(
        [crossed.root / "pins.yaml"], packaged=crossed.root / "rules.yaml"
    )
    (skip,) = crossed.plan(
        backbones=("ant",), fusions=("head",), datasets=("toys:test=later",)
    ).skips
    assert [m.what for m in skip.missing] == ["dataset later"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("toys:test=fwe", UsageError, "no dataset named 'fwe' is installed; did you mean few"),
        ("toys:test=toys", UsageError, "both are corpus toys"),
        ("toys:test=demo", DatasetError, "toys has anger, fear; demo has none"),
        ("toys:test=few,exclude=x", UsageError, "no common label 'x' to exclude"),
        ("toys:test=few,exclude=fear", UsageError, "excluding fear leaves 1 of its labels"),
    ],
)
def test_what_cannot_be_crossed_is_said(
    crossed: Any, text: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        crossed.plan(backbones=("ant",), fusions=("head",), datasets=(text,))


def test_an_unknown_dataset_is_said_even_where_no_entry_could_match(crossed: Any) -> None:
    with pytest.raises(UsageError, match="no dataset named 'fwe' is installed; did you mean few"):
        crossed.plan(datasets=("toys:test=fwe",))


@pytest.mark.parametrize("kind", ["speaker", "random", "holdout=toys/s1"])
def test_other_folds_are_refused(crossed: Any, kind: str) -> None:
    with pytest.raises(FoldError, match="leave --folds out"):
        crossed.plan(
            backbones=("ant",),
            fusions=("head",),
            datasets=("toys:test=few,take=0", "toys:test=few,take=1"),
            folds=(kind,),
        )


def test_a_dataset_alone_offers_no_such_folds(crossed: Any) -> None:
    with pytest.raises(FoldError, match="dataset few is one dataset, and cross needs two"):
        crossed.plan(backbones=("ant",), fusions=("head",), datasets=("few",), folds=("cross",))


def test_saying_the_kind_that_it_is_overrides_nothing(crossed: Any) -> None:
    plain, said = (
        crossed.only(datasets=("toys:test=few",), folds=folds) for folds in ((), ("cross",))
    )
    assert (plain.id, plain.standing) == (said.id, said.standing)


def test_a_protocol_of_random_folds_does_not_shuffle_the_two(crossed: Any) -> None:
    protocols = {
        **crossed.rules.protocols,
        "other": crossed.rules.protocol("other").model_copy(update={"folds": "random"}),
    }
    crossed.rules = type(crossed.rules)(
        protocols, crossed.rules.weights, crossed.rules.datasets, crossed.rules.entries
    )
    assert crossed.only(datasets=("toys:test=few",), protocol="other").cut.kind == "cross"


def test_notes_about_a_copy_are_said_once(crossed: Any) -> None:
    crossed.swap("datasets", "few", counts={"x": 99, "y": 9})
    planned = crossed.plan(
        backbones=("ant",), fusions=("head",), datasets=("toys:test=few", "few:test=toys")
    )
    partial = [note for note in planned.notes if "partial copy" in note]
    assert [note.partition(":")[0] for note in partial] == ["few"]
    assert all("partial copy of few" in job.standing.reasons for job in planned.jobs)


def test_a_recording_that_both_have_is_said(crossed: Any) -> None:
    (crossed.root / "few" / "s0-x0").write_text((crossed.root / "toys" / "s2-y1").read_text())
    crossed.swap("datasets", "few", label_card=LabelCard(kind="perceived", setting="found"))
    (note,) = [
        n
        for n in crossed.plan(
            backbones=("ant",), fusions=("head",), datasets=("toys:test=few",)
        ).notes
        if "recordings" in n
    ]
    assert "clips of toys are recordings of few too and train nothing" in note
