"""Facts of clips from one decode, remembered between runs: length, level, sampling rate, channels,
and the reason why a clip cannot be used.

The key of a clip is everything that decoding depends on: the digest of its file, its segment, the
revision of the decoding and the decoder. A file on this machine's disk holds the facts of a
sixteenth of all clips; runs share them.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from nverbench._io.atomic import write_atomically
from nverbench._io.digests import digest_of
from nverbench._io.paths import home
from nverbench.data import audio
from nverbench.data.audio.reading import bounds, mixed, opened
from nverbench.errors import AudioError, DiskError
from nverbench.plugin.records import Clip

FLOOR_DB = -120.0
"""Level of a clip of zeros."""
WORKERS = min(4, os.cpu_count() or 1)
"""Threads: libsndfile decodes outside of Python's lock."""


@dataclass(frozen=True)
class ClipFacts:
    """What one decode of a clip says; a fact that is not known is 0."""

    reason: str | None = None
    """Why the clip cannot be used, as a run words it; None: it can."""
    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    level: float = FLOOR_DB
    """Root mean square of all channels in dB relative to full scale."""
    peak: float = 0.0


def measure(clip: Clip) -> ClipFacts:
    """The facts of a clip; no content of a file makes it raise."""
    import numpy as np

    try:
        with opened(clip.path) as file:
            rate, channels = file.rate, file.channels
            samples = next(file.blocks(*bounds(file, clip.start, clip.end)))  # (s, channels)
        mono = mixed(samples)
        if rate < audio.SLOWEST:
            audio.resample(mono[:1], rate, 16_000)  # raises what a run would raise
    except AudioError as error:
        return ClipFacts(str(error))
    power = float(np.square(samples, dtype=np.float64).mean())
    return ClipFacts(
        None,
        len(mono) / rate,
        rate,
        channels,
        max(FLOOR_DB, 10 * math.log10(power)) if power > 0 else FLOOR_DB,
        float(np.abs(samples).max()),
    )


def facts_of(
    clips: Sequence[Clip],
    sha256: Mapping[str, str],
    tick: Callable[[int], None] = lambda steps: None,
) -> dict[str, ClipFacts]:
    """Clip id -> its facts: those that this machine remembers, the others from one decode each."""
    keys = {clip.id: _key(clip, sha256[clip.id]) for clip in clips}
    known = _read(set(keys.values()))
    unknown = [clip for clip in clips if keys[clip.id] not in known]
    fresh: dict[str, ClipFacts] = {}
    tick(len(clips) - len(unknown))
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="facts") as pool:
        for clip, found in zip(unknown, pool.map(measure, unknown), strict=True):
            fresh[keys[clip.id]] = found
            tick(1)
    _write(fresh)
    return {clip.id: (known | fresh)[key] for clip, key in zip(clips, keys.values(), strict=True)}


def remembered(clips: Sequence[Clip], sha256: Mapping[str, str]) -> dict[str, ClipFacts]:
    """Clip id -> its facts, for the clips that this machine has decoded before."""
    keys = {clip.id: _key(clip, sha256[clip.id]) for clip in clips}
    known = _read(set(keys.values()))
    return {clip: known[key] for clip, key in keys.items() if key in known}


def _key(clip: Clip, sha256: str) -> str:
    return digest_of([sha256, clip.start, clip.end, audio.REVISION, audio.decoder(clip.path)])


def _file(shard: str) -> Path:
    return home() / "clips" / f"{shard}.json"


def _read(keys: set[str]) -> dict[str, ClipFacts]:
    """The remembered facts of these keys; a file that cannot be read counts as absent."""
    found = {}
    for shard in sorted({key[0] for key in keys}):
        for key, values in _content(_file(shard)).items():
            if key in keys:
                found[key] = ClipFacts(*values)
    return found


def _content(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    kinds = (str | None, float | int, int, int, float | int, float | int)
    return {
        key: values
        for key, values in (content.items() if isinstance(content, dict) else ())
        if isinstance(values, list)
        and len(values) == len(kinds)
        and all(isinstance(v, kind) for v, kind in zip(values, kinds, strict=True))
    }


def _write(fresh: Mapping[str, ClipFacts]) -> None:
    """Adds facts to the files; where they cannot be written, the next run decodes again."""
    shards: dict[str, dict[str, ClipFacts]] = defaultdict(dict)
    for key, found in fresh.items():
        shards[key[0]][key] = found
    for shard, facts in shards.items():
        path = _file(shard)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock"), timeout=60):
                content = _content(path)
                content |= {key: list(asdict(found).values()) for key, found in facts.items()}
                write_atomically(path, json.dumps(content).encode())
        except (OSError, DiskError):
            return
