"""``nverbench check NAME``: the conformance kit on an installed part, one line per rule. torch is
imported only where a rule needs it.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog
from nverbench.errors import ConformanceError

if TYPE_CHECKING:
    from nverbench.testing import Trial

PASS, SKIP, FAIL = "pass", "skip", "FAIL"


def check(
    name: Annotated[
        str,
        typer.Argument(
            help=("A part, with options where needed: mymodel, mymodel:layer=3, folder:PATH.")
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="The kind of the part (backbone, dataset, fusion or loss), where parts of several"
            " kinds have this name.",
        ),
    ] = None,
    slow: Annotated[
        bool, typer.Option("--slow", help="Also test the rules that take long for a large model.")
    ] = False,
    as_json: options.Json = False,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Test a part with every rule of the conformance kit; exit code 1 when a rule is broken."""
    from nverbench.testing import trials

    found = [
        _tried(trial, as_json)
        for trial in trials(load_catalog(no_plugin, plugin), name, kind, slow=slow)
    ]
    failed = sum(row["outcome"] == FAIL for row in found)
    if as_json:
        typer.echo(json.dumps({"part": name, "rules": found, "failed": failed}, indent=1))
    skipped = sum(row["outcome"] == SKIP for row in found)
    echo_err(
        f"{name}: {len(found) - failed - skipped} rules hold, {skipped} skipped, {failed} broken"
    )
    if failed:
        raise typer.Exit(1)


def _tried(trial: Trial, silent: bool) -> dict[str, str]:
    """The outcome of one rule; printed as soon as it is known, unless ``silent``."""
    from nverbench.testing import Skip

    try:
        with redirect_stdout(sys.stderr):  # what a part prints must not mix with lines or JSON
            outcome = trial.outcome()
        word, text = (
            (SKIP, outcome.reason) if isinstance(outcome, Skip) else (PASS, outcome.measured)
        )
    except ConformanceError as error:
        word, text = FAIL, str(error)
    if not silent:
        echo(f"{word} {trial.rule}: {' '.join(text.split())}" if text else f"{word} {trial.rule}")
    return {"rule": trial.rule, "outcome": word, "text": text}
