"""``nverbench leaderboard submit`` and ``verify``, and ``nverbench reproduce``: results that
travel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import (
    OUT,
    Json,
    NoPlugin,
    OutFolder,
    PluginFiles,
    RegistryFiles,
    echo,
    echo_err,
    load_catalog,
    load_registry,
)
from nverbench.errors import ResultError, UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.submissions.entries import Checked
    from nverbench.leaderboard.submissions.read import Bundle
    from nverbench.leaderboard.submissions.records import Submitter
    from nverbench.leaderboard.submissions.verify import Verifier

Name = Annotated[str | None, typer.Option("--as", help="Your name, as it is shown.")]


def submit(
    result: Annotated[
        str,
        typer.Argument(
            help="The id of a finished result, its beginning, or the path of its .json."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Where the folder goes; default: leaderboard/entries where it is, else submission."
        ),
    ] = None,
    name: Name = None,
    citation: Annotated[str, typer.Option(help="What to cite for this row.")] = "",
    out: OutFolder = OUT,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Make the folder of a result that is submitted to the leaderboard."""
    import shutil

    from nverbench.leaderboard import submissions

    submitter, verifier = _submitter(name, citation), _verifier(registry, no_plugin, plugin)
    target = to or (submissions.ENTRIES if submissions.ENTRIES.is_dir() else submissions.ELSEWHERE)
    folder = submissions.make(submissions.find(result, out), target, submitter)
    verdict, bundle = verifier.judge(folder)
    if verdict.verdict == "rejected" or bundle is None:
        shutil.rmtree(folder)
        raise ResultError(f"{folder.name} would be rejected: {'; '.join(verdict.reasons)}")
    echo(f"{folder}: {verdict.verdict}")
    for line in _next(folder, bundle, submissions.ENTRIES):
        echo(line)
    return 0


def _next(folder: Path, bundle: Bundle, entries: Path) -> list[str]:
    """What the row will be, and what to do."""
    r = bundle.result
    marks = {
        "a control: shown, never ranked": r.control,
        "optimistic (stopped on the test part): shown, never ranked": r.optimistic,
    }
    lines = [
        f"the row is {r.standing}",
        *(f"it is {mark}" for mark, holds in marks.items() if holds),
    ]
    if bundle.submitter is None:
        lines.append(
            "it names nobody: without --as NAME no attestation counts, because nobody is known to"
            " be another party than you"
        )
    where = "" if folder.parent.resolve() == entries.resolve() else f", as {entries / folder.name}"
    ranked = (
        ""
        if any(marks.values())
        else (
            "; it is ranked once the maintainers or another party have run nverbench reproduce"
            " on it"
        )
    )
    return [*lines, f"next: open a pull request that adds this folder{where}{ranked}"]


def _submitter(name: str | None, citation: str) -> Submitter | None:
    from pydantic import ValidationError

    from nverbench.leaderboard.submissions.records import Submitter

    if name is None:
        if citation:
            raise UsageError("--citation needs --as NAME")
        return None
    try:
        return Submitter(name=name, citation=citation)
    except ValidationError as error:
        raise UsageError(
            f"--as and --citation: {error.errors()[0]['msg'].lower()}; a name has 1 to 80 letters,"
            " a citation 2,000 at most"
        ) from error


def verify(
    folders: Annotated[list[Path], typer.Argument(help="Folders of submissions.")],
    as_json: Json = False,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Compute every number of submissions again and say whether they contradict themselves; exit
    code 2 when one does, or cannot be checked.
    """
    from nverbench.leaderboard.submissions.entries import check

    verifier = _verifier(registry, no_plugin, plugin)
    codes = []
    for folder in folders:
        checked = check(folder, verifier)
        echo(json.dumps(_record(checked)) if as_json else _line(checked))
        codes.append(checked.verdict.verdict)
    return 0 if set(codes) == {"self-consistent"} else 2


def _record(checked: Checked) -> dict[str, object]:
    level = checked.level if checked.verdict.verdict == "self-consistent" else None
    return {
        **checked.verdict.record(),
        "level": level,
        "attested_by": list(checked.attested_by),
        "doubts": list(checked.doubts),
    }


def _line(checked: Checked) -> str:
    from nverbench.leaderboard.submissions.records import quoted

    who = (
        f"; reproduced by {', '.join(map(quoted, checked.attested_by))}"
        if checked.attested_by
        else ""
    )
    who += "; rerun by the maintainers, who submitted it" if checked.rerun else ""
    return f"{checked.verdict}{who}{''.join(f'; attestation {doubt}' for doubt in checked.doubts)}"


def reproduce(
    result: Annotated[str, typer.Argument(help="The folder of a submission, or its id.")],
    name: Annotated[str, typer.Option("--as", help="Your name: who attests.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", help="embeddings (heads only, on the same embeddings) or audio (everything)."
        ),
    ] = "embeddings",
    entries: Annotated[
        Path | None,
        typer.Option(
            help="Where submissions lie; default: leaderboard/entries where it is, else submission."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; default: the submission's.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help=(
                "A folder of results, such as nverbench-runs, that also takes the rerun's own"
                " result."
            )
        ),
    ] = None,
    registry: RegistryFiles = None,
    no_plugin: NoPlugin = None,
    plugin: PluginFiles = None,
) -> int:
    """Run a submitted result again, compare, and write an attestation into its folder."""
    from nverbench.cli.progress import watching
    from nverbench.leaderboard import submissions
    from nverbench.leaderboard.submissions import attest
    from nverbench.leaderboard.submissions.reproduce import reproduce as again

    if source not in ("embeddings", "audio"):
        raise UsageError(f"--from {source!r} is unknown; expected embeddings or audio")
    _submitter(name, "")  # the same rules for a name
    verifier = _verifier(registry, no_plugin, plugin)
    folder = _folder(
        result,
        entries or (submissions.ENTRIES if submissions.ENTRIES.is_dir() else submissions.ELSEWHERE),
    )
    verdict, bundle = verifier.judge(folder)
    if bundle is None or verdict.verdict == "rejected":
        raise ResultError(str(verdict))
    with watching() as watch:
        attestation = again(
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
    for metric, difference in attestation.differences.items():
        echo(
            f"{metric}: {100 * difference:+.2f} points; the spread over seeds allows"
            f" {100 * attest.allowed(bundle.result, metric):.2f}"
        )
    echo(f"{attestation.verdict}: {path}")
    why = attest.rejection_reason(attestation, bundle, path)
    echo(
        f"it does not count: {why}"
        if why
        else "next: open a pull request that adds this file; it counts once it is merged"
    )
    return 1 if attestation.verdict == "differs" else 0


def _folder(text: str, entries: Path) -> Path:
    path = Path(text)
    if path.is_dir():
        return path
    found = (
        sorted(p for p in entries.glob("*") if text and p.name.startswith(text))
        if entries.is_dir()
        else []
    )
    if len(found) != 1:
        how_many = (
            f"{len(found)} submissions of {entries} begin"
            if found
            else f"no submission of {entries} begins"
        )
        raise UsageError(
            f"{how_many} with {text!r}; give the path of a submission's folder, or more of its id"
        )
    return found[0]


def _verifier(
    registry: list[Path] | None, no_plugin: list[str] | None, plugin: list[Path] | None
) -> Verifier:
    from nverbench.leaderboard.submissions import Verifier

    return Verifier(load_registry(registry), load_catalog(no_plugin, plugin))
