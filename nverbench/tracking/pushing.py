"""``nverbench leaderboard push``: every finished result that a tracking server does not know yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nverbench import gaps
from nverbench.errors import ResultError
from nverbench.folder import Folder, read
from nverbench.publishing import publish
from nverbench.results import Result
from nverbench.tracking.client import DIGEST, FINISHED, connect, speaking
from nverbench.tracking.ranking import log_gap
from nverbench.tracking.telling import tell
from nverbench.tracking.told import Told, telling


@dataclass
class Pushed:
    """What became of a folder's results."""

    told: int = 0
    known: int = 0
    """The server had them already."""
    damaged: int = 0
    results: list[Result] = field(default_factory=list)
    """All that the server knows now, without their folds."""


def push(folder: Folder, uri: str, say: Callable[[str], None]) -> Pushed:
    """Tell a server what it does not know, by asking it: what this machine remembers may be of a database that is gone.

    Interrupted, it goes on where it was: a result is told whole or, the next time, again. Damaged results cost a line each.

    Raises:
        TrackingError: the server cannot be reached or written; what was told stays told.
    """
    done = Pushed()
    safe = f"results are safe in {folder.root}, the same command goes on from here"
    with speaking(uri, safe):
        server = connect(uri)
        there = {run.tags.get(DIGEST): run.run for run in server.runs(FINISHED, server.experiments())}
    for path in sorted(folder.root.glob("*.json")):
        try:
            result = read(path)
            memory, run = Told(folder, result.id, uri), there.get(result.result_digest)
            if run is None:
                public, predictions = publish(result, folder.predictions(result))
        except ResultError as error:
            done.damaged += 1
            say(str(error))
            continue
        if run is None:
            with speaking(uri, safe), telling(folder):
                run, _ = tell(server, public, predictions)
            done.told += 1
        else:
            done.known += 1
        memory.note(result=result.result_digest, run=run)
        done.results.append(result.model_copy(update={"per_fold": []}))
    for gap in gaps.find(done.results, folder.predictions, say):
        log_gap(gap, folder, uri)
    return done
