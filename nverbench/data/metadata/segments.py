"""The segment of a file that a row of a table names: start, end and duration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from nverbench.data.metadata import times
from nverbench.data.metadata.text import Where
from nverbench.data.metadata.values import Value

MOST_ROUNDING = Decimal("0.02")
"""Seconds that start + duration and end may differ by, if that much was rounded off."""
LEAST_ROUNDING = Decimal("0.0005")
"""Seconds that they may always differ by: sums of binary fractions."""


@dataclass(frozen=True)
class Segment:
    """Seconds in the file; None: from its first to its last sample."""

    start: float | None = None
    end: float | None = None
    text: str = ""
    """``start-end`` as an id writes it; empty for a whole file."""


WHOLE = Segment()


def segment(
    start: Value, end: Value, duration: Value, *, units: Mapping[str, Decimal], where: Where
) -> Segment:
    """The segment that the cells of one row name.

    Raises:
        NverbenchError: a cell is no time, the segment is empty, or the three contradict each other.
    """
    cells = {"start": start, "end": end, "duration": duration}
    first, last, length = (_seconds(cells[m], m, units, where) for m in cells)
    texts = {m: _text(cells[m], value) for m, value in (("start", first), ("end", last))}
    if length is not None:
        reached = (first or Decimal(0)) + length
        if last is None:
            last, texts["end"] = reached, times.plain(reached)
        elif abs(reached - last) > _rounding(first, last, length):
            raise where.fault(
                f"expected start + duration = end, got start {start.text or 0}, duration"
                f" {duration.text} and end {end.text}; correct them, or remove a column",
                start.row,
            )
    if last is not None and last <= (first or 0):
        shown = duration.text if end.text == "" else end.text
        what = "duration" if end.text == "" else "end"
        raise where.fault(
            f"expected end > start, got start {start.text or 0} and {what} {shown}; correct them",
            start.row,
        )
    begins, stops = (None if value is None else float(value) for value in (first, last))
    named = texts["start"] or texts["end"]
    return Segment(begins, stops, f"{texts['start']}-{texts['end']}" if named else "")


def _seconds(cell: Value, what: str, units: Mapping[str, Decimal], where: Where) -> Decimal | None:
    try:
        return times.seconds(cell.text, units.get(what, Decimal(1)))
    except ValueError as error:
        raise where.fault(
            f"expected {what} in seconds, 0 or more, got {cell.text!r:.60}; write it as in 1.25",
            cell.row,
        ) from error


def _text(cell: Value, value: Decimal | None) -> str:
    """The text of a time in an id: a plain number as it is written."""
    if value is None:
        return ""
    written = times.NUMBER.fullmatch(cell.text) and Decimal(cell.text) == value
    return cell.text if written else times.plain(value)


def _rounding(*values: Decimal | None) -> Decimal:
    """Half a unit in the last place of each, within reason."""
    places = (value.as_tuple().exponent for value in values if value is not None)
    units = [Decimal(1).scaleb(place) / 2 for place in places if isinstance(place, int)]
    return min(max(sum(units, Decimal(0)), LEAST_ROUNDING), MOST_ROUNDING)
