"""Holm's correction over a paper's claims, and the agreement of tracks: laws of judging."""

from __future__ import annotations

import dataclasses
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nverbench.leaderboard.claims import report, tracks
from nverbench.leaderboard.claims.evidence import FieldEvidence
from nverbench.leaderboard.claims.records import ClaimVerdict
from nverbench.leaderboard.claims.spec import Claims, SystemScore
from nverbench.leaderboard.claims.verdict import judge_claims, judge_fields
from nverbench.metrics.intervals import Units
from nverbench.metrics.significance import holm
from nverbench.registry import load as load_registry
from support.leaderboards import filed

GROUPS = 12
RENO = {"fusion": "reno", "loss": "renyi"}
WORDS = ("holds", "fails", "cannot tell", "not measured")


def claim(name: str, paper: str = "one", controls: tuple[str, ...] = ()) -> dict[str, Any]:
    """System ``name`` against system ``base``, with controls that compare other systems."""
    contrasts = [
        {"says": n, "a": {"fusions": [n]}, "b": {"fusions": ["base"]}, "against": "mean"}
        for n in (name, *controls)
    ]
    return {
        "id": f"{paper}-{name}",
        "paper": paper,
        "source": "reno",
        "corpora": ["corpus"],
        "sentence": name,
        "contrast": contrasts[0],
        "controls": contrasts[1:],
    }


def field(statistics: dict[str, float], protocol: str = "nver-1") -> FieldEvidence:
    """Rows whose difference to ``base`` has these t statistics, by both metrics."""
    spread = np.where(np.arange(GROUPS) % 2, 1.0, -1.0) * 1e-3  # mean 0
    error = float(np.sqrt((GROUPS - 1) / GROUPS * np.sum(spread**2)))
    whole, without = {"base": 0.5}, {"base": np.full(GROUPS, 0.5)}
    for name, statistic in statistics.items():
        whole[name] = 0.5 + statistic * error
        without[name] = whole[name] + spread
    result: Any = SimpleNamespace(
        entry=SimpleNamespace(dataset="corpus"),
        folds=SimpleNamespace(kind="speaker"),
        protocol=protocol,
        selection="inner",
        unit="speaker",
    )
    return FieldEvidence(
        result,
        [SystemScore(("b",), ("mamba",), n, "loss", "corpus", v, n) for n, v in whole.items()],
        {name: dict.fromkeys(("macro_f1", "accuracy"), value) for name, value in whole.items()},
        {name: dict.fromkeys(("macro_f1", "accuracy"), values) for name, values in without.items()},
        Units.equal(GROUPS),
    )


def judged(
    claims: list[dict[str, Any]], statistics: dict[str, float], *more: FieldEvidence
) -> dict[tuple[str, str], ClaimVerdict]:
    """The verdicts by claim and contrast."""
    known = Claims.model_validate({"worth": 1.0, "families": {}, "claims": claims})
    fields = {("d", "f", one.result.protocol, "inner"): one for one in (field(statistics), *more)}
    return {(one.claim, one.contrast): one for one in judge_fields(fields, {}, known)}


# Holm over the claims of one paper

MODERATE = {"a": 2.4, "b": 2.4, "c": 2.4}  # p = 0.035 each


def test_a_verdict_needs_the_corrected_p_and_the_record_holds_both():
    alone = judged([claim("a")], MODERATE)["one-a", "a"]
    among = judged([claim("a"), claim("b"), claim("c")], MODERATE)["one-a", "a"]
    assert (alone.verdict, among.verdict) == ("holds", "cannot tell")
    assert among.p == pytest.approx(alone.p)
    assert among.p_adjusted == pytest.approx(3 * alone.p)  # type: ignore[operator]
    assert (among.low, among.high) == (alone.low, alone.high)  # the interval is not corrected
    assert "not significant after Holm's correction over 3 claims of the paper" in among.note


def test_controls_are_corrected_among_themselves_only():
    found = judged([claim("a", controls=("b", "c"))], MODERATE)
    assert {name: one.verdict for (_, name), one in found.items()} == {
        "a": "holds",
        "b": "cannot tell",
        "c": "cannot tell",
    }
    assert "over 2 controls of the paper" in found["one-a", "b"].note


def test_the_correction_runs_over_measured_contrasts_only():
    found = judged([claim("a"), claim("unmeasured")], MODERATE)
    assert found["one-a", "a"].verdict == "holds"


STATISTICS = [
    dict(zip("abcd", values, strict=True))
    for values in np.random.default_rng(3).normal(0, 3, (20, 4)).round(2).tolist()
]


@pytest.mark.parametrize("statistics", STATISTICS)
def test_a_claim_of_another_paper_never_changes_a_verdict(statistics: dict[str, float]):
    own = [claim("a"), claim("b", controls=("c",))]
    before = judged(own, statistics)
    after = judged([claim("d", "other", controls=("a", "b")), *own], statistics)
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize("statistics", STATISTICS)
def test_more_claims_of_the_paper_only_take_verdicts_away(statistics: dict[str, float]):
    names = list(statistics)
    found = [judged([claim(n) for n in names[: i + 1]], statistics) for i in range(len(names))]
    for fewer, more in itertools.pairwise(found):
        for key, one in fewer.items():
            assert more[key].verdict in (one.verdict, "cannot tell")
            assert more[key].p_adjusted >= one.p_adjusted  # type: ignore[operator]


