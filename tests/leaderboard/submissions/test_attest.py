"""Attestations: who may attest, what counts as the same, and what a file that says otherwise is
worth.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench.leaderboard.submissions import load_entries
from nverbench.leaderboard.submissions.attest import (
    FLOOR,
    MAINTAINERS,
    Accepted,
    Attestation,
    accepted,
    allowed,
    outcome,
    write,
)
from nverbench.leaderboard.submissions.read import read
from nverbench.leaderboard.submissions.records import same_name, slug
from nverbench.leaderboard.submissions.reproduce import attested
from nverbench.metrics.scores import NAMES
from nverbench.results.record import Result
from support.submissions import Desk, content


def attestation(folder: Path, **changes: Any) -> Attestation:
    """An attestation of another party with the same outcome."""
    bundle = read(folder)
    own = attested(bundle, bundle.result, source="embeddings", by="Bob", same=True, apart=0.0)
    return Attestation.model_validate({**own.model_dump(), **changes})


def with_spread(folder: Path, sd: float | None, seeds: int) -> Result:
    result = content(folder)
    for name in NAMES:
        result["scores"][name]["seed_sd"] = sd
    return Result.model_validate({**result, "seeds": seeds})


def test_a_rerun_of_the_same_digest_is_identical_and_counts(desk: Desk) -> None:
    folder = desk.submit()
    assert attestation(folder).verdict == "identical"
    path = write(folder, attestation(folder))
    assert path == folder / "attestations" / "bob.json"
    assert accepted(read(folder)) == Accepted(("Bob",), rerun=False, doubts=())


def test_what_a_metric_may_differ_by_is_stated(desk: Desk) -> None:
    folder = desk.submit()
    five = with_spread(folder, 0.02, 5)
    assert allowed(five, "accuracy") == pytest.approx(2.776445 * 0.02 * (2 / 5) ** 0.5)
    assert (
        allowed(with_spread(folder, 0.02, 2), "accuracy")
        == allowed(with_spread(folder, None, 1), "accuracy")
        == FLOOR
    )
    assert allowed(with_spread(folder, 0.0, 5), "accuracy") == FLOOR


@pytest.mark.parametrize(
    ("share", "apart", "expected"),
    [
        (0.0, None, "reproduced"),
        (0.99, None, "reproduced"),
        (-0.99, 1e-6, "reproduced"),
        (1.01, None, "differs"),
        (-1.01, 0.0, "differs"),
        (0.0, 1.1e-5, "differs"),
    ],
)
def test_another_digest_is_reproduced_inside_the_spread_over_seeds_only(
    desk: Desk, share: float, apart: float | None, expected: str
) -> None:
    result = with_spread(desk.submit(), 0.02, 5)
    differences = dict.fromkeys(NAMES, 0.0) | {"uar": share * allowed(result, "uar")}
    assert outcome(result, "0" * 64, differences, apart) == expected
    assert (
        outcome(result, "0" * 64, {"uar": 0.0}, apart) == "differs"
    )  # all headline metrics, not a choice of them


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"result": "0" * 16}, "it is of result 0000000000000000"),
        (
            {"result_digest": "0" * 64, "reproduced_digest": "0" * 64},
            "another content of this result",
        ),
        ({"verdict": "reproduced"}, "it says reproduced, and its numbers say identical"),
        ({"reproduced_digest": "0" * 64}, "it says identical, and its numbers say reproduced"),
        (
            {
                "reproduced_digest": "0" * 64,
                "verdict": "differs",
                "differences": dict.fromkeys(NAMES, 0.9),
            },
            "the result differs",
        ),
        ({"embeddings_identical": False}, "other embeddings"),
    ],
)
def test_an_attestation_that_does_not_fit_does_not_count(
    desk: Desk, changes: dict[str, Any], why: str
) -> None:
    folder = desk.submit()
    write(folder, attestation(folder, **changes))
    found = accepted(read(folder))
    assert (found.others, found.rerun) == ((), False)
    assert why in found.doubts[0]


@pytest.mark.parametrize("name", ["Ann", "ann", " ANN"[1:], "A n n", "Ann.", "\uff21\uff4e\uff4e"])
def test_a_submitter_cannot_attest_their_own_result_in_any_spelling(desk: Desk, name: str) -> None:
    folder = desk.submit(submitter="Ann")
    write(folder, attestation(folder, by=name))
    assert accepted(read(folder)).others == ()
    assert "attests their own result" in accepted(read(folder)).doubts[0]


@pytest.mark.parametrize("name", ["NVerbench", "n verbench", "nverbench."])
def test_the_maintainers_name_counts_for_their_own_row_in_its_one_spelling_only(
    desk: Desk, name: str
) -> None:
    folder = desk.submit(submitter=MAINTAINERS)
    write(folder, attestation(folder, by=name))
    assert not accepted(read(folder)).rerun
    assert "attests their own result" in accepted(read(folder)).doubts[0]


def test_without_a_submitter_no_party_counts_as_another(desk: Desk) -> None:
    folder = desk.submit(submitter=None)
    write(folder, attestation(folder))
    assert "names no submitter" in accepted(read(folder)).doubts[0]


def test_a_name_has_one_file(desk: Desk) -> None:
    folder = desk.submit()
    write(folder, attestation(folder)).rename(folder / "attestations" / "eve.json")
    assert "it should be called bob.json" in accepted(read(folder)).doubts[0]


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"schema_version": 1, "more": 2}'])
def test_a_file_that_is_no_attestation_does_not_sink_the_submission(desk: Desk, text: str) -> None:
    folder = desk.submit()
    (folder / "attestations").mkdir()
    (folder / "attestations" / "bob.json").write_text(text)
    (row,), (doubt,) = load_entries(folder.parent, verifier_of(desk))
    assert row.level == "self-consistent"
    assert "'bob.json' does not count" in doubt


@pytest.mark.parametrize("key", ["differences", "embeddings_differ_by"])
def test_numbers_that_are_none_are_no_attestation(desk: Desk, key: str) -> None:
    folder = desk.submit()
    record = json.loads(attestation(folder).model_dump_json())
    record[key] = {"uar": "NaN"} if key == "differences" else -1.0
    (folder / "attestations").mkdir()
    (folder / "attestations" / "bob.json").write_text(json.dumps(record))
    assert accepted(read(folder)).others == ()


@given(name=st.text(max_size=80))
def test_a_name_becomes_a_plain_file_name_and_other_names_become_others(name: str) -> None:
    assert slug(name).replace("-", "").isalnum()
    assert slug(name).isascii()
    assert slug(name) == slug(name).lower()
    assert slug(name) != slug(name + "x") or same_name(name) == same_name(name + "x")


def verifier_of(desk: Desk) -> Any:
    from nverbench.leaderboard.submissions import Verifier

    return Verifier(desk.rules, desk.catalog)
