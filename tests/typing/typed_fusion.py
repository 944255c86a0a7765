"""A fusion as a strict type checker wants it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nverbench import Batch, Fusion, Output, Recipe, hookimpl


class Linear(torch.nn.Module):
    """One layer on the streams side by side."""

    def __init__(self, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(sum(dims), classes)

    def forward(self, batch: Batch) -> Output:
        """Logits (b, k)."""
        return Output(self.layer(torch.cat(batch.streams, dim=1)))


@hookimpl
def nverbench_fusions() -> Iterable[Fusion]:
    """One fusion."""
    return (Fusion(name="myfusion", arity=(1, None), build=Linear, recipe=Recipe(lr=1e-3)),)
