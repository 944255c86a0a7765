"""``nverbench leaderboard serve``: the page and MLflow's UI on this machine."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err

PAGE = options.OUT / "page"
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port of the page.")]
MlflowPort = Annotated[int, typer.Option(min=1, max=65535, help="The port of MLflow's UI.")]


def serve(
    page: Annotated[
        Path, typer.Option(help="The folder that nverbench leaderboard build has written.")
    ] = PAGE,
    tracking_uri: options.TrackingUri = None,
    port: Port = 8000,
    mlflow_port: MlflowPort = 5000,
) -> int:
    """Serve the page and MLflow's UI on this machine only (127.0.0.1), until ctrl-C.

    Neither requires a password, so there is no option to open them to other machines. To see them
    from another machine, forward both ports to it: ssh -L 8000:127.0.0.1:8000 -L
    5000:127.0.0.1:5000 THIS_MACHINE
    """
    from nverbench.leaderboard import serve as serving
    from nverbench.results.tracking import address, database_of, resolve, shown

    uri = address(resolve(tracking_uri))
    database = database_of(uri)
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        interrupted = stack.enter_context(serving.interruptible())
        process = None
        site = stack.enter_context(serving.page(page, port))
        if uri.startswith(("http://", "https://")):
            mlflow = f"{shown(uri)} (a server of its own)"
        elif database is not None and not database.is_file():
            mlflow = f"not started: {database} is not there; nverbench run makes it"
        else:
            artifacts = (database.parent if database is not None else Path.cwd()) / "mlartifacts"
            store = f"sqlite:///{database}" if database is not None else uri
            echo_err("starting MLflow ...")
            mlflow, process = stack.enter_context(serving.mlflow_ui(store, artifacts, mlflow_port))
        echo(f"page:   {site}")
        echo(f"MLflow: {mlflow}")
        echo_err("on this machine only; ctrl-C ends both")
        while not interrupted:
            if process is not None and process.poll() is not None:
                echo_err(f"mlflow ended by itself (exit code {process.returncode})")
                return 1
            time.sleep(0.2)
    echo_err("both ended")
    return 0
