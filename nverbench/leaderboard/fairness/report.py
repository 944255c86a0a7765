"""The fairness view as text and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.fairness.analysis import METRICS, WORST, Fairness, significant
from nverbench.leaderboard.tables.wording import HEADINGS, interval_text
from nverbench.metrics.jackknife import MIN_GROUPS, Interval


def record(found: Fairness) -> dict[str, Any]:
    """The view for JSON: fractions; ``worst`` is the name of a group or null."""
    worst = found.worst
    return {
        **dataclasses.asdict(found),
        "worst": worst.value if worst else None,
        "worst_score": dataclasses.asdict(worst.scores[WORST]) if worst else None,
        "spread": found.spread,
        "notes": notes(found),
    }


def lines(found: Fairness) -> list[str]:
    """The view as a table, the recalls of the groups that allow a claim, the worst group, notes."""
    width = max(len(found.fact), *(len(_plain(group.value)) for group in found.groups))
    heads = "".join(f"  {HEADINGS[name]:<19}" for name in METRICS)
    shown = [f"by {_plain(found.fact)}, intervals over {found.unit}s"]
    shown.append(f"{_plain(found.fact):{width}}  clips  speakers{heads}".rstrip())
    for group in found.groups:
        cells = "".join(f"  {_cell(group.scores[name]):<19}" for name in METRICS)
        speakers = "-" if group.speakers is None else str(group.speakers)
        name = _plain(group.value)
        shown.append(f"{name:{width}}  {group.clips:5d}  {speakers:>8}{cells}".rstrip())
    shown += _differences(found, width) + _recalls(found)
    return [*shown, _worst(found), *(f"note: {note}" for note in notes(found))]


def _cell(i: Interval, sign: str = "") -> str:
    return f"{100 * i.value:{sign}.1f} {interval_text(i, sign)}"


def _differences(found: Fairness, width: int) -> list[str]:
    """Each group minus all others; of two groups the first one only, because the other difference
    is the same with the other sign.
    """
    rows = [group for group in found.groups if group.differences]
    rows = rows[:1] if len(found.groups) == 2 else rows
    if not rows:
        return []
    heads = "".join(f"  {HEADINGS[name]:<19}" for name in METRICS)
    shown = [f"{'minus all others':{width + 17}}{heads}".rstrip()]
    for group in rows:
        cells = "".join(f"  {_cell(group.differences[name], '+'):<19}" for name in METRICS)
        shown.append(f"{_plain(group.value):{width + 17}}{cells}".rstrip())
    return shown


def _recalls(found: Fairness) -> list[str]:
    """Recall by class, of the groups that allow a claim."""
    shown = [
        (_plain(group.value), _plain(one.label), f"{one.clips:6d}", _cell(one.recall))
        for group in found.groups
        if group.claims
        for one in group.recalls
    ]
    if not shown:
        return []
    rows = [(found.fact, "class", " clips", "recall"), *shown]
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    return [f"{a:{first}}  {b:{second}}  {c}  {d}" for a, b, c, d in rows]


def _worst(found: Fairness) -> str:
    group, spread = found.worst, found.spread
    if group is None or spread is None:
        return (
            f"worst group: none is named, because fewer than two groups have {MIN_GROUPS}"
            f" {found.unit}s in each class"
        )
    differs = "differs" if significant(group) else "does not differ significantly"
    return (
        f"worst group by {HEADINGS[WORST]}: {_plain(group.value)}, {_cell(group.scores[WORST])},"
        f" {100 * spread:.1f} points below the best group; it {differs} from the others"
    )


def notes(found: Fairness) -> list[str]:
    """Limits of the numbers that a reader must know."""
    few = [_plain(group.value) for group in found.groups if group.units < MIN_GROUPS]
    rare = [
        _plain(group.value)
        for group in found.groups
        if group.units >= MIN_GROUPS and not group.claims
    ]
    reasons = {
        f"of {found.unknown} of {found.clips} clips the {_plain(found.fact)} is not known; they are"
        " in no group": found.unknown > 0,
        "one group only: there is nothing to compare": len(found.groups) < 2,
        f"fewer than {MIN_GROUPS} {found.unit}s in {', '.join(few)}: no interval and no claim": (
            bool(few)
        ),
        f"a class has fewer than {MIN_GROUPS} {found.unit}s in {', '.join(rare)}: no interval of"
        " macro averages and no claim": bool(rare),
        f"{found.shared} {found.unit}s are in several groups; differences count them as"
        " independent": found.shared > 0,
        "no speaker is known, so clips are the unit: intervals are too narrow if speakers repeat,"
        " and say nothing about other speakers": found.unit == "clip",
        f"{found.compared} differences, so that each interval has level"
        f" {100 - 5 / max(found.compared, 1):.2f}% (Bonferroni)": found.compared > 1,
        "the worst of several groups is lower than its true score on average": (
            found.worst is not None and len(found.groups) > 2
        ),
    }
    lacking = [
        f"{_plain(group.value)} has no clip of {', '.join(map(_plain, group.lacking))}: its macro"
        " averages are over the other classes, and differences over those that both sides have"
        for group in found.groups
        if group.lacking
    ]
    return [note for note, holds in reasons.items() if holds] + lacking


def _plain(text: str) -> str:
    return escape_control_characters(text)
