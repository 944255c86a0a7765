"""The group that a fact about a speaker puts a clip into: one rule for all corpora and tables."""

from __future__ import annotations

import re

from nverbench.data.metadata import names
from nverbench.data.metadata.columns import FACTS, key

SEXES = {
    **dict.fromkeys(("f", "w", "female", "woman", "female_feminine"), "female"),
    **dict.fromkeys(("m", "male", "man", "male_masculine"), "male"),
}
"""Ways to write a sex, in lower case; the last ones are Common Voice's."""
YEARS = re.compile(r"(\d{1,3})(?:\.\d+)?")
BAND = 10
"""Years of an age band."""


def fact_of(column: str) -> str:
    """The fact (sex, age, language) that a name stands for, such as sex for ``Gender``; of other
    names the name itself.
    """
    found = (fact for fact, words in FACTS.items() if key(column) in map(key, words))
    return next(found, column)


def group_of(fact: str, value: str | None) -> str | None:
    """The group of a value; None where it is not known.

    Letter case does not matter. Years become bands of ten (``31``: ``30 to 39``); an age that the
    corpus gives as a band stays.
    """
    if value is None or names.is_missing_person(value):
        return None
    text = " ".join(names.clean(value).split())
    if fact not in FACTS:
        return text
    text = text.casefold()
    if fact == "sex":
        return SEXES.get(text, text)
    years = YEARS.fullmatch(text) if fact == "age" else None
    if years is None:
        return text
    first = int(years[1]) // BAND * BAND
    return f"{first} to {first + BAND - 1}"


def order(group: str) -> tuple[float, str]:
    """The key that sorts groups: by the number that they begin with, then by name."""
    number = re.match(r"\d+", group)
    return float(number[0]) if number else float("inf"), group
