"""``nverbench compare`` and ``nverbench score``: is one system better than another; how good is any system's list of predictions. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import OUT, Json, OutFolder
from nverbench.errors import ResultError, UsageError, nearest

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import Filed


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A result: its id, a beginning of it that no other has, or its file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    as_json: Json = False,
    out: OutFolder = OUT,
) -> None:
    """Is result A better than result B: paired over the same clips, with intervals, a second opinion, and what could have been seen."""
    from nverbench.leaderboard import comparing

    found = comparing.results(filed(a, out), filed(b, out))
    for line in [json.dumps(found.record())] if as_json else comparing.lines(found):
        typer.echo(line)


def filed(text: str, out: Path) -> Filed:
    """The result that an id, a unique beginning of one, or the path of a file names, with its predictions beside it.

    Raises:
        UsageError: nothing is named so, or several are.
        ResultError: the file is damaged.
    """
    from nverbench.folder import Folder, read
    from nverbench.leaderboard.rows import Filed
    from nverbench.predictions import Predictions

    path = Path(text)
    if path.suffix != ".json":
        path = _by_id(text, Folder(out).root)
    elif not path.is_file():
        raise UsageError(f"{path}: there is no such result file; give an id of {Folder(out).root} or a path")
    result, beside = read(path), path.with_name(f"{path.stem}.predictions.npz")

    def predictions() -> Predictions:
        found = Predictions.read(beside)
        if found.probabilities.ndim != 3 or found.probabilities.shape[1:] != (len(found.ids), len(result.labels)):
            raise ResultError(f"{beside}: expected probabilities (r, {len(found.ids)}, {len(result.labels)}), got {found.probabilities.shape}; "
                              "they belong to another result")  # fmt: skip
        return found

    return Filed(result, predictions)


def _by_id(text: str, folder: Path) -> Path:
    ids = sorted(path.stem for path in folder.glob("*.json"))
    found = [text] if text in ids else [known for known in ids if text and known.startswith(text)]
    if not found:
        raise UsageError(f"no result in {folder} has an id that begins with {text!r}; {nearest(text, ids)}")
    if len(found) > 1:
        raise UsageError(f"{text!r} begins {len(found)} ids in {folder}: {', '.join(found[:4])}; give more of it")
    return folder / f"{found[0]}.json"
