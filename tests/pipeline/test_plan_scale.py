"""Plans of many entries: nothing is worked out twice, and no entry's jobs depend on what is planned
beside it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from nverbench._io import state
from nverbench.data.folds import assign, protocol
from nverbench.embedding import weights
from nverbench.errors import DatasetError, FoldError
from nverbench.pipeline import corpora, plan, selection
from nverbench.pipeline.estimate import needs
from nverbench.pipeline.memo import Memo

MANY = 40


@pytest.fixture
def many(bench: Any) -> Any:
    """The bench with 40 entries more than it had: two backbones, ten widths of a head and ten of
    what hears frames.
    """
    entry = next(e for e in bench.rules.entries if e.grid == "heads")
    named = [
        (b, f"{f}:width={5 + n}")
        for n in range(10)
        for b in ("ant", "bee")
        for f in ("head", "timed")
    ]
    more = [
        dataclasses.replace(entry, backbones=(backbone,), fusion=fusion)
        for backbone, fusion in named
    ]
    bench.rules = dataclasses.replace(bench.rules, entries=tuple(more))
    return bench


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the expensive steps of planning are taken."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        real = getattr(module, name)

        def counting(*given: Any, **named: Any) -> Any:
            counted[name] += 1
            return real(*given, **named)

        monkeypatch.setattr(module, name, counting)

    for module, name in (
        (protocol, "make_folds"),
        (assign, "default_kind"),
        (weights, "find_weights"),
        (state, "read_state"),
        (plan, "resolve"),
        (corpora, "resolve"),
        (selection, "resolve"),
    ):
        count(module, name)
    return counted


def test_an_entry_is_planned_alike_alone_and_among_others(many: Any) -> None:
    together, entries, rules = many.plan(), many.rules.entries, many.rules
    alone = []
    for entry in entries:
        many.rules = dataclasses.replace(rules, entries=(entry,))
        alone += many.plan().jobs
    assert len(together.jobs) == MANY
    assert list(together.jobs) == alone


def test_what_thousands_of_entries_share_is_worked_out_once(many: Any, calls: Counter[str]) -> None:
    jobs = many.plan(backbones=("ant",), folds=("speaker", "random")).jobs
    assert len(jobs) == MANY
    assert len({id(j.corpus) for j in jobs}) == 1
    assert len({id(j.cut) for j in jobs}) == 2
    assert calls["make_folds"] == 2
    assert calls["find_weights"] == 1
    assert calls["read_state"] <= 2
    assert calls["resolve"] < 30  # texts, not entries times parts


def test_the_default_kind_of_folds_is_asked_for_once(many: Any, calls: Counter[str]) -> None:
    many.plan()
    assert calls["default_kind"] == calls["make_folds"] == 1


def test_a_broken_corpus_is_read_once_and_every_entry_says_why(many: Any) -> None:
    read = []

    def damaged(root: Any, *, take: int = 0) -> Any:
        read.append(root)
        raise DatasetError("toys: the folder is not the corpus")

    many.swap("datasets", "toys", load=damaged)
    skips = many.plan().skips
    assert len(read) == 1
    assert [s.reasons for s in skips] == [("toys: the folder is not the corpus",)] * MANY


def test_needs_are_those_of_the_entries_of_the_store_each_counted_once(many: Any) -> None:
    jobs = many.plan().jobs
    found = list(needs(jobs))
    assert len(found) == len(jobs)
    assert sum(len(need.clips) for need in found) == len(
        {key for job in jobs for b in job.backbones for key in job.wanted(b)}
    )
    assert sum(bool(need.clips) for need in found) == 4  # two backbones, pooled and frames


def test_a_value_is_made_once_for_each_key() -> None:
    once, made = Memo(), []

    def make() -> None:
        made.append(1)

    assert [once(key, make) for key in ("a", "a", ("a",), None, None)] == [None] * 5
    assert len(made) == 3


def test_an_error_of_ours_is_raised_again_as_a_fresh_one() -> None:
    once, errors = Memo(), []

    def fail() -> None:
        errors.append(1)
        raise FoldError("no groups")

    caught = []
    for _ in range(2):
        with pytest.raises(FoldError, match="no groups") as found:
            once("a", fail)
        caught.append(found.value)
    assert len(errors) == 1
    assert caught[0] is not caught[1]


def test_an_error_of_others_is_not_remembered() -> None:
    once, answers = Memo(), iter([0, 2])
    with pytest.raises(ZeroDivisionError):
        once("a", lambda: 1 // next(answers))
    assert once("a", lambda: 4 // next(answers)) == 2
