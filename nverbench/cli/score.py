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
            metavar="PREDICTIONS.csv [PREDICTIONS2.csv]", help="One file, or two files to compare."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            help="A finished result to compare with, over the same clip ids: its id, a unique"
            " beginning of its id, or the path of its .json file."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Of one file: scores by the values of this column too, such as sex, age or"
            " language of the speaker."
        ),
    ] = None,
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
) -> None:
    """Print metrics with intervals for the predictions of any system, and a paired test against a
    second file or, with --against, a finished result.

    A file has a line of column names, then one line per clip, in any order:

    \b
      id          the clip, unique (per replicate)
      label       the true label
      prediction  the predicted label; or instead, for every class,
                  a column p_LABEL with its probability
      speaker     or group: intervals are over speakers or groups (without
                  this column over clips: too narrow if speakers repeat)
      fold        optional: the test fold of the clip; two files with the
                  same folds get a second test, over folds
      replicate   optional: the run (seed) of the line; every run has all
                  clips; scores are means over runs

    Columns of the usual other names are read too: file or utt_id; y_true or
    emotion; pred or y_pred; speaker_id, spk or subject. The file is CSV in
    UTF-8 or UTF-16, with commas, semicolons, tabs or pipes, or JSON Lines.
    Macro averages are over all labels that are
    the true label of a clip, are predicted, or have a column.
    """
    from nverbench.leaderboard import compare
    from nverbench.leaderboard.fairness import report as by_group
    from nverbench.leaderboard.rows import find_result
    from nverbench.leaderboard.score_csv import read, report

    if len(files) > 2 or (against and len(files) > 1):
        raise UsageError(
            f"score: expected one file, two, or one --against a result, got {len(files)} files"
        )
    if by is not None and (len(files) > 1 or against):
        raise UsageError("score: --by looks at one file; leave the other one or --against out")
    systems = [read.read(path, by or "") for path in files]
    groups = report.by_group(systems[0]) if by else None
    compared = None
    if len(systems) == 2:
        compared = report.pair(*systems)
    elif against:
        compared = report.against(systems[0], find_result(against, out))
    if as_json:
        comparison = compared.record() if compared else None
        records = [report.record(one) for one in systems]
        if groups:
            records[0]["by"] = by_group.record(groups)
        echo(json.dumps({"files": records, "comparison": comparison}))
        return
    for system in systems:
        for line in report.lines(system):
            echo(line)
    for line in by_group.lines(groups) if groups else ():
        echo(line)
    for line in compare.lines(compared) if compared else ():
        echo(line)
