"""Late fusion: one head per backbone, the mean of their logits.

The mean of logits is the normalised geometric mean of the heads' probabilities (a product of
experts). The heads are trained together, through the mean: the objective sees the ensemble, not
each head by itself (ours; averaging heads that were trained alone is the other reading). Axes: b
clips, d_i features of backbone i, m streams, k classes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from nverbench import Batch, Output


class Late(nn.Module):
    """Heads that take one stream each; no views, since heads share nothing that could be
    aligned.
    """

    def __init__(self, heads: Iterable[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, batch: Batch) -> Output:
        logits = [
            head(Batch((stream,))).logits
            for head, stream in zip(self.heads, batch.streams, strict=True)
        ]  # m x (b, k)
        return Output(torch.stack(logits).mean(0))  # (m, b, k) -> (b, k)
