"""The command that makes a result again, from what the result says of itself."""

from __future__ import annotations

import shlex

from nverbench.registry import DEFAULT_PROTOCOL
from nverbench.results import Result


def command(result: Result) -> str:
    """``nverbench run ...`` in shell quoting: parts, folds, replicates, and what of the rules differs from the default.

    Where files of another machine took part, their published names stand (a digest): put your own path there.
    """
    e, identity = result.entry, result.provenance.identity
    words = ["nverbench", "run"]
    for backbone in e.backbones:
        words += ["--backbone", backbone]
    words += ["--fusion", e.fusion, "--loss", e.loss, "--dataset", e.dataset, "--folds", result.folds.kind, "--seeds", str(result.seeds)]
    words += ["--protocol", result.protocol] if result.protocol != DEFAULT_PROTOCOL else []
    words += ["--selection", result.selection]  # said even where it is the protocol's own: naming that changes nothing
    words += ["--dtype", str(identity["dtype"])] if identity.get("dtype", "float32") != "float32" else []
    words += ["--skip-bad"] if identity.get("skip_bad") else []
    return shlex.join([*words, "--device", str(identity.get("device", "auto"))])

