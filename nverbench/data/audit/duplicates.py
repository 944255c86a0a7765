"""Copies of a recording: byte-identical groups by digest, near-identical pairs by fingerprint and
then by correlation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from nverbench._io.tempfiles import temporary_folder
from nverbench.data.audit import fingerprint, pool
from nverbench.data.audit.records import Copies, Group, Pair, Relation
from nverbench.data.corpus import Corpus
from nverbench.errors import NverbenchError
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PAIRS = 40_000
"""Pairs of clip and neighbour that are correlated: every pair of 200 clips, the ten nearest of
EmoGator's 3,690.
"""
NEIGHBOURS = 6
"""Nearest clips by fingerprint that every clip is correlated with, at least; the planted copies of
benchmarks/science/audit.py were the nearest.
"""
ALIKE = 0.90
"""Cosine of two fingerprints below which they are not correlated."""
SAME = 0.93
"""Correlation from which two clips are one recording: of EmoGator's, 630 changed copies reach 0.986
and different recordings at most 0.873 (benchmarks/science/audit.py). Synthetic tones of one pitch
are alike by any such measure.
"""
ROWS = 256
"""Rows of one product: with 32,130 clips, their cosines and order take about 150 MB at a time."""
BATCH = 64
"""Pairs that a worker correlates at once."""
FEW = 16
"""Batches up to which no worker processes are started: this process is done before they are."""


@dataclass
class Signals:
    """Signals at 8 kHz in one file on disk (16 kB per second of audio)."""

    file: IO[bytes]
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Clip id -> first byte and number of samples."""

    def add(self, clip: str, signal: NDArray[np.int16]) -> None:
        """Appends a signal."""
        self.spans[clip] = (self.file.tell(), len(signal))
        self.file.write(signal.tobytes())


@contextmanager
def signal_store() -> Generator[Signals, None, None]:
    """An empty store, deleted at the end of the block."""
    with temporary_folder() as folder, (folder / "signals").open("wb") as file:
        yield Signals(file)


@dataclass(frozen=True)
class PairBatch:
    """Pairs of signals to correlate, each as first byte and number of samples in a file."""

    file: Path
    pairs: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def correlate(batch: PairBatch) -> list[tuple[float, float]]:
    """Correlation and lag of each pair."""
    signals = {
        (begin, n): fingerprint.unpacked(np.fromfile(batch.file, np.int16, count=n, offset=begin))
        for begin, n in {span for pair in batch.pairs for span in pair}
    }
    return [fingerprint.correlation(signals[a], signals[b]) for a, b in batch.pairs]


def identical(
    clips: Sequence[Clip], sha256: Mapping[str, str], place: Callable[[str], str | None]
) -> tuple[Group, ...]:
    """Groups of clips with the same bytes and the same segment; ``place`` gives a clip's fold."""
    same: dict[tuple[object, ...], list[Clip]] = defaultdict(list)
    for clip in clips:
        same[sha256[clip.id], clip.start, clip.end].append(clip)
    several = (sorted(group, key=lambda c: c.id) for group in same.values() if len(group) > 1)
    groups = [Group(tuple(c.id for c in group), relation(group, place)) for group in several]
    return tuple(sorted(groups, key=lambda g: g.clips))


def relation(clips: Sequence[Clip], place: Callable[[str], str | None]) -> Relation:
    """Whether copies share speaker, label and fold."""
    return Relation(
        _comparison(c.speaker for c in clips),
        _comparison(c.label for c in clips),
        _comparison(place(c.id) for c in clips),
    )


def _comparison(values: Iterable[str | None]) -> str:
    found = set(values)
    if None in found:
        return "unknown"
    return "same" if len(found) == 1 else "across"


def candidates(
    fingerprints: NDArray[np.float32], neighbours: int | None = None, alike: float = ALIKE
) -> list[tuple[int, int]]:
    """Pairs of rows (i < j) of (n, 752) unit vectors, one of which is among the other's nearest and
    at least ``alike``; sorted.
    """
    n = len(fingerprints)
    neighbours = neighbours or max(NEIGHBOURS, MOST_PAIRS // max(1, n))
    found: set[tuple[int, int]] = set()
    for begin in range(0, n, ROWS):
        cosines = fingerprints[begin : begin + ROWS] @ fingerprints.T  # (rows, n)
        rows = np.arange(len(cosines))
        cosines[rows, begin + rows] = -1.0
        most = min(neighbours, n - 1)
        if most < 1:
            break
        nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]  # (rows, most)
        enough = np.take_along_axis(cosines, nearest, 1) >= alike
        for row, column in np.argwhere(enough):
            i, j = begin + int(row), int(nearest[row, column])
            found.add((min(i, j), max(i, j)))
    return sorted(found)


def copies(
    corpus: Corpus,
    fingerprints: Mapping[str, NDArray[np.float32]],
    store: Signals,
    place: Callable[[str], str | None],
    processes: int | None = None,
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Copies:
    """Byte-identical groups and near-identical pairs of a corpus; ``place`` gives a clip's fold. Of
    a group only the first clip is compared with others.
    """
    clips = {c.id: c for c in corpus.clips}
    groups = identical(corpus.clips, corpus.sha256, place)
    repeated = {clip for group in groups for clip in group.clips[1:]}
    ids = sorted(i for i in fingerprints if i not in repeated)
    empty = np.zeros((0, fingerprint.SIZE), np.float32)
    pairs = candidates(np.stack([fingerprints[i] for i in ids]) if ids else empty)
    store.file.flush()
    spans = [(store.spans[ids[i]], store.spans[ids[j]]) for i, j in pairs]
    batches = [
        PairBatch(Path(store.file.name), tuple(spans[i : i + BATCH]))
        for i in range(0, len(spans), BATCH)
    ]
    results: Iterable[tuple[int, Any]]
    if len(batches) > FEW:
        results = pool.map_isolated(correlate, batches, processes=processes)
    else:
        results = enumerate(map(correlate, batches))
    found = []
    for index, result in results:
        if isinstance(result, pool.ItemFailure):
            raise NverbenchError(f"clips cannot be compared: {result.reason}")
        for (i, j), (value, lag) in zip(pairs[index * BATCH :], result, strict=False):
            if value >= SAME:
                one, other = clips[ids[i]], clips[ids[j]]
                found.append(Pair(one.id, other.id, value, lag, relation([one, other], place)))
        tick(len(result), len(pairs))
    return Copies(groups, tuple(sorted(found, key=lambda p: (p.first, p.second))), len(pairs))
