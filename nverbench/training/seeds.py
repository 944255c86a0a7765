"""Random numbers of a training: one seed per purpose, fold and replicate, and torch's global state
as it was (protocol nver-1, "Seeds").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(protocol_seed: int, purpose: str, fold: str, replicate: int) -> int:
    """The seed of one stream of random numbers: never derived from backbone, fusion or loss, so
    that comparisons are paired.
    """
    return int.from_bytes(
        hashlib.sha256(f"{protocol_seed}:{purpose}:{fold}:{replicate}".encode()).digest()[:7], "big"
    )


def seed_device(device: str, seed: int) -> None:
    """Seed the random numbers of a device; torch.manual_seed would reseed every GPU, also for a
    training that never sees one.
    """
    (torch.manual_seed if device.startswith("cuda") else torch.default_generator.manual_seed)(seed)


@contextmanager
def forked(device: str) -> Iterator[None]:
    """Seeding inside leaves torch's global random state as it was."""
    with torch.random.fork_rng(
        devices=range(torch.cuda.device_count()) if device == "cuda" else []
    ):
        yield
