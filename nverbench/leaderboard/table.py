"""Finished results -> a table on a terminal. Controls and optimistic rows say so; beside ours stands what the paper published.

Below all stands what chance scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nverbench.chance import HOW, chance
from nverbench.leaderboard.text import beside, order, score_text, worth
from nverbench.metrics import SHOWN
from nverbench.references import published
from nverbench.results import Result

if TYPE_CHECKING:
    from rich.table import Table

PAIR, WORTH, LICENCE = 30, 22, 22
"""Columns that backbones, standing and licence take at most; a longer backbone's name takes what it needs."""


def table(results: Sequence[Result], *, width: int | None = None) -> Table:
    """The rows as a rich table: percent, 95% jackknife intervals over speakers; what was combined shares one column where ``width`` is too narrow."""
    full = _full(results)
    return full if width is None or needs(full) <= width else _narrow(results)


def needs(shown: Table) -> int:
    """Columns of a terminal in which a table stands without a broken name."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, shown).maximum


def _full(results: Sequence[Result]) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold")
    compared = any(published(r.entry) for r in results)
    shown.add_column("backbone", overflow="fold", max_width=max([PAIR, *(len(f"{b} +") for r in results for b in r.entry.backbones)]))
    for heading in ("fusion", "loss", "dataset", "folds"):
        shown.add_column(heading, overflow="fold")
    for _, heading in SHOWN:
        shown.add_column(f"{heading} % [95%]", justify="right", no_wrap=True)
    for heading in ("published %\nacc. / F1", "ours - published\nacc. / F1, points") if compared else ():
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("row is", overflow="fold", max_width=WORTH)
    shown.add_column("licence", overflow="fold", max_width=LICENCE)
    for r in order(results):
        cells = [" + ".join(r.entry.backbones), r.entry.fusion, r.entry.loss, r.entry.dataset, r.folds.kind]
        shown.add_row(*cells, *(score_text(r.scores[name]) for name, _ in SHOWN), *(beside(r) if compared else ()), worth(r), r.licence)
    for dataset, folds, how, values in _chances(results):
        scores = (f"{100 * values[name]:.1f}" for name, _ in SHOWN)
        shown.add_row(HOW[how], "", "", dataset, folds, *scores, *(("", "") if compared else ()), "chance", "")
    return shown


def _narrow(results: Sequence[Result]) -> Table:
    from rich.table import Table

    shown = Table(header_style="bold", show_lines=True)
    shown.add_column("what", overflow="fold")
    for _, heading in SHOWN:
        shown.add_column(f"{heading} %\n[95%]", justify="right", no_wrap=True)
    for r in order(results):
        what = [" + ".join(r.entry.backbones), f"{r.entry.fusion} / {r.entry.loss}", f"{r.entry.dataset} / {r.folds.kind}", worth(r), r.licence]
        theirs, difference = beside(r)
        what += [f"published {theirs}", f"ours - published {difference}"] if theirs else []
        shown.add_row("\n".join(what), *(score_text(r.scores[name]).replace(" ", "\n", 1) for name, _ in SHOWN))
    for dataset, folds, how, values in _chances(results):
        shown.add_row(f"chance: {HOW[how]}\n{dataset} / {folds}", *(f"{100 * values[name]:.1f}" for name, _ in SHOWN))
    return shown


def _chances(results: Sequence[Result]) -> list[tuple[str, str, str, dict[str, float]]]:
    """Dataset, kind of folds, how and scores: once for every dataset, folds and counts of clips among the rows."""
    seen = {(r.entry.dataset, r.folds.kind, tuple(r.counts.per_class.items())) for r in results}
    return [(dataset, folds, how, values) for dataset, folds, counts in sorted(seen) for how, values in chance(dict(counts)).items()]
