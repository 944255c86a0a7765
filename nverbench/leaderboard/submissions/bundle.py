"""A finished result -> the folder of a submission: ``<id>/`` with result, predictions, folds and
environment, in their published forms.
"""

from __future__ import annotations

import re
from pathlib import Path

from nverbench._io import atomic, tempfiles
from nverbench._io.atomic import write_atomically
from nverbench.errors import ResultError
from nverbench.leaderboard.submissions.records import MACHINE, Submitter, environment, folds_file
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import publish
from nverbench.results.record import Result
from nverbench.results.store import read_result

ENTRIES = Path("leaderboard") / "entries"
"""The folder of committed submissions in a checkout of the repository."""
ELSEWHERE = Path("submission")


def make(path: Path, to: Path, submitter: Submitter | None = None) -> Path:
    """Write the folder of the result at ``path`` under ``to``.

    Raises:
        ResultError: the result or its predictions are damaged, or cannot be published; or another
            folder of that id is there already.
    """
    local = read_result(path)
    predictions = Predictions.read(path.with_name(f"{path.stem}.predictions.npz"))
    result, public = publish(local, predictions)
    machine = {k: v for k, v in result.machine.items() if k in MACHINE}
    result = result.model_copy(update={"machine": machine})
    _check_notes(local, result)
    target = to / result.id
    if target.exists() or target.is_symlink():
        raise ResultError(f"{target} is there already; delete it to submit the result again")
    try:
        to.mkdir(parents=True, exist_ok=True)
        with tempfiles.temporary_folder(to, ".making-") as passing:
            write(passing / "bundle", result, public, submitter)
            (passing / "bundle").rename(target)
    except OSError as error:
        raise atomic.cannot_write(target, error) from error
    return target


def _check_notes(local: Result, published: Result) -> None:
    """Refuse an old result whose notes on folds hold names of groups."""
    private = local.names.folds if local.names is not None else {}
    tails = [tail for note in published.folds.notes if (tail := note.partition(" folds (")[2])]
    named = {
        name
        for name in private
        for tail in tails
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", tail)
    }
    if named:
        raise ResultError(
            f"result {local.id}: a note on its folds names {len(named)} groups, which may be"
            " people; run the job with --rerun: its notes are then published without names"
        )


def write(
    folder: Path, result: Result, predictions: Predictions, submitter: Submitter | None = None
) -> None:
    """The files of a submission, from the published form of a result."""
    records = {
        "result": result,
        "folds": folds_file(result, predictions),
        "environment": environment(result),
    }
    records |= {"submitter": submitter} if submitter is not None else {}
    write_atomically(folder / "predictions.npz", predictions.to_bytes())
    for name, record in records.items():
        write_atomically(
            folder / f"{name}.json", (record.model_dump_json(indent=1) + "\n").encode()
        )
