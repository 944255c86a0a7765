"""First-party heads and fusions. Records and options are in ``heads_records``, ``reno_family``,
``transport_family``, ``baselines`` and ``erc``, which import no torch.

Sources of defaults, next to each: "paper" = the paper that the record cites; "re-impl" = a
co-author's later public re-implementation; "ours" = our decision, because the paper leaves it open.
RENO trains with Adam 1e-3, batch 32 and 20 epochs: that is the protocol, so its recipes stay empty,
and so do those of the baselines, which are compared with it.

Fusions take two or more streams. The papers define pairs; the extension to more streams is ours.
Each docstring describes it; for two streams it is the paper's definition.
"""

from __future__ import annotations

from collections.abc import Iterable

from nverbench import Fusion, hookimpl
from nverbench_fusions import baselines, erc, heads_records, reno_family, transport_family


@hookimpl
def nverbench_fusions() -> Iterable[Fusion]:
    """Heads (arity 1), the RENO family, PARROT and MATA, baselines, fusions for conversations."""
    return [
        *heads_records.fusions(),
        *reno_family.fusions(),
        *transport_family.fusions(),
        *baselines.fusions(),
        *erc.fusions(),
    ]
