"""Papers' claims: strictly read, and judged on the papers' own tables by sign and size (on our
rows: test_judging.py).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nverbench import registry
from nverbench.errors import ResultError
from nverbench.leaderboard.claims import spec as claims
from nverbench.leaderboard.claims.spec import FILE, Claims, Contrast, load, published
from nverbench.plugin import discovery
from nverbench.results.published_files import FOLDER

KNOWN = load()


def contrast(claim: str) -> Contrast:
    return next(one.contrast for one in KNOWN.claims if one.id == claim)


def reno(dataset: str) -> list[dict[str, str]]:
    with (FOLDER / "reno.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["dataset"] == dataset]


# the file


def test_every_part_that_a_claim_names_is_installed_or_published():
    parts = discovery.discover()
    tables = [
        cell
        for source in ("reno", "parrot", "mata", "erc")
        for cell in claims.table(source, KNOWN.families)
    ]
    fusions = {*parts.fusions.parts, *(cell.fusion for cell in tables)}
    backbones = {*parts.backbones.parts, *(b for cell in tables for b in cell.backbones)}
    sides = [
        side
        for claim in KNOWN.claims
        for one in (claim.contrast, *claim.controls)
        for side in (one.a, one.b)
    ]
    bare = {
        name.partition(" (shuffle=")[0].partition(":")[0]
        for side in sides
        for name in side.fusions
        if name not in fusions
    }
    assert bare <= set(parts.fusions.parts)
    assert {name for side in sides for name in side.losses} <= set(parts.losses.parts)
    assert {
        name.partition(":")[0]
        for side in sides
        for text in side.backbones
        for name in text.split("+")
    } <= backbones
    assert {corpus for claim in KNOWN.claims for corpus in claim.corpora} <= set(
        registry.load().datasets
    )


def test_families_of_published_rows_are_those_of_the_installed_backbones():
    parts = discovery.discover().backbones.parts
    assert {name: parts[name].family for name in KNOWN.families if name in parts} == {
        n: f for n, f in KNOWN.families.items() if n in parts
    }


def test_every_claim_can_be_judged_on_its_papers_table():
    missing = [
        (claim.id, corpus)
        for claim in KNOWN.claims
        for corpus in claim.corpora
        if not published(claim.contrast, claim.source, corpus, KNOWN)
    ]
    assert missing == []


MISTAKES: dict[str, tuple[Any, str]] = {
    "unknown key": (
        lambda c: c["claims"][0].update(verdict="holds"),
        "claims.0.verdict: extra inputs",
    ),
    "unknown source": (lambda c: c["claims"][0].update(source="mine"), "claims.0.source"),
    "no corpora": (lambda c: c["claims"][0].update(corpora=[]), "claims.0.corpora"),
    "no fusions": (
        lambda c: c["claims"][0]["contrast"]["a"].update(fusions=[]),
        "claims.0.contrast.a.fusions",
    ),
    "unknown pair": (
        lambda c: c["claims"][0]["contrast"]["a"].update(pair="odd"),
        "claims.0.contrast.a.pair",
    ),
    "another against": (
        lambda c: c["claims"][0]["contrast"].update(against="luck"),
        "claims.0.contrast.against",
    ),
    "text for a number": (lambda c: c.update(worth="1"), "worth"),
    "an id twice": (lambda c: c["claims"].append(c["claims"][0]), "a claim's id is given twice"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_named_in_one_line(tmp_path: Path, mistake: str):
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    change, words = MISTAKES[mistake]
    change(content)
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ResultError) as refused:
        load(path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"claims: [", b"\xff", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None):
    path = tmp_path / "claims.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultError, match="not readable claims"):
        load(path)


# published tables


def test_on_jnv_renos_mixed_pairs_average_71_6_and_same_family_pairs_71_1_which_tells_nothing():
    found = published(contrast("reno-mixed-over-same-family"), "reno", "jnv", KNOWN)
    assert found is not None
    assert (round(100 * found.a, 1), round(100 * found.b, 1), found.cells, found.verdict) == (
        71.6,
        71.1,
        (12, 6),
        "cannot tell",
    )


@pytest.mark.parametrize("dataset", ["asvp-esd", "jnv", "vivae"])
def test_reno_is_set_against_the_concatenation_of_the_same_pair(dataset: str):
    scores = {(row["fusion"], row["backbones"]): float(row["accuracy"]) for row in reno(dataset)}
    expected = np.mean(
        [scores["reno", b] - scores["concat", b] for fusion, b in scores if fusion == "reno"]
    )
    found = published(contrast("reno-over-concatenation"), "reno", dataset, KNOWN)
    assert found is not None
    assert 100 * found.value == pytest.approx(expected)
    assert (found.verdict, found.cells) == ("holds", (18, 18))


def test_a_fusion_is_set_against_the_better_head_of_the_better_of_its_own_backbones():
    scores = {(row["fusion"], row["backbones"]): float(row["accuracy"]) for row in reno("vivae")}
    best = {b: max(scores["fcn", b], scores["cnn", b]) for fusion, b in scores if fusion == "fcn"}
    expected = np.mean(
        [scores["reno", p] - max(best[b] for b in p.split("+")) for f, p in scores if f == "reno"]
    )
    found = published(contrast("reno-over-best-single"), "reno", "vivae", KNOWN)
    assert found is not None
    assert 100 * found.value == pytest.approx(expected)


def test_the_pair_that_the_text_calls_best_on_vivae_is_not_the_tables_best():
    found = published(contrast("reno-best-pair-vivae"), "reno", "vivae", KNOWN)
    assert found is not None
    assert (found.verdict, round(100 * found.b, 2)) == ("fails", 73.65)


def test_a_pair_whose_second_backbone_was_not_measured_alone_has_no_best_single():
    found = published(contrast("parrot-over-best-single"), "parrot", "emodb", KNOWN)
    assert found is not None
    assert found.cells == (1, 1)  # MMS was not measured alone


def test_the_claims_that_ship_with_nverbench_are_well_formed():
    assert isinstance(KNOWN, Claims)
