"""``nverbench leaderboard submit``: the folder of a result that is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo
from nverbench.cli.leaderboard.submitting import Name, entries_folder, submitter_of, verifier_of
from nverbench.errors import ResultError

if TYPE_CHECKING:
    from nverbench.leaderboard.submissions.read import Bundle


def submit(
    result: options.ResultName,
    to: Annotated[
        Path | None,
        typer.Option(
            help="The folder that takes the submission; default: leaderboard/entries if it exists,"
            " else submission."
        ),
    ] = None,
    name: Name = None,
    citation: Annotated[str, typer.Option(help="The citation for this row.")] = "",
    out: options.OutFolder = options.OUT,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Write a result as a folder that can be submitted to the leaderboard."""
    import shutil

    from nverbench.leaderboard import submissions
    from nverbench.results.store import ResultStore

    submitter, verifier = submitter_of(name, citation), verifier_of(registry, no_plugin, plugin)
    folder = submissions.make(ResultStore(out).locate(result), to or entries_folder(), submitter)
    verdict, bundle = verifier.judge(folder)
    if verdict.verdict == "rejected" or bundle is None:
        shutil.rmtree(folder)
        raise ResultError(f"{folder.name} would be rejected: {'; '.join(verdict.reasons)}")
    echo(f"{folder}: {verdict.verdict}")
    for line in _next(folder, bundle, submissions.ENTRIES):
        echo(line)
    return 0


def _next(folder: Path, bundle: Bundle, entries: Path) -> list[str]:
    """What the row will be, and what to do next."""
    from nverbench.leaderboard.rows import REPLICATES, few_replicates

    r = bundle.result
    marks = {
        "a control: shown, never ranked": r.control,
        "optimistic (stopped on the test part): shown, never ranked": r.optimistic,
        f"shown, not ranked: {few_replicates(r)}": r.seeds < REPLICATES,
    }
    lines = [f"the row is {r.standing}"]
    lines += [f"it is {mark}" for mark, holds in marks.items() if holds]
    if bundle.submitter is None:
        lines.append(
            "it has no submitter: without --as NAME no attestation counts, because it cannot be"
            " known to come from another party than you"
        )
    where = "" if folder.parent.resolve() == entries.resolve() else f", as {entries / folder.name}"
    rerun = (
        "; it is ranked once the maintainers or another party have run nverbench reproduce on it"
    )
    ranked = "" if any(marks.values()) else rerun
    return [*lines, f"next: open a pull request that adds this folder{where}{ranked}"]
