"""``layers=weighted``: a learned softmax over a backbone's layers, trained with the fusion.

SUPERB (Yang et al. 2021, arXiv 2105.01051, section 3) mixes frames; here the layers' time means are
mixed, which is the same for mean pooling. Unlike in SUPERB, each layer is z-scored first, as every
embedding of the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nverbench.plugin.types import Batch, Output


class LayerWeights(nn.Module):
    """A fusion whose streams (b, L, d) are first mixed to (b, d): the sum over layers of
    softmax(w)_l x_l, with one w (L,) per stream that starts at zero.
    """

    def __init__(self, fusion: nn.Module, layers: Sequence[int | None]) -> None:
        """``layers``: L of every stream, None for a stream that has no layer axis."""
        super().__init__()
        self.fusion = fusion
        self.weights = nn.ParameterDict(
            {str(i): nn.Parameter(torch.zeros(n)) for i, n in enumerate(layers) if n is not None}
        )
        remember: Any = getattr(fusion, "remember", None)
        if remember is not None:
            self.remember = lambda batch, generator: remember(self.mixed(batch), generator)

    def mixed(self, batch: Batch) -> Batch:
        """The batch with every stream (b, d)."""
        streams = list(batch.streams)
        for i, weight in self.weights.items():
            streams[int(i)] = torch.einsum("bld,l->bd", streams[int(i)], weight.softmax(0))
        return Batch(tuple(streams), batch.lengths, batch.turns)

    def forward(self, batch: Batch) -> Output:
        """The fusion's output for the mixed streams."""
        output: Output = self.fusion(self.mixed(batch))
        return output
