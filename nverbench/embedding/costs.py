"""What a backbone costs on this machine, remembered from when it embedded: a job that finds
everything in the cache can still say it.

The note ``costs`` of nverbench's home holds frozen parameters by backbone and weights, and speed by
these, corpus, device and precision, because seconds per clip hang on how long a corpus's clips are.
Nothing here enters a digest.
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
    """Fill in what an extraction cost: measured where clips went through the network now, else as
    remembered.

    Args:
        corpus: the digest of the corpus.
    """
    network = digest_of([embedding_identity(planned.reference), planned.weights.digest])
    speed = digest_of([network, corpus, device, dtype])
    notes = state.read_state("costs")
    if found.forward_passes:
        found.per_clip = found.seconds / found.forward_passes
        found.real_time_factor = (
            found.seconds / found.computed_audio if found.computed_audio else None
        )
        with suppress(
            DiskError
        ):  # the next run that finds everything in the cache does not know; what is computed stands
            state.write_state("costs", "parameters", network, found.parameters)
            if found.forward_passes >= notes.get("speed", {}).get(speed, {}).get(
                "passes", 0
            ):  # a handful of clips says little
                state.write_state(
                    "costs",
                    "speed",
                    speed,
                    {
                        "passes": found.forward_passes,
                        "clip": found.per_clip,
                        "real_time": found.real_time_factor,
                    },
                )
        return
    remembered = {
        k: v for k, v in notes.get("speed", {}).get(speed, {}).items() if isinstance(v, int | float)
    }
    found.parameters = notes.get("parameters", {}).get(network)
    found.per_clip, found.real_time_factor = remembered.get("clip"), remembered.get("real_time")
