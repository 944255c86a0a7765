"""Rules for the values of a column: all or none, one spelling per name, classes, no scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nverbench.data.metadata import names
from nverbench.data.metadata.text import Where

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
MOST_NUMBERED = 50
"""More classes that are whole numbers are a scale."""


@dataclass(frozen=True)
class Value:
    """A cleaned cell and its row."""

    text: str
    row: int


def people(values: Sequence[Value], what: str, where: Where) -> bool:
    """Whether every row names its ``what`` (speaker, group, split); False where none does.

    Raises:
        NverbenchError: only some rows do, or two names look like one.
    """
    missing = [value for value in values if names.is_missing_person(value.text)]
    if len(missing) == len(values):
        return False
    if missing:
        # Half-known speakers cannot be kept apart: a row without one could be of a speaker on the
        # other side of the fold.
        first, known = missing[0], len(values) - len(missing)
        got = f"got {first.text!r}" if first.text else "got an empty cell"
        raise where.fault(
            f"expected a {what}, as in {known} of {len(values)} {where.row}s, {got}; fill it in for"
            f" every {where.row} or leave the column empty",
            first.row,
        )
    one_spelling(values, what, where)
    return True


def one_spelling(values: Sequence[Value], what: str, where: Where) -> None:
    """Raises where two names look like two spellings of one; the message has a row of each."""
    first = {value.text: value.row for value in reversed(values)}
    rows = {name: f"{where.row} {row}" for name, row in first.items()}
    names.check_spellings(where.name, what, first, where.error, rows)


def check_labels(values: Sequence[Value], where: Where) -> None:
    """Raises where a label is a word for a missing value, is written in two ways, or is a number on
    a scale.
    """
    for value in values:
        if names.is_missing_label(value.text):
            got = (
                f"got {value.text!r}, a word for a missing value"
                if value.text
                else "got an empty cell"
            )
            raise where.fault(f"expected a label, {got}; fill it in or remove the row", value.row)
    one_spelling(values, "label", where)
    check_classes(values, where)


def check_classes(values: Sequence[Value], where: Where) -> None:
    """Raises where labels look continuous: ratings, ages, valence."""
    distinct = list(dict.fromkeys(value.text for value in values))
    numbers = [text for text in distinct if NUMBER.fullmatch(text)]
    if len(numbers) < 0.9 * len(distinct):
        return
    parts = [float(text.replace(",", ".")) for text in numbers]
    fractions = sum(not part.is_integer() for part in parts)
    rare = len(numbers) >= 12 and len(values) < 3 * len(numbers)
    scale = fractions >= 3 or (fractions >= 2 and len(numbers) >= 4)
    if scale or rare or len(numbers) > MOST_NUMBERED:
        shown = ", ".join(text[:20] for text in numbers[:3])
        raise where.fault(
            f"label looks continuous ({shown}, ...; {len(numbers)} values in"
            f" {len(values)} {where.row}s): nverbench classifies; give classes, such as low and"
            " high"
        )
