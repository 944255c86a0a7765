"""``nverbench leaderboard show``: the ranked table of finished results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, print_table
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import Row, StoredResult
    from nverbench.results.speaker_gap import Gap


def show(
    dataset: Annotated[
        list[str] | None, typer.Option(help="Show only this dataset; may be repeated.")
    ] = None,
    as_json: options.Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV: one line per row, with scores as fractions.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table.")
    ] = False,
    as_latex: Annotated[
        bool,
        typer.Option(
            "--latex", help="Print a LaTeX tabular (booktabs), with the best rank group in bold."
        ),
    ] = False,
    out: options.OutFolder = options.OUT,
) -> int:
    """Print the ranked table of the results in a folder; damaged files are named and left out."""
    form = _form({"json": as_json, "csv": as_csv, "markdown": as_markdown, "latex": as_latex})
    found, damaged = load(out)
    kept = [one for one in found if not dataset or _of_dataset(one, dataset)]
    if not kept:
        echo_err(f"no results in {out / 'results'}; nverbench run makes some")
        return 2
    from nverbench import leaderboard as board
    from nverbench.leaderboard.rows import rows
    from nverbench.leaderboard.tables import export
    from nverbench.results import speaker_gap
    from nverbench.results.store import ResultStore

    gaps = speaker_gap.speaker_gaps(
        board.order(one.result for one in kept), ResultStore(out).predictions, echo_err
    )
    ranked = rows(kept, gaps)
    _print(ranked, form, gaps)
    for line in (*board.footnotes([row.result for row in ranked]), *export.unranked(ranked)):
        echo_err(line)
    for gap in gaps:
        (echo_err if form else echo)(speaker_gap.text(gap))
    return 2 if damaged else 0


def load(out: Path) -> tuple[list[StoredResult], int]:
    """The results of a folder, and the number of damaged files, which are printed."""
    from nverbench.leaderboard.rows import load_results
    from nverbench.results.store import ResultStore

    found, problems = load_results(ResultStore(out))
    for problem in problems:
        echo_err(problem)
    return found, len(problems)


def _of_dataset(one: StoredResult, datasets: list[str]) -> bool:
    own = one.result.entry.dataset
    return own in datasets or own.partition(":")[0] in datasets


def _form(forms: dict[str, bool]) -> str:
    """The requested form of the table; empty for the table on a terminal."""
    requested = [name for name, given in forms.items() if given]
    if len(requested) > 1:
        one, other = requested[:2]
        raise UsageError(f"--{one} and --{other} are two forms of one table; give one of them")
    return requested[0] if requested else ""


def _print(ranked: Sequence[Row], form: str, gaps: Sequence[Gap]) -> None:
    from nverbench import leaderboard as board
    from nverbench.leaderboard.tables import export

    if form == "json":
        for row in ranked:
            echo(json.dumps(board.ranked_record(row, gaps)))
    elif form == "csv":
        # As bytes: the line ends stay as they are.
        typer.echo(export.as_csv(ranked).encode(), nl=False)
    elif form:
        as_text = export.as_markdown if form == "markdown" else export.as_latex
        typer.echo(as_text(ranked), nl=False)
    else:
        places = {r.result.id: (export.rank_text(r), export.behind_text(r)) for r in ranked}
        print_table([row.result for row in ranked], places)
