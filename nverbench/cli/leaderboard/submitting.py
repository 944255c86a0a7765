"""The verifier and the submitter's name, as the commands on submissions share them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import load_catalog, load_registry
from nverbench.errors import UsageError

if TYPE_CHECKING:
    from nverbench.leaderboard.submissions.records import Submitter
    from nverbench.leaderboard.submissions.verify import Verifier

Name = Annotated[str | None, typer.Option("--as", help="Your name, as the leaderboard shows it.")]


def entries_folder() -> Path:
    """The folder of submissions: ``leaderboard/entries`` in a checkout, else ``submission``."""
    from nverbench.leaderboard.submissions import ELSEWHERE, ENTRIES

    return ENTRIES if ENTRIES.is_dir() else ELSEWHERE


def submitter_of(name: str | None, citation: str) -> Submitter | None:
    """The submitter of that name, None without a name; UsageError for a name that is too long."""
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


def verifier_of(
    registry: list[Path] | None, no_plugin: list[str] | None, plugin: list[Path] | None
) -> Verifier:
    """The verifier with the registry and the installed parts."""
    from nverbench.leaderboard.submissions import Verifier

    return Verifier(load_registry(registry), load_catalog(no_plugin, plugin))
