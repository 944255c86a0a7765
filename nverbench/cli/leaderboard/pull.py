"""``nverbench leaderboard pull``: result files from a tracking server."""

from __future__ import annotations

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err
from nverbench.errors import UsageError


def pull(tracking_uri: options.TrackingUri = None, out: options.OutFolder = options.OUT) -> int:
    """Write result files from a tracking server. Each result is checked; existing files are not
    changed.
    """
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore

    uri = tracking.resolve(tracking_uri)
    database = tracking.database_of(uri)
    if database is not None and not database.is_file():
        raise UsageError(
            f"{database}: no MLflow database is there; name a server or a database with"
            " --tracking-uri"
        )
    done = tracking.pull(ResultStore(out), uri, echo_err)
    echo(
        f"{done.written} results written to {out / 'results'}, {done.here} were here already,"
        f" {done.damaged} damaged and not taken"
    )
    return 2 if done.damaged else 0
