"""Options and lookups that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench import registry
from nverbench._io.text import escape_control_characters
from nverbench.plugin import discovery, single_file
from nverbench.plugin.catalog import Catalog

if TYPE_CHECKING:
    from nverbench.results.record import Result

OUT = Path("nverbench-runs")

RegistryFiles = Annotated[
    list[Path] | None,
    typer.Option("--registry", help="An overlay that adds to registry.yaml; may be repeated."),
]
NoPlugin = Annotated[
    list[str] | None,
    typer.Option(
        "--no-plugin", help="Leave a plugin (entry point or distribution) out; may be repeated."
    ),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", help="A Python file to use as a plugin (unofficial); may be repeated."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Machine-readable: JSON on standard output, everything else on standard error.",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help=(
            "An MLflow tracking server (http://HOST:PORT) or database; default: sqlite:///mlflow.db"
            " in this folder. PostgreSQL: postgresql+psycopg2://USER@HOST/DATABASE, which needs pip"
            " install psycopg2-binary."
        ),
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of results.")]


def echo_err(sentence: str) -> None:
    """A line on standard error; what a terminal would obey is written out."""
    print(escape_control_characters(sentence), file=sys.stderr, flush=True)


def echo(line: str) -> None:
    """A line on standard output, likewise; lines of JSON come out as they are, but for signs that
    JSON may escape too.
    """
    typer.echo(escape_control_characters(line))


def load_catalog(no_plugin: list[str] | None, plugin: list[Path] | None = None) -> Catalog:
    """The catalog, with the parts of single files; what is broken or refused is said once, and an
    error where it is one of these files.
    """
    files = single_file.read(plugin or ())
    found = discovery.discover(no_plugin or (), files)
    single_file.check(found, [origin for origin, _ in files])
    single_file.stamp(found)
    for q in found.quarantine:
        echo_err(f"plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}")
    for clash in found.clashes:
        echo_err(clash)
    for remark in found.remarks:
        echo_err(str(remark))
    return found


def load_registry(overlays: list[Path] | None) -> registry.Registry:
    """The registry with its overlays."""
    return registry.load(overlays or ())


def print_table(
    results: Sequence[Result], places: Mapping[str, tuple[str, str]] | None = None
) -> None:
    """The table of results on standard output: fitted to a terminal, as wide as it needs to be
    where nobody's terminal limits it.
    """
    from rich.console import Console

    from nverbench import leaderboard

    if sys.stdout.isatty():
        console = Console()
        console.print(leaderboard.table(results, places=places, width=console.width))
    else:
        shown = leaderboard.table(results, places=places)
        Console(width=leaderboard.min_width(shown)).print(shown)
