"""Seeds of a training: one per purpose, fold and replicate; torch's global random state is restored
(``docs/protocol.md``, "Seeds").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(protocol_seed: int, purpose: str, fold: str, replicate: int) -> int:
    """The seed of one stream of random numbers; it does not depend on backbone, fusion or loss, so
    that comparisons are paired.
    """
    text = f"{protocol_seed}:{purpose}:{fold}:{replicate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def seed_device(device: str, seed: int) -> None:
    """Seed the random numbers of a device. On the CPU not by torch.manual_seed, which seeds every
    GPU too.
    """
    (torch.manual_seed if device.startswith("cuda") else torch.default_generator.manual_seed)(seed)


@contextmanager
def forked(device: str) -> Iterator[None]:
    """Restore torch's global random state after the block."""
    devices = range(torch.cuda.device_count()) if device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
