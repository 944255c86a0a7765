"""``nverbench leaderboard build``: the static page of finished and submitted results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err, load_catalog, load_registry
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.page import Built
    from nverbench.leaderboard.rows import StoredResult
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry


def build(
    out: options.OutFolder = options.OUT,
    entries: Annotated[
        Path | None,
        typer.Option(
            "--entries",
            help="The folder of submitted results; default: leaderboard/entries, if it exists.",
        ),
    ] = None,
    no_entries: Annotated[
        bool, typer.Option("--no-entries", help="Leave submitted results out.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="The folder to write; default: page, inside --out."),
    ] = None,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Write a page that opens from disk and needs no network; in a checkout of the repository it
    includes the submitted results. Damaged files are named and left out.
    """
    from nverbench.leaderboard.rows import distinct, load_entries, load_results
    from nverbench.results.store import ResultStore

    entries = _entries(entries, leave_out=no_entries)
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    own, problems = load_results(ResultStore(out))
    submitted, more = load_entries(entries, rules, catalog)
    problems = problems + more
    results = distinct([*own, *submitted])
    if results:
        built = _page(results, page or out / "page", catalog, rules)
        problems += built.problems
    for line in problems:
        echo_err(line)
    if not results:
        also = f" and none in {entries}" if entries else ""
        echo_err(f"no results in {out / 'results'}{also}; nverbench run makes some")
        return 2
    number = f"{built.results} result{'s' if built.results != 1 else ''}"
    of_others = f" ({len(submitted)} submitted, of {entries})" if submitted else ""
    size = f"{built.size / 1e6:.1f} MB"
    echo(f"{built.folder / 'index.html'}: {number}{of_others}, {size}; open it in a browser")
    return 2 if problems else 0


def _entries(folder: Path | None, *, leave_out: bool) -> Path | None:
    """The folder of submitted results that belong on the page, if any."""
    from nverbench.leaderboard.submissions import ENTRIES

    if leave_out:
        if folder is not None:
            raise UsageError("--entries and --no-entries contradict each other; give one")
        return None
    return folder or (ENTRIES if ENTRIES.is_dir() else None)


def _page(stored: Sequence[StoredResult], folder: Path, catalog: Catalog, rules: Registry) -> Built:
    """Write the page of results with their ranks, speaker gaps, embedding maps and claims."""
    from nverbench._io import paths
    from nverbench.embedding.cache import EmbeddingCache
    from nverbench.leaderboard import page
    from nverbench.leaderboard.claims import verdict
    from nverbench.leaderboard.page.embedding_map import EmbeddingSources
    from nverbench.leaderboard.rows import rows
    from nverbench.results import speaker_gap

    by_id = {one.result.id: one for one in stored}
    results = [one.result for one in stored]
    gaps = speaker_gap.speaker_gaps(results, lambda r: by_id[r.id].predictions(), echo_err)
    store = EmbeddingCache(paths.embeddings_folder(), echo_err)
    return page.build(
        rows(stored, gaps),
        folder,
        knowledge=page.installed_info(catalog, rules),
        points=page.from_store(results, EmbeddingSources(catalog, rules, store), echo_err),
        claims=[one.record() for one in verdict.judge_claims(stored)],
    )
