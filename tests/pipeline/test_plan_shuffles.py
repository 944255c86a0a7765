"""Entries that train on shuffled turns: when they run, and what then is an override."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nverbench import Recipe, registry

RULES = """
protocols:
  nver-1: {summary: s, k: 5, scaling: z-score, selection: inner, inner_share: 0.1, inner_most: 0.2, inner_per_class: 2, patience: 5,
    optimizer: adam, lr: 0.001, batch: 8, epochs: 20, replicates: 1, seed: 1, official: true}
entries:
  - {name: sessions, backbones: [[bee]], fusions: [timed], datasets: [toys]}
  - {name: held, backbones: [[bee]], fusions: [timed], datasets: [toys], folds: holdout=s5}
  - {name: table-3, backbones: [[bee]], fusions: [timed], shuffles: [intra, inter], datasets: [toys], folds: holdout=s5}
"""


@pytest.fixture
def talks(bench: Any) -> Any:
    """A bench whose toys are conversations, one per group, and whose registry holds shuffles."""
    load = next(part.load for part in bench.parts["datasets"] if part.name == "toys")

    def turns(root: Any, *, take: int = 0) -> Any:
        for number, clip in enumerate(sorted(load(root), key=lambda c: c.id)):
            yield replace(clip, conversation=f"talk {clip.unit}", turn=number)

    kinds = ("leave-one-group-out",)
    bench.swap("datasets", "toys", task="conversation", load=turns, folds=kinds)
    bench.swap("fusions", "timed", recipe=Recipe(unit="conversation"))
    (bench.root / "rules.yaml").write_text(RULES)
    bench.rules = registry.load(packaged=bench.root / "rules.yaml")
    return bench


def rows(talks: Any, **asked: Any) -> list[tuple[str, str, str]]:
    """Grid, shuffle and level of each job."""
    found = talks.plan(**asked).jobs
    return [(job.entry.grid, job.shuffle, job.standing.level) for job in found]


SYSTEM = {"backbones": ("bee",), "fusions": ("timed",), "datasets": ("toys",)}
PLAIN = [("sessions", "none", "provisional"), ("held", "none", "provisional")]
SHUFFLED = [("table-3", "intra", "provisional"), ("table-3", "inter", "provisional")]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, PLAIN + SHUFFLED),
        ({"datasets": ("toys",)}, PLAIN + SHUFFLED),
        (SYSTEM, PLAIN),
        (SYSTEM | {"shuffle": "none"}, PLAIN),
        (SYSTEM | {"shuffle": "intra"}, SHUFFLED[:1]),
        ({"shuffle": "inter"}, SHUFFLED[1:]),
        (SYSTEM | {"shuffle": "intra", "folds": ("holdout=s5",)}, SHUFFLED[:1]),
        (
            SYSTEM | {"shuffle": "intra", "folds": ("leave-one-group-out",)},
            [("table-3", "intra", "unofficial")],
        ),
    ],
)
def test_an_entry_with_shuffled_turns_runs_with_them(
    talks: Any, asked: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert rows(talks, **asked) == expected


def test_a_shuffle_without_an_entry_overrides_the_entries_in_order(talks: Any) -> None:
    found = talks.plan(**SYSTEM, shuffle="inter-speaker").jobs
    assert [(job.entry.grid, job.shuffle) for job in found] == [
        ("sessions", "inter-speaker"),
        ("held", "inter-speaker"),
    ]
    assert all("overridden: train shuffle=inter-speaker" in j.standing.reasons for j in found)


def test_a_shuffled_row_has_one_id_whether_registered_or_asked_for(talks: Any) -> None:
    (registered,) = talks.plan(**SYSTEM, shuffle="intra").jobs
    talks.rules = replace(
        talks.rules, entries=tuple(e for e in talks.rules.entries if e.grid != "table-3")
    )
    overridden = talks.plan(**SYSTEM, shuffle="intra", folds=("holdout=s5",)).jobs
    assert {job.id for job in overridden} == {registered.id}
    assert registered.identity["train"] == {"shuffle": "intra"}


def test_of_two_entries_that_are_one_job_the_one_of_the_better_standing_stays(talks: Any) -> None:
    """The folds of the second entry override those of the first."""
    assert rows(talks, **SYSTEM, folds=("holdout=s5",)) == [("held", "none", "provisional")]
