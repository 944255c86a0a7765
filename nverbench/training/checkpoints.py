"""The last finished epoch of a training, on disk: a job of hours that was killed goes on from
there, with the numbers of one that was not.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nverbench._io.atomic import write_atomically
from nverbench.errors import DiskError

if TYPE_CHECKING:
    from nverbench.training.loop import FoldTraining


SECONDS = 5.0
"""What may be lost of a training: epochs shorter than this are not each worth a file of all
weights.
"""


def path_of(run: FoldTraining) -> Path | None:
    """The file of a training."""
    folder = run.training.checkpoints
    return (
        None if folder is None else folder / f"{run.fold.name}-{run.replicate}.pt".replace("/", "_")
    )


def keep(run: FoldTraining, optimizer: torch.optim.Optimizer, epoch: int, *, ended: bool) -> None:
    """Write everything that the next epoch depends on; the weights are those that are judged
    (``loop.judging``).
    """
    path = path_of(run)
    if path is None or (run.seconds - run.kept < SECONDS and not ended):
        return
    run.kept = run.seconds
    state = {
        "epoch": epoch,
        "ended": ended,
        "module": run.module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "curves": list(run.curves),
        "best_epoch": run.best_epoch,
        "best_state": run.best_state,
        "order": run.order.get_state(),
        "dropout": run.dropout.get_state(),
        "global": torch.get_rng_state(),
        "seconds": run.seconds,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with suppress(
        DiskError
    ):  # a full disk costs the epochs of a process that dies later, not the training now
        write_atomically(path, sealed(buffer.getvalue()))


def resume(run: FoldTraining, optimizer: torch.optim.Optimizer) -> tuple[int, bool]:
    """The epochs that an earlier process finished, and whether that was all; 0 where there was none
    or its file is damaged.
    """
    path = path_of(run)
    state = _read(path) if path is not None and path.exists() else None
    if state is None:
        return 0, False
    run.module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    run.curves, run.best_epoch = list(state["curves"]), state["best_epoch"]
    run.best_state, run.seconds_before, run.kept = (
        state["best_state"],
        state["seconds"],
        state["seconds"],
    )
    run.order.set_state(state["order"])
    run.dropout.set_state(state["dropout"])
    torch.set_rng_state(state["global"])
    return int(state["epoch"]), bool(state["ended"])


def sealed(content: bytes) -> bytes:
    """The content behind its digest: a flipped bit of a weight would be another result, and nothing
    else would show it.
    """
    return hashlib.sha256(content).digest() + content


def _read(path: Path) -> dict[str, Any] | None:
    try:
        raw = path.read_bytes()
        if sealed(raw[32:]) != raw:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(raw[32:]), weights_only=True)
    except Exception:  # torch's readers raise anything; begun again
        return None
    return state
