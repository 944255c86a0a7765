"""What a table says about speakers: the columns of sex, age and language.

These columns form groups only and never make a table unreadable: a cell may be empty, and of two
columns with one name neither is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nverbench.data.metadata import columns as meanings
from nverbench.data.metadata import names
from nverbench.data.metadata.columns import FACTS, NOT_USED
from nverbench.data.metadata.grid import Grid
from nverbench.data.metadata.text import Where


def fact_columns(
    found: Grid, used: Mapping[str, int], asked: Mapping[str, str], where: Where
) -> dict[str, int]:
    """Fact -> its column.

    Args:
        found: the table.
        used: the columns that have another meaning; only an option makes one of them a fact too.
        asked: fact -> the column that an option names; ``-``: none.
        where: the table, for messages.

    Raises:
        NverbenchError: an option names a column that is not there.
    """
    named = {fact: words for fact, words in FACTS.items() if asked.get(fact)}
    places = dict(meanings.assign(found.columns, named, asked, where, found.header).index)
    keys = [meanings.key(name) for name in found.columns]
    for fact, words in FACTS.items():
        if fact in named:
            continue
        place = next((keys.index(k) for word in words if (k := meanings.key(word)) in keys), None)
        if place is not None and keys.count(keys[place]) == 1 and place not in used.values():
            places[fact] = place
    return {fact: place for fact, place in places.items() if asked.get(fact) != NOT_USED}


def facts_of(found: Grid, places: Mapping[str, int]) -> Sequence[Mapping[str, str]]:
    """The facts of each row; one that is not known is absent."""
    return [
        {
            fact: text
            for fact, place in places.items()
            if not names.is_missing_person(text := " ".join(row.cells[place].split()))
        }
        for row in found.rows
    ]
