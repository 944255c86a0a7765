"""``nverbench list``: the parts that are installed and the entries that are registered."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, load_catalog, load_registry
from nverbench.pipeline import listing
from nverbench.plugin import quarantine


def list_parts(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="What to list: backbones, datasets, fusions, losses, entries or plugins; default:"
            " all parts."
        ),
    ] = None,
    as_json: options.Json = False,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Also load plugins that took too long in an earlier run."),
    ] = False,
) -> None:
    """List the parts that are installed and the entries that are registered."""
    if kind is not None:
        listing.check_kind(kind)
    if retry:
        quarantine.forget()
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    kinds = [kind] if kind else listing.PARTS
    tables = {name: listing.records(name, catalog, rules) for name in kinds}
    if as_json:
        typer.echo(json.dumps(tables if kind is None else tables[kind], indent=1))
        return
    for heading, records in tables.items():
        echo(f"{heading} ({len(records)})")
        width = max((len(r["name"]) for r in records), default=0)
        for record in records:
            echo(f"  {record['name']:<{width}}  {record['what']}")
