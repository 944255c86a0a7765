"""The ``nverbench run`` command that reproduces a result, built from what the result records.
MLflow and the page both print it.
"""

from __future__ import annotations

import shlex

from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results.record import Result


def command(result: Result, *, shuffle: str | None = None) -> list[str]:
    """Return ``nverbench run`` and its options, quoted for a shell; joined by spaces they are the
    command.

    Planning this command gives the id of the result again (``tests/e2e/test_command.py``). Two
    things are not in a result and must be added by hand: registry overlays (``--registry``) and
    single-file plugins (``--plugin``). A published result names files of its author's machine by
    digest; a reader puts the path of their own copy there.

    Args:
        shuffle: the order of training turns; None: the result's own.
    """
    e, identity = result.entry, result.provenance.identity
    options = [("--backbone", backbone) for backbone in e.backbones]
    options += [
        ("--fusion", e.fusion),
        ("--loss", e.loss),
        ("--dataset", e.dataset),
        ("--folds", result.folds.kind),
        ("--seeds", str(result.seeds)),
    ]
    options += [("--protocol", result.protocol)] if result.protocol != DEFAULT_PROTOCOL else []
    options += [
        ("--selection", result.selection)
    ]  # written even where it is the protocol's default, which changes nothing
    order = shuffle or result.shuffle
    options += [("--train", f"shuffle={order}")] if order != "none" else []
    options += (
        [("--storage", str(identity["storage"]))]
        if identity.get("storage", "float32") != "float32"
        else []
    )
    options += (
        [("--dtype", str(identity["dtype"]))]
        if identity.get("dtype", "float32") != "float32"
        else []
    )
    options += [("--device", str(identity.get("device", "auto")))]
    flags = ["--skip-bad"] if identity.get("skip_bad") else []
    return ["nverbench run", *(shlex.join(pair) for pair in options), *flags]
