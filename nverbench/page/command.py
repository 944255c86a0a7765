"""The command that makes a result again, from what the result says of itself."""

from __future__ import annotations

import shlex

from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results import Result


def command(result: Result, *, shuffle: str | None = None) -> list[str]:
    """``nverbench run`` and its options, in shell quoting: parts, folds, replicates and rules; joined by spaces they are the command.

    Where files of another machine took part, their published names stand (a digest): put your own path there.

    Args:
        shuffle: how training turns are shuffled; None: as the result says.
    """
    e, identity = result.entry, result.provenance.identity
    said = [("--backbone", backbone) for backbone in e.backbones]
    said += [("--fusion", e.fusion), ("--loss", e.loss), ("--dataset", e.dataset), ("--folds", result.folds.kind), ("--seeds", str(result.seeds))]
    said += [("--protocol", result.protocol)] if result.protocol != DEFAULT_PROTOCOL else []
    said += [("--selection", result.selection)]  # said even where it is the protocol's own: naming that changes nothing
    how = shuffle or result.shuffle
    said += [("--train", f"shuffle={how}")] if how != "none" else []
    said += [("--storage", str(identity["storage"]))] if identity.get("storage", "float32") != "float32" else []
    said += [("--dtype", str(identity["dtype"]))] if identity.get("dtype", "float32") != "float32" else []
    said += [("--device", str(identity.get("device", "auto")))]
    flags = ["--skip-bad"] if identity.get("skip_bad") else []
    return ["nverbench run", *(shlex.join(pair) for pair in said), *flags]
