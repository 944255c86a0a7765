"""``nverbench leaderboard``: the table of finished results, and what the papers' claims are
worth.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import OUT, Json, OutFolder, echo, echo_err, print_table
from nverbench.cli.leaderboard import serve
from nverbench.cli.leaderboard.build import build
from nverbench.errors import ResultError, UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import Row, StoredResult
    from nverbench.results.speaker_gap import Gap

leaderboard = typer.Typer(
    help="Tables of finished results.", no_args_is_help=True, rich_markup_mode=None
)
leaderboard.command("serve")(serve.serve)
leaderboard.command("pull")(serve.pull)
leaderboard.command("push")(serve.push)
leaderboard.command("build")(build)


@leaderboard.callback()
def group() -> None:
    """Tables of finished results."""


@leaderboard.command("show")
def show(
    dataset: Annotated[list[str] | None, typer.Option(help="Only these datasets.")] = None,
    as_json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="One line per row, scores as fractions.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="A Markdown table.")] = False,
    as_latex: Annotated[
        bool,
        typer.Option("--latex", help="A LaTeX tabular (booktabs), the best rank group in bold."),
    ] = False,
    out: OutFolder = OUT,
) -> int:
    """Print the ranked table of the results in a folder; damaged files are named and left out."""
    forms = {"json": as_json, "csv": as_csv, "markdown": as_markdown, "latex": as_latex}
    form = _one_of(forms)
    found, damaged = filed(out)
    kept = [
        one
        for one in found
        if not dataset
        or one.result.entry.dataset.partition(":")[0] in dataset
        or one.result.entry.dataset in dataset
    ]
    if not kept:
        echo_err(f"no results in {out / 'results'}; nverbench run makes some")
        return 2
    from nverbench import leaderboard as board
    from nverbench.leaderboard.rows import rows
    from nverbench.leaderboard.tables import export
    from nverbench.results import speaker_gap
    from nverbench.results.store import ResultStore

    speaker_gaps = speaker_gap.speaker_gaps(
        board.order(one.result for one in kept), ResultStore(out).predictions, echo_err
    )
    ranked = rows(kept, speaker_gaps)
    _print(ranked, form, speaker_gaps)
    for line in (*board.footnotes([row.result for row in ranked]), *export.unranked(ranked)):
        echo_err(line)
    for gap in speaker_gaps:
        (echo_err if form else echo)(speaker_gap.text(gap))
    return 2 if damaged else 0


def filed(out: Path) -> tuple[list[StoredResult], int]:
    """The results of a working folder as they are filed here, and how many files were damaged;
    those are said.
    """
    from nverbench.cli.compare import filed_at
    from nverbench.results.store import ResultStore

    found, damaged = [], 0
    for path in sorted(ResultStore(out).root.glob("*.json")):
        try:
            found.append(filed_at(path))
        except ResultError as error:
            damaged += 1
            echo_err(str(error))
    return found, damaged


def _one_of(forms: dict[str, bool]) -> str:
    """The form that was asked for; empty for the table on a terminal."""
    asked = [name for name, wanted in forms.items() if wanted]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} are two forms of one table; ask for one")
    return asked[0] if asked else ""


def _print(ranked: Sequence[Row], form: str, speaker_gaps: Sequence[Gap]) -> None:
    from nverbench import leaderboard as board
    from nverbench.leaderboard.tables import export

    if form == "json":
        for row in ranked:
            echo(json.dumps(board.ranked_record(row, speaker_gaps)))
    elif form == "csv":
        typer.echo(export.as_csv(ranked).encode(), nl=False)  # bytes: its line ends are its own
    elif form:
        typer.echo(
            {"markdown": export.as_markdown, "latex": export.as_latex}[form](ranked), nl=False
        )
    else:
        print_table(
            [row.result for row in ranked],
            {row.result.id: (export.rank_text(row), export.behind_text(row)) for row in ranked},
        )


@leaderboard.command("claims")
def claims(as_json: Json = False, out: OutFolder = OUT) -> int:
    """What the papers claim, as contrasts fixed beforehand: verdicts on the results in a folder and
    on the papers' own tables.
    """
    from nverbench.leaderboard.claims import verdict

    found, damaged = filed(out)
    judged = verdict.judge_claims(found)
    for line in (json.dumps(one.record()) for one in judged) if as_json else verdict.lines(judged):
        echo(line)
    echo_err(
        "ours: accuracy, paired jackknife over speakers, no controls; published: the paper's own"
        " table and folds, a sign and a size, never a test"
    )
    return 2 if damaged else 0