@pytest.mark.parametrize("statistics", STATISTICS)
def test_corrected_p_values_are_those_of_holm_in_any_order(statistics: dict[str, float]):
    claims = [claim(n) for n in statistics]
    found = judged(claims, statistics)
    assert judged(claims[::-1], statistics) == found
    p = [one.p for one in found.values()]
    assert [one.p_adjusted for one in found.values()] == pytest.approx(holm(p))  # type: ignore[arg-type]


# tracks


@pytest.mark.parametrize("words", list(itertools.product(WORDS, repeat=2)))
def test_the_agreement_of_tracks_is_symmetric(words: tuple[str, str]):
    assert tracks.agreed(words) == tracks.agreed(words[::-1])
    measured = {word for word in words if word != "not measured"}
    expected = next(iter(measured)) if len(measured) == 1 else "depends on the recipe"
    assert tracks.agreed(words) == (expected if measured else "not measured")


def test_the_protocols_of_both_tracks_are_official_and_cut_alike():
    one, two = (load_registry().protocol(name) for name in tracks.TRACKS)
    assert one.official
    assert two.official
    assert (one.folds, one.k, one.seed) == (two.folds, two.k, two.seed)


@pytest.mark.parametrize(
    ("nver_2", "recipe", "verdict", "note"),
    [
        (5.0, 5.0, "holds", ""),
        (-5.0, -5.0, "fails", ""),
        (0.0, 0.1, "cannot tell", ""),
        (5.0, -5.0, "depends on the recipe", "nver-2: holds; paper-recipe: fails"),
        (5.0, 0.1, "depends on the recipe", "nver-2: holds; paper-recipe: cannot tell"),
        (5.0, None, "holds", "one track only (nver-2)"),
        (None, -5.0, "fails", "one track only (paper-recipe)"),
    ],
)
def test_a_claim_needs_both_tracks_and_stands_above_them(
    nver_2: float | None, recipe: float | None, verdict: str, note: str
):
    values = {"nver-1": 5.0, "paper-recipe": recipe, "nver-2": nver_2}
    fields = {
        ("d", "f", name, "inner"): field({"a": value}, name)
        for name, value in values.items()
        if value is not None
    }
    known = Claims.model_validate({"worth": 1.0, "families": {}, "claims": [claim("a")]})
    found = judge_fields(fields, {}, known)
    given = tuple(name for name in tracks.TRACKS if values[name] is not None)
    over = found[0]
    assert (over.tracks, over.verdict, over.note, over.value) == (given, verdict, note, None)
    assert over.accuracy is not None
    assert over.accuracy.verdict == verdict
    assert [one.protocol for one in found[1:]] == [*given, "nver-1"]
    assert found[-1].verdict == "holds"  # nver-1 keeps a verdict of its own
    text = "\n".join(report.lines(found))
    assert f"    verdict:   {verdict}" in text
    assert over.record()["tracks"] == given


def test_tracks_on_other_folds_or_clips_are_not_one_corpus():
    known = Claims.model_validate({"worth": 1.0, "families": {}, "claims": [claim("a")]})
    fields = {
        ("d", cut, name, "inner"): field({"a": 5.0}, name)
        for cut, name in zip("fg", tracks.TRACKS, strict=True)
    }
    notes = [one.note for one in judge_fields(fields, {}, known) if one.tracks]
    assert notes == ["one track only (nver-2)", "one track only (paper-recipe)"]


def test_rows_of_both_tracks_are_judged_from_results():
    rows = [
        filed(f"{protocol}-{name}", skill, seed=i, dataset="vivae", protocol=protocol, **more)
        for protocol in tracks.TRACKS
        for i, (name, skill, more) in enumerate((("a", 0.9, RENO), ("b", 0.5, {})))
    ]
    found = [
        one
        for one in judge_claims(rows)
        if (one.claim, one.corpus, one.control) == ("reno-over-concatenation", "vivae", False)
    ]
    assert [(one.protocol, one.verdict) for one in found] == [
        ("", "holds"),
        ("nver-2", "holds"),
        ("paper-recipe", "holds"),
    ]


def test_tracks_that_compare_different_rows_say_so():
    both = field({"a": 5.0}, "nver-2"), field({"a": 5.0}, "paper-recipe")
    other = dataclasses.replace(
        both[1], cells=[dataclasses.replace(c, backbones=("x",)) for c in both[1].cells]
    )
    known = Claims.model_validate({"worth": 1.0, "families": {}, "claims": [claim("a")]})
    fields = {("d", "f", one.result.protocol, "inner"): one for one in (both[0], other)}
    assert judge_fields(fields, {}, known)[0].note == "the tracks compare different rows"
