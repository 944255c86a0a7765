"""Clips that cannot be used, found before anything is embedded; a file lists all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nverbench._io.atomic import write_atomically
from nverbench._io.paths import home
from nverbench.embedding.cache import EmbeddingCache
from nverbench.embedding.weights import PlannedBackbone
from nverbench.errors import AudioError, DiskError
from nverbench.pipeline.job import Job
from nverbench.plugin.records import Clip

NAMED = 3
"""Clips that the message names; the file lists all."""


def check_usable(bad: Mapping[str, str], reference: str) -> None:
    """Raises an AudioError that names the first unusable clips, the file that lists all of them,
    and what to do; nothing where there are none.
    """
    if not bad:
        return
    order = sorted(bad.items())
    named = "; ".join(f"{clip} {reason}" for clip, reason in order[:NAMED])
    rest = len(order) - NAMED
    more = f"; and {rest} more{_listed(order, reference)}" if rest > 0 else ""
    raise AudioError(
        f"{len(order)} clips of {reference} cannot be used: {named}{more}. Fix or remove them, or"
        " run with --skip-bad (unofficial)"
    )


def _listed(order: Iterable[tuple[str, str]], reference: str) -> str:
    """Where all clips are listed, one a line; empty where the file cannot be written."""
    path = home() / "bad-clips" / f"{re.sub(r'[^A-Za-z0-9.+=-]+', '-', reference).strip('-.')}.txt"
    lines = "".join(f"{clip}\t{' '.join(reason.split())}\n" for clip, reason in order)
    try:
        write_atomically(path, lines.encode("utf-8", "backslashreplace"))
    except DiskError:
        return ""
    return f" (all: {path})"


def to_decode(job: Job, planned: PlannedBackbone, store: EmbeddingCache) -> list[Clip]:
    """The clips of a job that a backbone must decode, because the cache has no embedding of
    them.
    """
    if planned.part.lookup is not None:
        return []
    missing = [clip for key, clip in job.wanted(planned).items() if not store.path(key).exists()]
    sha256 = job.corpus.sha256
    # clips of the same bytes share a key, and all of them are named
    same = {(sha256[clip.id], clip.start, clip.end) for clip in missing}
    return [clip for clip in job.heard if (sha256[clip.id], clip.start, clip.end) in same]
