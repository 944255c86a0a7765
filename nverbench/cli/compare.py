"""``nverbench compare`` and ``nverbench score``: is one system better than another; how good is any
system's list of predictions. No torch.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nverbench.cli.common import OUT, Json, OutFolder, echo
from nverbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from nverbench.leaderboard.rows import StoredResult


def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A result: its id, a beginning of it that no other has, or its file."
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    as_json: Json = False,
    out: OutFolder = OUT,
) -> None:
    """Is result A better than result B: paired over the same clips, with intervals, a second
    opinion, and what could have been seen.
    """
    from nverbench.leaderboard import compare as comparing

    found = comparing.results(filed(a, out), filed(b, out))
    for line in [json.dumps(found.record())] if as_json else comparing.lines(found):
        echo(line)


def filed(text: str, out: Path) -> StoredResult:
    """The result that an id, a unique beginning of one, or the path of a file names, with its
    predictions beside it.

    Raises:
        UsageError: nothing is named so, or several are.
        ResultError: the file is damaged.
    """
    from nverbench.results.store import ResultStore

    path = Path(text)
    if path.suffix != ".json":
        path = _by_id(text, ResultStore(out).root)
    elif not path.is_file():
        raise UsageError(
            f"{path}: there is no such result file; give an id of {ResultStore(out).root} or a path"
        )
    return filed_at(path)


def filed_at(path: Path) -> StoredResult:
    """The result in a file, with the predictions beside it; ResultError when the file is
    damaged.
    """
    from nverbench.leaderboard.rows import StoredResult
    from nverbench.results.store import predictions_of, read_result, reread

    result = read_result(path).without_curves()
    predictions = functools.partial(
        predictions_of, result, path.with_name(f"{path.stem}.predictions.npz")
    )
    return StoredResult(
        result, predictions, reread=functools.partial(reread, path, result.result_digest)
    )


def _by_id(text: str, folder: Path) -> Path:
    ids = sorted(path.stem for path in folder.glob("*.json"))
    found = [text] if text in ids else [known for known in ids if text and known.startswith(text)]
    if not found:
        raise UsageError(
            f"no result in {folder} has an id that begins with {text!r}; {nearest(text, ids)}"
        )
    if len(found) > 1:
        raise UsageError(
            f"{text!r} begins {len(found)} ids in {folder}: {', '.join(found[:4])}; give more of it"
        )
    return folder / f"{found[0]}.json"


def score(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="PREDICTIONS.csv [PREDICTIONS2.csv]", help="One file, or two to compare."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(help="Compare with a finished result over the same clip ids: its id or file."),
    ] = None,
    as_json: Json = False,
    out: OutFolder = OUT,
) -> None:
    """Metrics with intervals of any system's predictions; with a second file, or --against a
    result, a paired test.

    A file has one line per clip below a line of column names, in any order:

    \b
      id          the clip, unique (per replicate)
      label       what is true
      prediction  what the system said; or instead, for every class,
                  a column p_LABEL with its probability
      speaker     or group: whose clips belong together; intervals are over
                  them (without: over clips, too narrow if speakers repeat)
      fold        optional: the test fold the clip was in; two files with
                  the same folds get a second opinion over folds
      replicate   optional: which run (seed) the line is of; every run has
                  all clips; scores are means over runs

    UTF-8, commas, quotes as usual. Macro averages run over all labels that are true of a clip,
    predicted, or have a column.
    """
    from nverbench.leaderboard import compare as comparing
    from nverbench.leaderboard.score_csv import read as scored
    from nverbench.leaderboard.score_csv import report

    if len(files) > 2 or (against and len(files) > 1):
        raise UsageError(
            f"score: expected one file, two, or one --against a result, got {len(files)} files"
        )
    read = [scored.read(path) for path in files]
    compared = (
        report.pair(*read)
        if len(read) == 2
        else report.against(read[0], filed(against, out))
        if against
        else None
    )
    if as_json:
        echo(
            json.dumps(
                {
                    "files": [report.record(one) for one in read],
                    "comparison": compared.record() if compared else None,
                }
            )
        )
        return
    for one in read:
        for line in report.lines(one):
            echo(line)
    for line in comparing.lines(compared) if compared else ():
        echo(line)
