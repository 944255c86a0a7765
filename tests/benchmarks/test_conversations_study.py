"""The study of context asks of each corpus what its generator promises, and judges by intervals."""

from __future__ import annotations

import dataclasses
import pickle

import conversations_quick as quick
import numpy as np
import pytest
from conversations_report import compared, decisions, judged, percent, verdict
from conversations_rows import HELD, LEFT_OUT, SHUFFLES, Fact, Row, facts, rows

from nverbench.metrics.jackknife import Interval
from nverbench.plugin import discovery
from nverbench.results import predictions
from nverbench_datasets.conversation_design import ATMOSPHERE, BOTH, DESIGNS, ORDER, PLAIN, Design
from nverbench_datasets.conversation_ideal import Ideal

IDEAL = Ideal(single=0.60, bag=0.65, order=0.69, scored=100)
MAMBA, ALONE = (
    Row("conversation-demo", "erc-mamba"),
    Row("conversation-demo", "erc-mamba:context=utterance"),
)
every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)


def planted(design: Design) -> dict[str, bool]:
    return {
        fact.claim: fact.planted
        for fact in facts(design, IDEAL, rows())
        if fact.a.folds == LEFT_OUT
    }


def test_context_is_expected_to_help_wherever_there_is_any():
    assert [planted(design)["context helps"] for design in (BOTH, ATMOSPHERE, ORDER, PLAIN)] == [
        True,
        True,
        True,
        False,
    ]


@every_design
def test_shuffling_within_conversations_is_expected_to_cost_where_order_says_something(
    design: Design,
):
    assert planted(design)["shuffling turns within conversations costs"] == (design.order > 0)


@pytest.mark.parametrize("design", [BOTH, ATMOSPHERE], ids=lambda d: d.name)
def test_shuffling_over_all_conversations_destroys_atmosphere_too(design: Design):
    assert planted(design)["shuffling turns over all conversations costs"]


@every_design
def test_a_bag_is_expected_to_help_where_there_is_an_atmosphere(design: Design):
    assert planted(design)["the bag of turns helps (erc-mean)"] == (design.atmosphere > 0)
    assert planted(design)["order says more than the bag"] == (design.order > 0)


@every_design
def test_every_row_is_asked_about_and_nothing_is_asked_of_rows_that_are_not_there(design: Design):
    own = [row for row in rows() if row.corpus == design.name]
    asked = facts(design, IDEAL, own)
    assert {row for fact in asked for row in (fact.a, fact.b)} == set(own)
    assert {fact.a.folds for fact in asked} == {LEFT_OUT, HELD}
    assert facts(design, IDEAL, own[:1]) == []


def test_the_ceiling_of_a_fact_is_what_an_observer_gains_from_it():
    ceilings = {
        fact.claim: fact.ceiling for fact in facts(BOTH, IDEAL, rows()) if fact.a.folds == LEFT_OUT
    }
    assert ceilings["context helps"] == pytest.approx(0.09)
    assert ceilings["the bag of turns helps (erc-mean)"] == pytest.approx(0.05)
    assert (
        ceilings["shuffling turns within conversations costs"]
        == ceilings["order says more than the bag"]
        == pytest.approx(0.04)
    )
    assert ceilings["shuffling turns over all conversations costs"] == pytest.approx(0.09)


def test_the_study_has_all_fusions_and_shuffles_on_the_corpus_that_has_both():
    own = [row for row in rows() if row.corpus == BOTH.name and row.folds == LEFT_OUT]
    assert {row.shuffle for row in own} == {"none", *SHUFFLES}
    assert {row.fusion.partition(":")[0] for row in own} == set(quick.SIZES)
    assert len(set(rows())) == len(rows())


