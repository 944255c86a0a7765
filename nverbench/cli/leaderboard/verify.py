"""``nverbench leaderboard verify``: every number of submissions, computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli import options
from nverbench.cli.common import echo
from nverbench.cli.leaderboard.submitting import verifier_of

if TYPE_CHECKING:
    from nverbench.leaderboard.submissions.entries import Checked


def verify(
    folders: Annotated[list[Path], typer.Argument(help="The folders of submissions.")],
    as_json: options.Json = False,
    registry: options.RegistryFiles = None,
    no_plugin: options.NoPlugin = None,
    plugin: options.PluginFiles = None,
) -> int:
    """Compute every number of submissions again and print whether they contradict themselves; exit
    code 2 when one does, or when it cannot be checked.
    """
    from nverbench.leaderboard.submissions.entries import check

    verifier = verifier_of(registry, no_plugin, plugin)
    codes = []
    for folder in folders:
        checked = check(folder, verifier)
        echo(json.dumps(_record(checked)) if as_json else _line(checked))
        codes.append(checked.verdict.verdict)
    return 0 if set(codes) == {"self-consistent"} else 2


def _record(checked: Checked) -> dict[str, object]:
    consistent = checked.verdict.verdict == "self-consistent"
    return {
        **checked.verdict.record(),
        "level": checked.level if consistent else None,
        "attested_by": list(checked.attested_by),
        "doubts": list(checked.doubts),
    }


def _line(checked: Checked) -> str:
    from nverbench.leaderboard.submissions.records import quoted

    names = ", ".join(map(quoted, checked.attested_by))
    parts = [
        str(checked.verdict),
        *([f"reproduced by {names}"] if names else ()),
        *(["rerun by the maintainers, who submitted it"] if checked.rerun else ()),
        *(f"attestation {doubt}" for doubt in checked.doubts),
    ]
    return "; ".join(parts)
