"""``nverbench leaderboard``: the table of finished results."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nverbench.cli.building import build
from nverbench.cli.common import OUT, Json, OutFolder, print_table, say
from nverbench.errors import ResultError

leaderboard = typer.Typer(help="Tables of finished results.", no_args_is_help=True, rich_markup_mode=None)
leaderboard.command("build")(build)


@leaderboard.callback()
def group() -> None:
    """Tables of finished results."""


@leaderboard.command("show")
def show(
    dataset: Annotated[list[str] | None, typer.Option(help="Only these datasets.")] = None,
    as_json: Json = False,
    out: OutFolder = OUT,
) -> int:
    """Print the table of the results in a folder; damaged files are named and left out."""
    from nverbench import gaps
    from nverbench import leaderboard as board
    from nverbench.folder import Folder, read

    results, damaged = [], 0
    for path in sorted(Folder(out).root.glob("*.json")):
        try:
            results.append(read(path))
        except ResultError as error:
            damaged += 1
            say(str(error))
    results = [r for r in results if not dataset or r.entry.dataset.partition(":")[0] in dataset or r.entry.dataset in dataset]
    if not results:
        say(f"no results in {out / 'results'}; nverbench run makes some")
        return 2
    found = gaps.find(board.order(results), Folder(out), say)
    if as_json:
        for result in board.order(results):
            typer.echo(json.dumps(board.record(result, found)))
    else:
        print_table(results)
    for line in board.footnotes(results):
        say(line)
    for gap in found:
        (say if as_json else typer.echo)(gaps.text(gap))
    return 2 if damaged else 0
