"""``nverbench leaderboard serve``, ``pull`` and ``push``: the page and MLflow on this machine,
results from and to a tracking server.
"""

from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path
from typing import Annotated

import typer

from nverbench.cli.common import OUT, OutFolder, TrackingUri, echo, echo_err

PAGE = OUT / "page"
Port = Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")]
MlflowPort = Annotated[int, typer.Option(min=1, max=65535, help="Of MLflow's UI.")]


def serve(
    page: Annotated[
        Path, typer.Option(help="The folder that nverbench leaderboard build made.")
    ] = PAGE,
    tracking_uri: TrackingUri = None,
    port: Port = 8000,
    mlflow_port: MlflowPort = 5000,
) -> int:
    """Serve the built page and MLflow's UI on this machine only (127.0.0.1), until ctrl-C.

    Neither asks for a password, so that there is no option to open them to other machines. To see
    them from another one, forward both ports there: ssh -L 8000:127.0.0.1:8000 -L
    5000:127.0.0.1:5000 THIS_MACHINE
    """
    from nverbench.leaderboard import serve as serving
    from nverbench.results.tracking import DEFAULT_URI, address, database_of, shown

    uri = address(tracking_uri or DEFAULT_URI)
    database = database_of(uri)
    with contextlib.ExitStack() as open_until_the_end, contextlib.suppress(KeyboardInterrupt):
        came = open_until_the_end.enter_context(serving.interruptible())
        process = None
        site = open_until_the_end.enter_context(serving.page(page, port))
        if uri.startswith(("http://", "https://")):
            notebook = f"{shown(uri)} (a server of its own)"
        elif database is not None and not database.is_file():
            notebook = f"not started: {database} is not there; nverbench run makes it"
        else:
            artifacts = (database.parent if database is not None else Path.cwd()) / "mlartifacts"
            store = f"sqlite:///{database}" if database is not None else uri
            echo_err("starting MLflow ...")
            notebook, process = open_until_the_end.enter_context(
                serving.mlflow_ui(store, artifacts, mlflow_port)
            )
        echo(f"page:   {site}")
        echo(f"MLflow: {notebook}")
        echo_err("on this machine only; ctrl-C ends both")
        while not came:
            if process is not None and process.poll() is not None:
                echo_err(f"mlflow ended by itself (exit code {process.returncode})")
                return 1
            time.sleep(0.2)
    echo_err("both ended")
    return 0


def pull(tracking_uri: TrackingUri = None, out: OutFolder = OUT) -> int:
    """Rebuild result files from a tracking server: each is checked, none that is here is
    touched.
    """
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore

    uri = tracking_uri or tracking.DEFAULT_URI
    _refuse_a_missing_database(uri)
    done = tracking.pull(ResultStore(out), uri, echo_err)
    echo(
        f"{done.written} results written to {out / 'results'}, {done.here} were here already,"
        f" {done.damaged} damaged and not taken"
    )
    return 2 if done.damaged else 0


def push(tracking_uri: TrackingUri = None, out: OutFolder = OUT) -> int:
    """Tell a tracking server every finished result it does not know yet, and every rank; stopped or
    refused, it goes on the next time.
    """
    from nverbench.leaderboard.rows import StoredResult, rows
    from nverbench.results import tracking
    from nverbench.results.store import ResultStore, predictions_of

    uri, folder = tracking_uri or tracking.DEFAULT_URI, ResultStore(out)
    if not any(folder.root.glob("*.json")):
        echo_err(f"no results in {folder.root}; nverbench run makes some")
        return 2
    done = tracking.push(folder, uri, echo_err)
    ranked = rows(
        StoredResult(r, functools.partial(predictions_of, r, folder.predictions_path(r.id)))
        for r in done.results
    )
    changed = tracking.log_ranks(ranked, uri)
    server = tracking.shown(uri)
    echo(
        f"{done.told} results told to {server}, {done.known} it knew already, {done.damaged}"
        f" damaged and not told; {changed} ranks changed"
    )
    return 2 if done.damaged else 0


def _refuse_a_missing_database(uri: str) -> None:
    from nverbench.errors import UsageError
    from nverbench.results.tracking import database_of

    database = database_of(uri)
    if database is not None and not database.is_file():
        raise UsageError(
            f"{database}: no MLflow database is there; name a server or a database with"
            " --tracking-uri"
        )
