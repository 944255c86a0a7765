"""``nverbench atmosphere``: what the context of a conversation adds to single utterances, by
dominant emotion.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.context.analysis import Atmosphere
    from nverbench.leaderboard.rows import StoredResult
    from nverbench.plugin.catalog import Catalog
    from nverbench.results.record import Result

TABLE_4 = "iemocap-6"
"""The corpus of the paper, whose table by conversation is printed next to ours."""


def atmosphere(
    contextual: Annotated[
        str,
        typer.Argument(
            metavar="CONTEXTUAL",
            help="A result of a model that uses whole conversations: its id, a unique beginning of"
            " its id, or the path of its .json file.",
        ),
    ],
    single: Annotated[
        str | None,
        typer.Argument(
            metavar="SINGLE",
            help="A result of a model that uses single utterances, named in the same way; default:"
            " the result of the same fusion with context=utterance.",
        ),
    ] = None,
    as_json: options.Json = False,
    picture: Annotated[
        Path | None,
        typer.Option("--figure", help="Also draw a figure into this file (.png, .svg or .pdf)."),
    ] = None,
    out: options.OutFolder = options.OUT,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> None:
    """Show what the context of a conversation adds where one emotion dominates it, and whether
    predictions are biased towards that emotion.

    The table gives for each conversation its labels, the dominant label (that of more than half of
    the scored turns), and the accuracy of the contextual model relative to that of the
    single-utterance model. The corpus must be on this machine.
    """
    from nverbench.leaderboard.rows import find_result

    if picture is not None:
        check_name(picture)
    catalog = load_catalog(no_plugin, plugin)
    one = find_result(contextual, out)
    other = (
        find_result(single, out) if single is not None else counterpart(one.result, out, catalog)
    )
    found = analysed(one, other, catalog)
    if picture is not None:
        draw(found, one.result, other.result, picture)
        echo_err(f"figure: {picture}")
    show(found, one.result, other.result, as_json=as_json)


def check_name(path: Path) -> None:
    """Raise UsageError unless a figure can be written under that name."""
    from nverbench.leaderboard.figures import FORMATS

    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")


def counterpart(contextual: Result, out: Path, catalog: Catalog) -> StoredResult:
    """The result of the single-utterance model in the folder; UsageError with the command that
    makes it when there is none.
    """
    from nverbench.cli.leaderboard.show import load
    from nverbench.leaderboard.context import turns
    from nverbench.results.command import command

    turns.check_kind(contextual, catalog, whole=True)
    found = turns.counterpart(contextual, load(out)[0], catalog)
    if found is None:
        fusion = turns.alone(contextual, catalog)
        entry = contextual.entry.model_copy(update={"fusion": fusion})
        makes = " ".join(command(contextual.model_copy(update={"entry": entry}), shuffle="none"))
        raise UsageError(
            f"no result of {fusion} is in {out / 'results'} in the field of {contextual.id}; this"
            f" makes it: {makes}"
        )
    echo_err(f"single utterances: {found.result.entry.fusion}, result {found.result.id}")
    return found


def analysed(contextual: StoredResult, single: StoredResult, catalog: Catalog) -> Atmosphere:
    """The analysis of two results."""
    from nverbench.leaderboard.context.analysis import analyse
    from nverbench.leaderboard.context.turns import turns

    return analyse(turns(contextual, single, catalog))


def draw(found: Atmosphere, contextual: Result, single: Result, path: Path) -> None:
    """Write the figure of an analysis."""
    from nverbench.leaderboard import figures

    e = contextual.entry
    title = (
        f"{' + '.join(e.backbones)}, {e.dataset}, {contextual.folds.kind}\n{e.fusion} against"
        f" {single.entry.fusion}"
    )
    figures.save(figures.draw_atmosphere(found, title=title), path)


def show(found: Atmosphere, contextual: Result, single: Result, *, as_json: bool) -> None:
    """Print the numbers of an analysis, with those of the paper where the corpus is the same."""
    from nverbench.leaderboard.compare import name
    from nverbench.leaderboard.context import report

    theirs = report.published() if contextual.entry.dataset == TABLE_4 else None
    if as_json:
        sides: dict[str, Any] = {"contextual": contextual.id, "single": single.id}
        field = {"dataset": contextual.entry.dataset, "folds": contextual.folds.kind}
        echo(json.dumps({**sides, **field, **report.record(found, published=theirs)}))
        return
    for side, result in (("contextual", contextual), ("single utterance", single)):
        shuffled = f", trained with shuffle={result.shuffle}" if result.shuffle != "none" else ""
        echo(f"{side}: {name(result)} ({result.id}{shuffled})")
    for line in report.text(found, published=theirs):
        echo(line)
