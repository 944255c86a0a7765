"""Printing, and loading of the catalog and the registry: what several commands share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nverbench import registry
from nverbench._io.text import escape_control_characters
from nverbench.pipeline import request
from nverbench.plugin.catalog import Catalog

if TYPE_CHECKING:
    from nverbench.results.record import Result


def echo_err(sentence: str) -> None:
    """Print a line on standard error, with control characters escaped."""
    print(escape_control_characters(sentence), file=sys.stderr, flush=True)


def echo(line: str) -> None:
    """Print a line on standard output, with control characters escaped; in lines of JSON they are
    escaped already.
    """
    typer.echo(escape_control_characters(line))


def load_catalog(no_plugin: list[str] | None, plugin: list[Path] | None = None) -> Catalog:
    """The catalog of installed parts and those of single files; problems of plugins are printed."""
    return request.load_catalog(no_plugin or (), plugin or (), echo_err)


def load_registry(overlays: list[Path] | None) -> registry.Registry:
    """The registry with its overlays."""
    return registry.load(overlays or ())


def print_table(
    results: Sequence[Result], places: Mapping[str, tuple[str, str]] | None = None
) -> None:
    """Print the table of results on standard output: as wide as the terminal, or as wide as its
    content where the output is not a terminal.
    """
    from rich.console import Console

    from nverbench import leaderboard

    if sys.stdout.isatty():
        console = Console()
        console.print(leaderboard.table(results, places=places, width=console.width))
    else:
        shown = leaderboard.table(results, places=places)
        Console(width=leaderboard.min_width(shown)).print(shown)
