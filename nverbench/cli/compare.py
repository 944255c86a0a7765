"""``nverbench compare``: is one result better than another. Imports no torch."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo


def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A result: its id, a unique beginning of its id, or the path of its .json file.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another result, named in the same way.")],
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
) -> None:
    """Test whether result A is better than result B, paired over the same clips: intervals, a
    second test over folds, and the minimum detectable difference.
    """
    from nverbench.leaderboard import compare as comparison
    from nverbench.leaderboard.rows import find_result

    found = comparison.results(find_result(a, out), find_result(b, out))
    for line in [json.dumps(found.record())] if as_json else comparison.lines(found):
        echo(line)
