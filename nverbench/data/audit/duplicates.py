"""The same recording twice: byte-identical groups by digest, near-identical pairs by fingerprint
and then by correlation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from nverbench._io.tempfiles import temporary_folder
from nverbench.data.audit import fingerprint, pool
from nverbench.data.audit.records import Copies, Group, Pair, Relation
from nverbench.errors import NverbenchError
from nverbench.plugin.records import Clip

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS = 40_000
"""Pairs of clip and neighbour that may be looked at closely: every pair of 200 clips, the ten
nearest of EmoGator's 3,690.
"""
NEIGHBOURS = 6
"""Nearest by fingerprint that are looked at of every clip, however many there are; the planted
copies of benchmarks/science/audit.py were the nearest.
"""
ALIKE = 0.90
"""Cosine of two fingerprints below which nobody looks further."""
SAME = 0.93
"""Correlation from which two clips are one recording: of EmoGator's, 630 changed copies reach 0.986
and different recordings at most 0.873 (benchmarks/science/audit.py). Synthetic tones of one pitch
are alike by any such measure.
"""
ROWS = 256
"""Rows of one product: with 32,130 clips, their cosines and order take about 150 MB at a time."""
TOGETHER = 64
"""Pairs a worker takes at once."""
FEW = 16
"""So many times as many pairs are done before a worker has started."""


@dataclass
class Signals:
    """Signals at 8 kHz in one file on disk (16 kB per second of audio), so that any number of clips
    fits.
    """

    file: IO[bytes]
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Clip id -> first byte and number of samples."""

    def add(self, clip: str, signal: NDArray[np.int16]) -> None:
        """Keep one."""
        self.spans[clip] = (self.file.tell(), len(signal))
        self.file.write(signal.tobytes())


@contextmanager
def signal_store() -> Generator[Signals, None, None]:
    """An empty store, deleted at the end however it comes."""
    with temporary_folder() as folder, (folder / "signals").open("wb") as file:
        yield Signals(file)


@dataclass(frozen=True)
class Looks:
    """Pairs of signals to correlate, as first bytes and lengths in a file: what a worker needs of
    them.
    """

    file: Path
    pairs: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def correlate(looks: Looks) -> list[tuple[float, float]]:
    """Correlation and lag of each pair."""
    spans = {span for pair in looks.pairs for span in pair}
    heard = {
        (begin, n): fingerprint.unpacked(np.fromfile(looks.file, np.int16, count=n, offset=begin))
        for begin, n in spans
    }
    return [fingerprint.correlation(heard[a], heard[b]) for a, b in looks.pairs]


def identical(
    clips: Sequence[Clip], sha256: Mapping[str, str], place: Callable[[str], str | None]
) -> tuple[Group, ...]:
    """Groups of clips with the same bytes and the same segment; ``place`` gives a clip's fold."""
    same: dict[tuple[object, ...], list[Clip]] = defaultdict(list)
    for clip in clips:
        same[sha256[clip.id], clip.start, clip.end].append(clip)
    groups = (sorted(group, key=lambda c: c.id) for group in same.values() if len(group) > 1)
    return tuple(
        sorted(
            (Group(tuple(c.id for c in group), relation(group, place)) for group in groups),
            key=lambda g: g.clips,
        )
    )


def relation(clips: Sequence[Clip], place: Callable[[str], str | None]) -> Relation:
    """Whether copies share speaker, label and fold."""
    return Relation(
        _among(c.speaker for c in clips),
        _among(c.label for c in clips),
        _among(place(c.id) for c in clips),
    )


def _among(values: Iterable[str | None]) -> str:
    found = list(values)
    if None in found:
        return "unknown"
    return "same" if len(set(found)) == 1 else "across"


def candidates(
    fingerprints: NDArray[np.float32], neighbours: int | None = None, alike: float = ALIKE
) -> list[tuple[int, int]]:
    """Pairs of rows (i < j) of (n, 752) unit vectors, one of which is among the other's nearest and
    at least ``alike``; sorted.
    """
    n = len(fingerprints)
    neighbours = neighbours or max(NEIGHBOURS, LOOKS // max(1, n))
    found: set[tuple[int, int]] = set()
    for begin in range(0, n, ROWS):
        cosines = fingerprints[begin : begin + ROWS] @ fingerprints.T  # (rows, n)
        rows = np.arange(len(cosines))
        cosines[rows, begin + rows] = -1.0
        most = min(neighbours, n - 1)
        nearest = (
            np.argpartition(-cosines, most - 1, axis=1)[:, :most]
            if most > 0
            else np.zeros((len(rows), 0), np.int64)
        )
        for row, column in zip(
            *np.nonzero(np.take_along_axis(cosines, nearest, 1) >= alike), strict=True
        ):
            i, j = begin + int(row), int(nearest[row, column])
            found.add((min(i, j), max(i, j)))
    return sorted(found)


def near(
    clips: Mapping[str, Clip],
    fingerprints: Mapping[str, NDArray[np.float32]],
    store: Signals,
    groups: Sequence[Group],
    place: Callable[[str], str | None],
    *,
    processes: int | None = None,
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Copies:
    """Near-identical pairs; of a byte-identical group only its first clip is looked at, for the
    others are that clip.
    """
    repeated = {clip for group in groups for clip in group.clips[1:]}
    ids = sorted(i for i in fingerprints if i not in repeated)
    matrix = (
        np.stack([fingerprints[i] for i in ids])
        if ids
        else np.zeros((0, fingerprint.SIZE), np.float32)
    )
    pairs = candidates(matrix)
    store.file.flush()
    spans = [(store.spans[ids[i]], store.spans[ids[j]]) for i, j in pairs]
    looks = [
        Looks(Path(store.file.name), tuple(spans[i : i + TOGETHER]))
        for i in range(0, len(spans), TOGETHER)
    ]
    found = []
    answers = (
        pool.map_isolated(correlate, looks, processes=processes)
        if len(looks) > FEW
        else enumerate(map(correlate, looks))
    )
    for index, answer in answers:
        if isinstance(answer, pool.Failure):
            raise NverbenchError(f"clips cannot be compared: {answer.reason}")
        for (i, j), (value, lag) in zip(pairs[index * TOGETHER :], answer, strict=False):
            if value >= SAME:
                found.append(
                    Pair(
                        ids[i], ids[j], value, lag, relation([clips[ids[i]], clips[ids[j]]], place)
                    )
                )
        tick(len(answer), len(pairs))
    return Copies(
        tuple(groups), tuple(sorted(found, key=lambda p: (p.first, p.second))), len(pairs)
    )
