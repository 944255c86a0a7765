"""The ``nverbench run`` command that reproduces a result; MLflow and the page both print it."""

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
    order, protocol = shuffle or result.shuffle, result.protocol
    # each option with its default, which is not printed; "": always printed
    options = [
        *(("--backbone", backbone, "") for backbone in e.backbones),
        ("--fusion", e.fusion, ""),
        ("--loss", e.loss, ""),
        ("--dataset", e.dataset, ""),
        ("--folds", result.folds.kind, ""),
        ("--seeds", str(result.seeds), ""),
        ("--protocol", protocol, DEFAULT_PROTOCOL),
        ("--selection", result.selection, ""),
        ("--train", f"shuffle={order}", "shuffle=none"),
        ("--storage", str(identity.get("storage", "float32")), "float32"),
        ("--dtype", str(identity.get("dtype", "float32")), "float32"),
        ("--device", str(identity.get("device", "auto")), ""),
    ]
    flags = ["--skip-bad"] if identity.get("skip_bad") else []
    printed = (shlex.join([name, value]) for name, value, default in options if value != default)
    return ["nverbench run", *printed, *flags]
