"""A loss under test: built as by the harness, on synthetic logits, views and targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nverbench.plugin.options import resolve
from nverbench.plugin.records import Loss
from nverbench.plugin.types import Losses, Output
from nverbench.testing.check import expecting, violation

N, K, WIDTH = 12, 4, 8
"""Rows, classes, features of a view."""


@dataclass(frozen=True, eq=False)
class LossSubject:
    """A loss under test, with the options of the reference (``mine:lam=0.3``)."""

    part: Loss
    text: str = ""

    def __str__(self) -> str:
        return self.text or self.part.name

    @cached_property
    def options(self) -> dict[str, Any]:
        """Every option, defaults included."""
        return dict(resolve(self.part, self.text or self.part.name).full)

    @property
    def streams(self) -> int:
        """The number of views it is given; 0 if it needs none."""
        return 2 if self.part.needs == "views" else 0

    def build(
        self, counts: Sequence[int] = (3, 3, 3, 3), **options: Any
    ) -> Callable[[Output, Tensor], Losses]:
        """The objective; counts are a tensor (k,) of whole numbers, as from the harness."""
        with expecting(self, f"an objective from build({len(counts)}, counts)"):
            return self.part.build(len(counts), torch.tensor(counts), **{**self.options, **options})

    def output(
        self,
        *,
        streams: int | None = None,
        seed: int = 1,
        dtype: torch.dtype = torch.float32,
        graph: bool = False,
    ) -> Output:
        """Logits (n, k) and views (n, a)."""
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(N, K, generator=generator, dtype=torch.float64).to(dtype)
        count = self.streams if streams is None else streams
        views = tuple(
            torch.randn(N, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
            for _ in range(count)
        )
        return Output(
            logits.requires_grad_(graph), tuple(view.requires_grad_(graph) for view in views)
        )

    def losses(
        self,
        output: Output,
        target: Tensor | None = None,
        objective: Callable[[Output, Tensor], Losses] | None = None,
    ) -> Losses:
        """Terms and diagnostics, after a check of their type."""
        chosen = objective or self.build()
        rows = tuple(output.logits.shape)
        with expecting(self, f"Losses for logits {rows} and {len(output.views)} views"):
            given: Any = chosen(output, targets() if target is None else target)
        if not isinstance(given, Losses) or not given.terms:
            got = type(given).__name__ if not isinstance(given, Losses) else "no terms"
            do = "return nverbench.Losses({name: scalar})"
            raise violation(self, "Losses with at least one term", got, do)
        return given


def targets() -> Tensor:
    """Targets (n,): the classes in turn."""
    return torch.arange(N) % K


def total(losses: Losses) -> Tensor:
    """The sum of the terms, which the harness minimises."""
    return torch.stack([term.sum() for term in losses.terms.values()]).sum()
