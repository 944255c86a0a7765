"""Times in the cells of a table, in seconds."""

from __future__ import annotations

import re
from decimal import Decimal

from nverbench.data.metadata import names

NUMBER = re.compile(r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
TIMEDELTA = re.compile(
    r"(?:(?P<days>[0-9]{1,6}) days?,?)?\s*\+?"
    r"(?:(?P<hours>[0-9]{1,6}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]+)?))?"
)
"""``str(pandas.Timedelta)``, ``str(datetime.timedelta)``: ``0 days 00:00:00.100000``, ``1:02:03``.
Two fields alone (``01:30``) could be minutes or hours and are no time here.
"""
LONGEST = Decimal(10**8)


def seconds(text: str, unit: Decimal = Decimal(1)) -> Decimal | None:
    """The time of a cell in seconds, 0 or more; None where the cell says that there is none.

    Args:
        text: a number in units of ``unit`` seconds, a timedelta, or a word for a missing value.
        unit: seconds per unit of a plain number: 0.001 for milliseconds.

    Raises:
        ValueError: the cell is neither.
    """
    if names.is_missing_label(text) or text.casefold() == "none":
        return None
    if NUMBER.fullmatch(text):
        found = Decimal(text) * unit
    else:
        match = TIMEDELTA.fullmatch(text)
        if match is None or not (match["days"] or match["hours"]):
            raise ValueError(text)
        found = Decimal(match["days"] or 0) * 86400 + Decimal(match["hours"] or 0) * 3600
        found += Decimal(match["minutes"] or 0) * 60 + Decimal(match["seconds"] or 0)
    if not found < LONGEST:
        raise ValueError(text)
    return found


def plain(value: Decimal) -> str:
    """The value as a plain number without zeros at its end: ``0.1``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
