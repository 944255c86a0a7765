"""The cost of a backbone on this machine, recorded when it embeds, so that a job that finds
everything in the cache can report it.

The state file ``costs`` of nverbench's home holds frozen parameters by backbone and weights, and
speed by these, corpus, device and precision, because seconds per clip depend on the length of the
clips of a corpus. Nothing here enters a digest.
"""

from __future__ import annotations

from contextlib import suppress

from nverbench._io import state
from nverbench._io.digests import digest_of
from nverbench.embedding.extract import Extraction
from nverbench.embedding.keys import embedding_identity
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import DiskError


def complete(
    found: Extraction, planned: PlannedBackbone, corpus: str, device: str, dtype: str
) -> None:
    """Fill in the cost of an extraction: measured where clips went through the network now, else as
    recorded.

    Args:
        corpus: the digest of the corpus.
    """
    network = digest_of([embedding_identity(planned.reference), planned.weights.digest])
    speed = digest_of([network, corpus, device, dtype])
    notes = state.read_state("costs")
    known = notes.get("speed", {}).get(speed, {})
    if not found.forward_passes:
        numbers = {k: v for k, v in known.items() if isinstance(v, int | float)}
        found.parameters = notes.get("parameters", {}).get(network)
        found.per_clip, found.real_time_factor = numbers.get("clip"), numbers.get("real_time")
        return
    passes, audio = found.forward_passes, found.computed_audio
    found.per_clip = found.seconds / passes
    found.real_time_factor = found.seconds / audio if audio else None
    # With a full disk, the next run that finds everything in the cache does not know the cost.
    with suppress(DiskError):
        state.write_state("costs", "parameters", network, found.parameters)
        if passes >= known.get("passes", 0):  # few clips measure a speed badly
            measured = {"clip": found.per_clip, "real_time": found.real_time_factor}
            state.write_state("costs", "speed", speed, {"passes": passes, **measured})
