"""The group that a fact puts a clip into."""

from __future__ import annotations

import pytest

from nverbench.leaderboard.fairness.values import fact_of, group_of, order

GROUPS = {
    ("sex", "F"): "female",
    ("sex", "Female"): "female",
    ("sex", "male_masculine"): "male",
    ("sex", "Other"): "other",
    ("sex", "unknown"): None,
    ("sex", None): None,
    ("age", "31"): "30 to 39",
    ("age", "9.0"): "0 to 9",
    ("age", "20"): "20 to 29",
    ("age", "Over 65"): "over 65",
    ("age", "nan"): None,
    ("language", "Hindi "): "hindi",
    ("site", "Lab A"): "Lab A",
}


@pytest.mark.parametrize(("fact", "value"), GROUPS)
def test_a_value_has_a_group(fact: str, value: str | None) -> None:
    assert group_of(fact, value) == GROUPS[fact, value]


@pytest.mark.parametrize(
    ("column", "fact"),
    [("Gender", "sex"), ("age-group", "age"), ("locale", "language"), ("x", "x")],
)
def test_usual_names_of_columns_are_known(column: str, fact: str) -> None:
    assert fact_of(column) == fact


def test_ages_are_in_their_order_and_bands_in_words_come_last() -> None:
    ages = ["over 65", "100 to 109", "20 to 29", "0 to 9"]
    assert sorted(ages, key=order) == ["0 to 9", "20 to 29", "100 to 109", "over 65"]
