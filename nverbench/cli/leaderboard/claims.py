"""``nverbench leaderboard claims``: the papers' claims, tested on finished results."""

from __future__ import annotations

import json

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err
from nverbench.cli.leaderboard.show import load


def claims(as_json: options.Json = False, out: options.OutFolder = options.OUT) -> int:
    """Test the claims of the papers, as contrasts fixed beforehand: verdicts on the results in a
    folder and on the tables of the papers.
    """
    from nverbench.leaderboard.claims import report, verdict

    found, damaged = load(out)
    judged = verdict.judge_claims(found)
    for line in (json.dumps(one.record()) for one in judged) if as_json else report.lines(judged):
        echo(line)
    echo_err(report.EXPLANATION)
    return 2 if damaged else 0
