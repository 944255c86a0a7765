"""``nverbench figure``: the figures of the papers from a finished result, as PNG, SVG or PDF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nverbench.leaderboard.figures import Panel
    from nverbench.leaderboard.rows import StoredResult
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry
    from nverbench.results.record import Result

FIGURES = {
    "reno-2": "a map of the embeddings of a result (t-SNE) by emotion and by speaker",
    "reno-3": "the confusion matrix of a result, as shares of the true class",
    "ricoh-3": (
        "the labels of each conversation, and what context adds there to single utterances"
    ),
}


def figure(
    name: Annotated[
        str,
        typer.Argument(help="; ".join(f"{name}: {what}" for name, what in FIGURES.items()) + "."),
    ],
    result: options.ResultName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write (.png, .svg or .pdf).")
    ],
    as_json: options.Json = False,
    out: options.OutFolder = options.OUT,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Draw a figure of a paper from one of your results, and print the numbers in it."""
    from nverbench.cli.context import check_name
    from nverbench.leaderboard.rows import find_result

    if name not in FIGURES:
        raise UsageError(f"there is no figure {name!r}; {nearest(name, FIGURES)}")
    check_name(output)
    found = find_result(result, out)
    if name == "reno-3":
        _confusion(found.result, output, as_json=as_json)
    elif name == "ricoh-3":
        _conversations(found, output, out, load_catalog(no_plugin, plugin), as_json=as_json)
    else:
        catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
        _maps(found.result, output, catalog, rules, as_json=as_json)
    echo_err(f"{name}: {output}")


def _conversations(
    contextual: StoredResult, output: Path, out: Path, catalog: Catalog, *, as_json: bool
) -> None:
    """Draw and print the analysis of ``nverbench atmosphere``."""
    from nverbench.cli import context

    single = context.counterpart(contextual.result, out, catalog)
    found = context.analysed(contextual, single, catalog)
    context.draw(found, contextual.result, single.result, output)
    context.show(found, contextual.result, single.result, as_json=as_json)


def _confusion(result: Result, output: Path, *, as_json: bool) -> None:
    """Draw and print a confusion matrix in percent of the true class."""
    from nverbench._io.text import escape_control_characters
    from nverbench.leaderboard import figures

    figures.save(figures.draw_confusion(result), output)
    numbers = figures.confusion_numbers(result)
    if as_json:
        echo(json.dumps(numbers))
        return
    labels = [escape_control_characters(label) for label in result.labels]
    heading = "% of the true class"
    width = max(len(text) for text in (heading, *labels))
    echo(f"{heading:{width}} " + " ".join(f"{label[:7]:>7}" for label in labels))
    for label, row in zip(labels, numbers["percent"], strict=True):
        echo(f"{label:{width}} " + " ".join(f"{value:7.1f}" for value in row))


def _maps(
    result: Result, output: Path, catalog: Catalog, rules: Registry, *, as_json: bool
) -> None:
    """Draw and print the maps of the embeddings of a result."""
    from nverbench.leaderboard import figures

    panels = figures.panels(figures.load_stored(result, catalog, rules, echo_err))
    figures.save(figures.draw_maps(panels), output)
    for line in [json.dumps(figures.map_numbers(panels))] if as_json else _lines(panels):
        echo(line)


def _lines(panels: Sequence[Panel]) -> list[str]:
    """The structure of each map in one line."""
    return [f"{_panel(p)}: {_levels(p)}" for p in panels]


def _panel(p: Panel) -> str:
    labels = f"{p.structure.labels} {p.by}s, {len(p.labels)} of {p.of} clips"
    return f"{p.backbone} by {p.by} ({labels})"


def _levels(p: Panel) -> str:
    measures = {"10-NN purity": p.structure.purity, "silhouette": p.structure.silhouette}
    return ", ".join(
        f"{name} {x.value:.3f} (chance {x.chance:.3f}, 97.5% {x.high:.3f})"
        for name, x in measures.items()
    )