@pytest.mark.parametrize(
    ("planted", "low", "high", "said"),
    [
        (True, 0.01, 0.05, "holds"),
        (True, -0.01, 0.05, "not shown"),
        (True, -0.05, -0.01, "not shown"),
        (False, -0.01, 0.05, "holds"),
        (False, -0.05, -0.01, "holds"),
        (False, 0.01, 0.05, "FAILS"),
        (True, None, None, "no interval"),
    ],
)
def test_a_gain_counts_where_its_whole_interval_lies_above_zero(
    planted: bool, low: float | None, high: float | None, said: str
):
    assert verdict(planted, Interval(0.02, low, high, 0.01)) == said


def test_scores_and_differences_are_printed_with_what_is_known_of_them():
    assert percent(Interval(0.654, 0.6, 0.7, 0.02)) == "65.4 [60.0, 70.0]"
    assert percent(Interval(-0.02, -0.05, 0.01, 0.01), "+") == "-2.0 [-5.0, +1.0]"
    assert percent(Interval(0.5, None, None, None)) == "50.0"


def stored(*, right: float, seed: int = 0) -> predictions.Predictions:
    """Of 5 sessions with 4 conversations of 10 turns."""
    rng = np.random.default_rng(seed)
    ids = [f"ses{s}/c{c:02d}/t{t:02d}" for s in range(1, 6) for c in range(4) for t in range(10)]
    target = np.arange(len(ids)) % 4
    said = np.where(rng.random(len(ids)) < right, target, (target + 1) % 4)
    return predictions.Predictions(
        ids, [i[:4] for i in ids], target, ["f"] * len(ids), np.eye(4)[said][None]
    )


def test_units_are_sessions_or_conversations():
    assert len(set(decisions(stored(right=0.6), 4, by_conversation=False).units())) == 5
    assert len(set(decisions(stored(right=0.6), 4, by_conversation=True).units())) == 20


def test_a_model_that_gains_where_nothing_was_planted_is_called_out():
    measured = {
        row: _Found(decisions(stored(right=right), 4, by_conversation=True))
        for row, right in ((MAMBA, 1.0), (ALONE, 0.5))
    }
    fact = Fact("context helps", MAMBA, ALONE, planted=False, ceiling=0.0)
    found = compared(fact, measured)
    assert found.difference.low > 0.3
    lines = list(judged([fact, dataclasses.replace(fact, planted=True, ceiling=0.5)], measured))
    assert "| context helps | no | +0.0 |" in lines[2]
    assert lines[2].endswith("| FAILS |")
    assert lines[3].endswith("| holds |")
    assert lines[-1].startswith("\n2 facts: 1 FAILS, 1 holds.")


@dataclasses.dataclass(frozen=True)
class _Found:
    decisions: object


@pytest.fixture(scope="module")
def installed() -> discovery.Catalog:
    return discovery.discover(extra=[(quick.ORIGIN, quick)])


@pytest.mark.parametrize("name", [*quick.SIZES, "erc-mamba:context=utterance"])
def test_a_quick_fusion_is_the_papers_but_for_its_name_and_its_hurry(
    name: str, installed: discovery.Catalog
):
    from nverbench.plugin.options import resolve

    text = quick.text(name)
    own, paper = installed.fusion(text.partition(":")[0]), installed.fusion(name.partition(":")[0])
    full = resolve(own, text).full
    hurried, recipe = own.recipe_for(full), paper.recipe_for(resolve(paper, name).full)
    assert (own.build, own.wants, own.name) == (paper.build, paper.wants, f"quick-{paper.name}")
    changed = {
        f.name
        for f in dataclasses.fields(recipe)
        if getattr(recipe, f.name) != getattr(hurried, f.name)
    }
    assert changed <= {"lr", "epochs", "patience", "batch"}
    assert (hurried.unit, hurried.epochs, hurried.lr) == (recipe.unit, quick.EPOCHS, quick.LR)
    assert ("batch" in changed) == (recipe.unit == "clip")
    assert pickle.loads(pickle.dumps(own)) == own  # noqa: S301  # it travels to workers
    assert own.build((80,), 4, **full) is not None


def test_another_recipe_is_another_row():
    assert str(quick.EPOCHS) in quick.ORIGIN.version
    assert f"{quick.LR:g}" in quick.ORIGIN.version
