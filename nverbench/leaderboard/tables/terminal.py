"""Finished results -> a table on a terminal. Controls and optimistic rows say so; beside ours
stands what the paper published.

Below all stands what chance scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.tables.wording import order, published_text, status_text
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.scores import SHOWN
from nverbench.results.published import reported
from nverbench.results.record import Result
from nverbench.results.scoring import score_text

if TYPE_CHECKING:
    from rich.table import Table

PAIR, WORTH, LICENCE = 30, 22, 22
"""Columns that backbones, standing and licence take at most; a longer backbone's name takes what it
needs.
"""


Places = Mapping[str, tuple[str, str]]
"""Id of a result -> its rank, and how far it is behind the best of its field."""
PLACES = ("rank", "behind best\nmacro-F1, points")


def table(
    results: Sequence[Result], *, places: Places | None = None, width: int | None = None
) -> Table:
    """The rows as a rich table: percent, 95% jackknife intervals over speakers; what was combined
    shares one column where ``width`` is too narrow.

    With ``places``: in the order given, each with its rank.
    """
    rows = order(results) if places is None else list(results)
    full = _full(rows, places)
    return full if width is None or min_width(full) <= width else _narrow(rows, places)


def min_width(shown: Table) -> int:
    """Columns of a terminal in which a table stands without a broken name."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, shown).maximum


def _full(results: Sequence[Result], places: Places | None) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold")
    compared = any(reported(r) for r in results)
    if places is not None:
        shown.add_column(PLACES[0], justify="right", no_wrap=True)
    shown.add_column(
        "backbone",
        overflow="fold",
        max_width=max([PAIR, *(len(f"{b} +") for r in results for b in r.entry.backbones)]),
    )
    for heading in ("fusion", "loss", "dataset", "folds"):
        shown.add_column(heading, overflow="fold")
    for heading in _numbers(places, compared=compared):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("row is", overflow="fold", max_width=WORTH)
    shown.add_column("licence", overflow="fold", max_width=LICENCE)
    for r in results:
        rank, behind = ([places[r.id][0]], [places[r.id][1]]) if places is not None else ([], [])
        what = [
            " + ".join(r.entry.backbones),
            r.entry.fusion,
            r.entry.loss,
            r.entry.dataset,
            r.folds.kind,
        ]
        scores = [score_text(r.scores[name]) for name, _ in SHOWN]
        _add(
            shown,
            *rank,
            *what,
            *scores,
            *behind,
            *((cell.split("; ") for cell in published_text(r)) if compared else ()),
            status_text(r),
            r.licence,
        )
    for dataset, folds, how, values in _chances(results):
        scores = [f"{100 * values[name]:.1f}" for name, _ in SHOWN]
        rank, behind = ([""], [""]) if places is not None else ([], [])
        _add(
            shown,
            *rank,
            HOW[how],
            "",
            "",
            dataset,
            folds,
            *scores,
            *behind,
            *(("", "") if compared else ()),
            "chance",
            "",
        )
    return shown


def _numbers(places: Places | None, *, compared: bool) -> list[str]:
    """Headings of the columns of numbers."""
    headings = [f"{heading} % [95%]" for _, heading in SHOWN]
    headings += [PLACES[1]] if places is not None else []
    return headings + (
        ["published %\nacc. / F1", "ours - published\nacc. / F1, points"] if compared else []
    )


def _narrow(results: Sequence[Result], places: Places | None) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold", show_lines=True)
    shown.add_column("what", overflow="fold")
    for _, heading in SHOWN:
        shown.add_column(f"{heading} %\n[95%]", justify="right", no_wrap=True)
    for r in results:
        what = [
            " + ".join(r.entry.backbones),
            f"{r.entry.fusion} / {r.entry.loss}",
            f"{r.entry.dataset} / {r.folds.kind}",
            status_text(r),
            r.licence,
        ]
        if places is not None:
            rank, behind = places[r.id]
            what.insert(0, f"rank {rank}{f', behind the best {behind}' if behind else ''}")
        theirs, difference = published_text(r)
        what += (
            [*(f"published {one}" for one in theirs.split("; ")), f"ours - published {difference}"]
            if theirs
            else []
        )
        _add(shown, what, *(score_text(r.scores[name]).split(" ", 1) for name, _ in SHOWN))
    for dataset, folds, how, values in _chances(results):
        _add(
            shown,
            [f"chance: {HOW[how]}", f"{dataset} / {folds}"],
            *(f"{100 * values[name]:.1f}" for name, _ in SHOWN),
        )
    return shown


def _add(shown: Table, *cells: str | Sequence[str]) -> None:
    """A row of cells (of one line or several): plain text, whatever markup or control characters a
    name holds.
    """
    from rich.text import Text

    made: list[Any] = [
        Text(
            "\n".join(
                escape_control_characters(line)
                for line in ([cell] if isinstance(cell, str) else cell)
            )
        )
        for cell in cells
    ]
    shown.add_row(*made)


def _chances(results: Sequence[Result]) -> list[tuple[str, str, str, dict[str, float]]]:
    """Dataset, kind of folds, how and scores: once for every dataset, folds and counts of clips
    among the rows.
    """
    seen = {(r.entry.dataset, r.folds.kind, tuple(r.counts.per_class.items())) for r in results}
    return [
        (dataset, folds, how, values)
        for dataset, folds, counts in sorted(seen)
        for how, values in chance(dict(counts)).items()
    ]
