"""``nverbench reproduce``: a submitted result, run again and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo, echo_err
from nverbench.cli.leaderboard.submitting import entries_folder, submitter_of, verifier_of
from nverbench.errors import ResultError, UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.submissions.attest import Attestation
    from nverbench.leaderboard.submissions.read import Bundle


def reproduce(
    result: Annotated[str, typer.Argument(help="The folder of a submission, or its id.")],
    name: Annotated[str, typer.Option("--as", help="Your name, which the attestation states.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="What to run again: embeddings (only the heads, on the same embeddings) or audio"
            " (everything).",
        ),
    ] = "embeddings",
    entries: Annotated[
        Path | None,
        typer.Option(
            help="The folder of submissions; default: leaderboard/entries if it exists, else"
            " submission."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The device, cpu or cuda; default: that of the submission.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="A folder of results, such as nverbench-runs, that also takes the result of the"
            " rerun."
        ),
    ] = None,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Run a submitted result again, compare, and write an attestation into its folder."""
    from nverbench.cli.progress import watching
    from nverbench.leaderboard.submissions import attest
    from nverbench.leaderboard.submissions.reproduce import reproduce as rerun
    from nverbench.pipeline.request import one_of

    one_of("--from", source, ("embeddings", "audio"))
    submitter_of(name, "")  # the rules for a submitter's name hold for an attester's too
    verifier = verifier_of(registry, no_plugin, plugin)
    verdict, bundle = verifier.judge(_folder(result, entries or entries_folder()))
    if bundle is None or verdict.verdict == "rejected":
        raise ResultError(str(verdict))
    with watching() as watch:
        attestation = rerun(
            bundle,
            verifier.registry,
            verifier.catalog,
            source=source,  # type: ignore[arg-type]  # checked above
            by=name,
            device=device,
            keep=keep,
            watch=watch,
            say=echo_err,
        )
    path = attest.write(bundle.folder, attestation)
    for line in _lines(attestation, bundle, path):
        echo(line)
    return 1 if attestation.verdict == "differs" else 0


def _lines(attestation: Attestation, bundle: Bundle, path: Path) -> list[str]:
    """The differences, the verdict and the next step."""
    from nverbench.leaderboard.submissions import attest

    differences = [
        f"{metric}: {100 * difference:+.2f} points; the spread over seeds allows"
        f" {100 * attest.allowed(bundle.result, metric):.2f}"
        for metric, difference in attestation.differences.items()
    ]
    reason = attest.rejection_reason(attestation, bundle, path)
    merged = "next: open a pull request that adds this file; it counts once it is merged"
    end = f"it does not count: {reason}" if reason else merged
    return [*differences, f"{attestation.verdict}: {path}", end]


def _folder(text: str, entries: Path) -> Path:
    """The folder of a submission, from its path, its id or the beginning of its id."""
    path = Path(text)
    if path.is_dir():
        return path
    found = sorted(p for p in entries.glob("*") if text and p.name.startswith(text))
    if len(found) == 1:
        return found[0]
    number = f"{len(found)} submissions" if found else "no submission"
    raise UsageError(
        f"{number} of {entries} {'begin' if found else 'begins'} with {text!r}; give the path of a"
        " submission's folder, or more of its id"
    )
