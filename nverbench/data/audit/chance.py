"""The labels of clips, and the ways to shuffle them that say what chance is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERMUTATIONS = 99
"""Of whole speakers."""
WITHIN, AMONG = "within speakers", "among all clips"


class Chance:
    """The labels of clips, and the ways to shuffle them."""

    def __init__(
        self, labels: NDArray[np.int64], speakers: Sequence[str | None], times: int, seed: int
    ) -> None:
        self.labels, self.seed = labels, seed
        blocks: dict[str | None, list[int]] = defaultdict(list)
        for row, speaker in enumerate(speakers):
            blocks[speaker].append(row)
        known = None not in blocks
        self.blocks = [np.array(blocks[s]) for s in sorted(map(str, blocks))] if known else []
        mixed = any(len(set(labels[rows])) > 1 for rows in self.blocks)
        everyone = self._draws([np.arange(len(labels))], times)
        self.draws = {WITHIN: self._draws(self.blocks, times)} if mixed else {AMONG: everyone}
        if mixed and not self._balanced():
            self.draws[AMONG] = everyone

    def _balanced(self) -> bool:
        """Whether every speaker has every label equally often: then the speaker says nothing about
        the label.
        """
        classes = int(self.labels.max()) + 1
        counts = [np.bincount(self.labels[rows], minlength=classes) for rows in self.blocks]
        return all((c == counts[0]).all() for c in counts)

    def _draws(self, parts: Sequence[NDArray[Any]], times: int) -> list[NDArray[np.int64]]:
        rng, draws = np.random.default_rng(self.seed), []
        for _ in range(times):
            draw = self.labels.copy()
            for rows in parts:
                draw[rows] = self.labels[rng.permutation(rows)]
            draws.append(draw)
        return draws

    def permuted(self) -> Iterator[NDArray[np.int64]]:
        """The labels with whole speakers permuted: each speaker's clips get the labels of another
        speaker, in any order, repeated or cut to their number.
        """
        rng = np.random.default_rng(self.seed)
        for _ in range(PERMUTATIONS):
            draw = self.labels.copy()
            order = rng.permutation(len(self.blocks))
            for rows, other in zip(self.blocks, order, strict=True):
                draw[rows] = np.resize(self.labels[rng.permutation(self.blocks[other])], len(rows))
            yield draw
