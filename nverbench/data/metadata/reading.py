"""A table while it is read: which column has which meaning, once its values are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nverbench.data.metadata import columns as meanings
from nverbench.data.metadata import names
from nverbench.data.metadata.columns import MILLISECONDS, Columns
from nverbench.data.metadata.grid import Grid
from nverbench.data.metadata.text import Where
from nverbench.data.metadata.values import Value


@dataclass(frozen=True)
class Reading:
    """A table while it is read."""

    grid: Grid
    columns: Columns
    where: Where
    notes: list[str]
    facts: Mapping[str, int] = field(default_factory=dict)
    """Fact about speakers -> its column (``speaker_facts.fact_columns``)."""

    def values(self, meaning: str) -> list[Value]:
        """The cleaned cells of the column of a meaning; empty texts where there is none."""
        place = self.columns.index.get(meaning)
        return [
            Value("" if place is None else names.clean(row.cells[place]), row.number)
            for row in self.grid.rows
        ]

    def name(self, place: int) -> str:
        """The name of a column, for messages."""
        return meanings.shown(self.grid.columns[place])


def settled(reading: Reading, asked: Mapping[str, str]) -> Reading:
    """The same table with the columns that its values allow.

    Raises:
        NverbenchError: two columns have one meaning and differ, or a column has two meanings.
    """
    reading = replace(reading, columns=_with_times(reading, asked))
    _check_rivals(reading)
    return replace(reading, columns=_without_other_sets(reading))


def _with_times(reading: Reading, asked: Mapping[str, str]) -> Columns:
    """Columns such as ``start_ms`` where no column in seconds is there."""
    index = dict(reading.columns.index)
    for place, name in enumerate(reading.grid.columns):
        for written, meaning in MILLISECONDS.items():
            if meanings.key(name) == meanings.key(written) and meaning not in {**index, **asked}:
                index[meaning] = place
    keys = [meanings.key(name) for name in reading.grid.columns]
    if "offset" in keys and not {"start", "end"} & asked.keys():
        place = keys.index("offset")
        onset = "start" in index and keys[index["start"]] == "onset"
        if onset and "end" not in index:
            index["end"] = place
        elif "duration" in index and "start" not in index:
            index["start"] = place  # as in NeMo and lhotse
        elif not {"start", "end"} & index.keys():
            raise reading.where.fault(
                "column offset may be the start or the end of a clip; give start=offset, end=offset"
                " or rename it",
                reading.grid.header,
            )
    return replace(reading.columns, index=index)


def _check_rivals(reading: Reading) -> None:
    """Two columns of one meaning, none of them nverbench's own, must say the same."""
    for meaning, others in reading.columns.rivals.items():
        if meaning in reading.columns.own:
            continue
        place = reading.columns.index[meaning]
        for other in others:
            for row in reading.grid.rows:
                one, two = (names.clean(row.cells[i]) for i in (place, other))
                if one != two:
                    a, b = reading.name(place), reading.name(other)
                    raise reading.where.fault(
                        f"columns {a} and {b} may both be the {meaning}, and here they differ;"
                        f" give {meaning}={a} or {meaning}={b}",
                        row.number,
                    )


def _without_other_sets(reading: Reading) -> Columns:
    """Only names of parts make a column ``set``, ``subset`` or ``partition`` the split."""
    found = reading.columns
    if "split" not in found.index or "split" in found.own:
        return found
    values = reading.values("split")
    if all(value.text.casefold() in meanings.PARTS for value in values):
        return found
    return replace(found, index={k: v for k, v in found.index.items() if k != "split"})


def unused(reading: Reading) -> list[str]:
    """A sentence about columns that look like one that is used, and one about all others."""
    used, notes = {*reading.columns.index.values(), *reading.facts.values()}, []
    for meaning, others in reading.columns.rivals.items():
        for other in others:
            if other not in used and meaning in reading.columns.index:
                place = reading.name(reading.columns.index[meaning])
                notes.append(
                    f"column {reading.name(other)} is not used: the {meaning} is column {place}"
                    f" ({meaning}={reading.name(other)} changes that)"
                )
                used.add(other)
    left = [
        reading.name(place) if name else f"{place + 1} (it has no name)"
        for place, name in enumerate(reading.grid.columns)
        if place not in used
        and (name or any(row.cells[place].strip() for row in reading.grid.rows))
    ]
    if left:
        more = f" and {len(left) - 12} more" if len(left) > 12 else ""
        who = "" if "speaker" in reading.columns.index else " (speaker=COLUMN names the speakers)"
        few = (
            f"column {left[0]} is"
            if len(left) == 1
            else f"columns {', '.join(left[:12])}{more} are"
        )
        notes.append(f"{few} not used{who}")
    return notes
