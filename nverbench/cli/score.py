"""``nverbench score``: metrics of any system's list of predictions. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo
from nverbench.errors import UsageError


def score(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="PREDICTIONS.csv [PREDICTIONS2.csv]", help="One file, or two to compare."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(help="Compare with a finished result over the same clip ids: its id or file."),
    ] = None,
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
) -> None:
    """Metrics with intervals of any system's predictions; with a second file, or --against a
    result, a paired test.

    A file has one line per clip below a line of column names, in any order:

    \b
      id          the clip, unique (per replicate)
      label       what is true
      prediction  what the system said; or instead, for every class,
                  a column p_LABEL with its probability
      speaker     or group: whose clips belong together; intervals are over
                  them (without: over clips, too narrow if speakers repeat)
      fold        optional: the test fold the clip was in; two files with
                  the same folds get a second opinion over folds
      replicate   optional: which run (seed) the line is of; every run has
                  all clips; scores are means over runs

    UTF-8, commas, quotes as usual. Macro averages run over all labels that are true of a clip,
    predicted, or have a column.
    """
    from nverbench.leaderboard import compare
    from nverbench.leaderboard.rows import find_result
    from nverbench.leaderboard.score_csv import read, report

    if len(files) > 2 or (against and len(files) > 1):
        raise UsageError(
            f"score: expected one file, two, or one --against a result, got {len(files)} files"
        )
    systems = [read.read(path) for path in files]
    compared = None
    if len(systems) == 2:
        compared = report.pair(*systems)
    elif against:
        compared = report.against(systems[0], find_result(against, out))
    if as_json:
        comparison = compared.record() if compared else None
        records = [report.record(one) for one in systems]
        echo(json.dumps({"files": records, "comparison": comparison}))
        return
    for system in systems:
        for line in report.lines(system):
            echo(line)
    for line in compare.lines(compared) if compared else ():
        echo(line)
