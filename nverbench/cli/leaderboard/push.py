"""``nverbench leaderboard push``: finished results and their ranks to a tracking server."""

from __future__ import annotations

import functools

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err


def push(tracking_uri: options.TrackingUri = None, out: options.OutFolder = options.OUT) -> int:
    """Upload finished results that a tracking server does not have yet, and all ranks. After an
    interruption, the same command continues.
    """
    from nverbench.leaderboard.rows import StoredResult, rows
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore

    uri, folder = tracking.resolve(tracking_uri), ResultStore(out)
    if not folder.paths():
        echo_err(f"no results in {folder.root}; nverbench run makes some")
        return 2
    done = tracking.push(folder, uri, echo_err)
    stored = [StoredResult(r, functools.partial(folder.predictions, r)) for r in done.results]
    changed = tracking.log_ranks(rows(stored), uri)
    echo(
        f"{done.told} results uploaded to {tracking.shown(uri)}, {done.known} it had already,"
        f" {done.damaged} damaged and left out; {changed} ranks changed"
    )
    return 2 if done.damaged else 0
