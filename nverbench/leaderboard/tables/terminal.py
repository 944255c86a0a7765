"""Finished results -> a table on a terminal: marked controls and optimistic rows, published scores
next to ours, chance levels last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nverbench._io.text import escape_control_characters
from nverbench.leaderboard.tables.wording import dataset_texts, order, published_text, status_text
from nverbench.metrics.chance import HOW, chance
from nverbench.metrics.scores import SHOWN
from nverbench.results.published import reported
from nverbench.results.record import Result
from nverbench.results.scoring import score_text

if TYPE_CHECKING:
    from rich.table import Table

PAIR, WORTH, LICENCE = 30, 22, 22
"""Largest widths of backbones, standing and licence; a longer name of a backbone is not cut."""

Places = Mapping[str, tuple[str, str]]
"""Id of a result -> its rank, and its distance to the best of its field."""
PLACES = ("rank", "behind best\nmacro-F1, points")


def table(
    results: Sequence[Result], *, places: Places | None = None, width: int | None = None
) -> Table:
    """The rows as a rich table: percent, 95% jackknife intervals over speakers; the parts share one
    column where ``width`` is too narrow.

    With ``places``: in the order given, each with its rank.
    """
    rows = order(results) if places is None else list(results)
    full = _full(rows, places)
    return full if width is None or min_width(full) <= width else _narrow(rows, places)


def min_width(shown: Table) -> int:
    """The width of a terminal that shows a table without a broken name."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, shown).maximum


def _full(results: Sequence[Result], places: Places | None) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold")
    compared, datasets = any(reported(r) for r in results), dataset_texts(results)
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
        e, published = r.entry, [cell.split("; ") for cell in published_text(r)]
        what = [" + ".join(e.backbones), e.fusion, e.loss, datasets(r), r.folds.kind]
        scores = [score_text(r.scores[name]) for name, _ in SHOWN]
        theirs = published if compared else []
        _add(shown, *rank, *what, *scores, *behind, *theirs, status_text(r), r.licence)
    empty = [""] if places is not None else []
    for dataset, folds, how, values in _chances(results):
        scores = [f"{100 * values[name]:.1f}" for name, _ in SHOWN]
        what = [HOW[how], "", "", dataset, folds]
        theirs = [[""], [""]] if compared else []
        _add(shown, *empty, *what, *scores, *empty, *theirs, "chance", "")
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
    datasets = dataset_texts(results)
    for r in results:
        e = r.entry
        what = [" + ".join(e.backbones), f"{e.fusion} / {e.loss}"]
        what.append(f"{datasets(r)} / {r.folds.kind}")
        what += [status_text(r), r.licence]
        if places is not None:
            rank, behind = places[r.id]
            what.insert(0, f"rank {rank}{f', behind the best {behind}' if behind else ''}")
        theirs, difference = published_text(r)
        if theirs:
            what += [f"published {one}" for one in theirs.split("; ")]
            what.append(f"ours - published {difference}")
        _add(shown, what, *(score_text(r.scores[name]).split(" ", 1) for name, _ in SHOWN))
    for dataset, folds, how, values in _chances(results):
        scores = [f"{100 * values[name]:.1f}" for name, _ in SHOWN]
        _add(shown, [f"chance: {HOW[how]}", f"{dataset} / {folds}"], *scores)
    return shown


def _add(shown: Table, *cells: str | Sequence[str]) -> None:
    """A row of cells (of one line or several): plain text, whatever markup or control characters a
    name holds.
    """
    from rich.text import Text

    made: list[Any] = []
    for cell in cells:
        lines = [cell] if isinstance(cell, str) else cell
        made.append(Text("\n".join(map(escape_control_characters, lines))))
    shown.add_row(*made)


def _chances(results: Sequence[Result]) -> list[tuple[str, str, str, dict[str, float]]]:
    """Dataset, kind of folds, kind of chance and scores, once for every dataset, folds and counts
    of clips.
    """
    datasets = dataset_texts(results)
    seen = {(datasets(r), r.folds.kind, tuple(r.counts.per_class.items())) for r in results}
    return [
        (dataset, folds, how, values)
        for dataset, folds, counts in sorted(seen)
        for how, values in chance(dict(counts)).items()
    ]
