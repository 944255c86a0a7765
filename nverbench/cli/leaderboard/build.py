"""``nverbench leaderboard build``: the static page of finished and submitted results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import (
    OUT,
    NoPlugin,
    OutFolder,
    PluginFiles,
    RegistryFiles,
    echo,
    echo_err,
    load_catalog,
    load_registry,
)
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import StoredResult
    from nverbench.plugin.catalog import Catalog
    from nverbench.registry import Registry
    from nverbench.results.store import ResultStore

LEVELS = ("self-consistent", "own", "rerun", "reproduced")
"""Of two copies of one result the later level is shown."""


def build(
    out: OutFolder = OUT,
    entries: Annotated[
        Path | None,
        typer.Option(
            "--entries",
            help="Folder of submitted results; default: leaderboard/entries where it is.",
        ),
    ] = None,
    no_entries: Annotated[
        bool, typer.Option("--no-entries", help="Leave submitted results out.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--page", help="Folder to write; default: page, inside --out.")
    ] = None,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Write a page that opens from disk and needs no network, in a checkout with its submitted
    results; damaged files are named and left out.
    """
    from nverbench._io import paths
    from nverbench.embedding.cache import EmbeddingCache
    from nverbench.leaderboard import page as pages
    from nverbench.leaderboard.claims import verdict
    from nverbench.leaderboard.page.embedding_map import EmbeddingSources
    from nverbench.leaderboard.rows import rows
    from nverbench.results import speaker_gap
    from nverbench.results.store import ResultStore

    entries = _entries(entries, leave_out=no_entries)
    catalog, rules = load_catalog(no_plugin, plugin), load_registry(registry)
    own, problems = read_folder(ResultStore(out))
    submitted, more = read_entries(entries, rules, catalog)
    filed = distinct([*own, *submitted])
    if not filed:
        for line in problems + more:
            echo_err(line)
        echo_err(
            f"no results in {out / 'results'}{f' and none in {entries}' if entries else ''};"
            " nverbench run makes some"
        )
        return 2
    by_id = {one.result.id: one for one in filed}
    found = speaker_gap.speaker_gaps(
        [one.result for one in filed], lambda r: by_id[r.id].predictions(), echo_err
    )
    store = EmbeddingCache(paths.embeddings_folder(), echo_err)
    points = pages.from_store(
        [one.result for one in filed], EmbeddingSources(catalog, rules, store), echo_err
    )
    claims = [one.record() for one in verdict.judge_claims(filed)]
    built = pages.build(
        rows(filed, found),
        page or out / "page",
        knowledge=pages.installed_info(catalog, rules),
        points=points,
        claims=claims,
    )
    problems += more + built.problems
    for line in problems:
        echo_err(line)
    results = f"{built.results} result{'s' if built.results != 1 else ''}"
    with_them = f" ({len(submitted)} submitted, of {entries})" if submitted else ""
    echo(
        f"{built.folder / 'index.html'}: {results}{with_them}, {built.size / 1e6:.1f} MB; open it"
        " in a browser"
    )
    return 2 if problems else 0


def _entries(folder: Path | None, *, leave_out: bool) -> Path | None:
    """The folder of submitted results that belong on the page, if any."""
    from nverbench.leaderboard.submissions import ENTRIES

    if leave_out:
        if folder is not None:
            raise UsageError("--entries and --no-entries contradict each other; give one")
        return None
    return folder or (ENTRIES if ENTRIES.is_dir() else None)


def read_folder(folder: ResultStore) -> tuple[list[StoredResult], list[str]]:
    """The results of a folder, made on this machine; and what cannot be read."""
    from nverbench.cli.compare import filed_at
    from nverbench.errors import ResultError

    found, problems = [], []
    for path in sorted(folder.root.glob("*.json")):
        try:
            found.append(filed_at(path))
        except ResultError as error:
            problems.append(str(error))
    return found, problems


def read_entries(
    folder: Path | None, rules: Registry, catalog: Catalog
) -> tuple[list[StoredResult], list[str]]:
    """Submitted results with their levels; nothing where no folder is given."""
    from nverbench.leaderboard import submissions

    return (
        submissions.load_entries(folder, submissions.Verifier(rules, catalog))
        if folder is not None
        else ([], [])
    )


def distinct(filed: list[StoredResult]) -> list[StoredResult]:
    """Each result once: where it was made here and submitted too, the level that is worth more."""
    best: dict[str, StoredResult] = {}
    for one in sorted(filed, key=lambda one: LEVELS.index(one.level)):
        best[one.result.id] = one
    return [best[i] for i in sorted(best)]
