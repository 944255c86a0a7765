"""A fusion under test: built as by the harness, on random embeddings, frames or conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from nverbench.plugin import discovery
from nverbench.plugin.options import resolve
from nverbench.plugin.records import Fusion, Loss
from nverbench.plugin.types import Batch, Output
from nverbench.testing.check import expecting, violation

WIDTHS = (24, 36, 20, 28)
"""Widths of streams: unequal, and large enough for a convolution or four attention heads."""
SEED = 7
ROWS, K = 6, 3
TURNS = (3, 1, 5, 2, 4, 2)
"""Frames of the turns of a conversation in the first stream; other streams have other rates."""


@dataclass(frozen=True, eq=False)
class FusionSubject:
    """A fusion under test, with the options of the reference (``mine:width=8``)."""

    part: Fusion
    text: str = ""
    device: str = "cpu"

    def __str__(self) -> str:
        return self.text or self.part.name

    @cached_property
    def options(self) -> dict[str, Any]:
        """Every option, defaults included."""
        return dict(resolve(self.part, self.text or self.part.name).full)

    @property
    def fewest(self) -> int:
        """The least number of streams."""
        return self.part.arity[0]

    @property
    def most(self) -> int:
        """The greatest number of streams, or one more than the least if there is no bound."""
        high = self.part.arity[1]
        return self.fewest + 1 if high is None else high

    @property
    def framed(self) -> bool:
        """Whether its input is frames."""
        return self.part.wants == "frames"

    @property
    def conversational(self) -> bool:
        """Whether a batch is one conversation."""
        return self.part.recipe_for(self.options).unit == "conversation"

    @cached_property
    def loss(self) -> Loss | None:
        """Its default loss, if that is installed."""
        return discovery.discover().losses.parts.get(self.part.default_loss.partition(":")[0])

    def dims(self, streams: int | None = None) -> tuple[int, ...]:
        """Unequal widths of that many streams; None: the fewest."""
        count = self.fewest if streams is None else streams
        return tuple(WIDTHS[i % len(WIDTHS)] + 4 * (i // len(WIDTHS)) for i in range(count))

    def build(
        self, streams: int | None = None, classes: int = K, *, seed: int = SEED, **options: Any
    ) -> nn.Module:
        """The module in eval mode; the global random state of torch is restored."""
        dims = self.dims(streams)
        with (
            expecting(self, f"a module from build({dims}, {classes})"),
            torch.random.fork_rng(devices=[]),
        ):
            torch.manual_seed(seed)
            module = self.part.build(dims, classes, **{**self.options, **options})
            if not isinstance(module, nn.Module):
                do = "return a module"
                raise violation(self, "a torch.nn.Module from build", type(module).__name__, do)
            return module.to(self.device).eval()

    def remembered(
        self, module: nn.Module, streams: int | None = None, seed: int = SEED
    ) -> nn.Module:
        """The same module after ``remember`` of training rows, as before a prediction by the
        harness.
        """
        remember = getattr(module, "remember", None)
        if remember is not None and not self.framed:  # frames of a whole corpus are no batch
            with expecting(self, "remember(batch, generator) to take training rows"):
                remember(
                    self.batch(40, streams, seed=97, dtype=dtype_of(module)),
                    torch.Generator().manual_seed(seed),
                )
        return module

    def ready(self, streams: int | None = None, classes: int = K) -> nn.Module:
        """A module in eval mode that has remembered training rows."""
        return self.remembered(self.build(streams, classes), streams)

    def batch(
        self,
        rows: int = ROWS,
        streams: int | None = None,
        *,
        seed: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> Batch:
        """Random rows: pooled embeddings, padded clips of frames, or turns of one conversation."""
        generator = torch.Generator().manual_seed(seed)
        dims = self.dims(streams)
        if not self.framed:
            drawn = tuple(
                torch.randn(rows, dim, generator=generator, dtype=torch.float64) for dim in dims
            )
            return Batch(tuple(x.to(self.device, dtype) for x in drawn))
        sizes = [
            [(TURNS[row % len(TURNS)] + row // len(TURNS)) * (1 + i % 2) for row in range(rows)]
            for i in range(len(dims))
        ]
        own = [
            [
                torch.randn(n, dim, generator=generator, dtype=torch.float64).to(self.device, dtype)
                for n in some
            ]
            for dim, some in zip(dims, sizes, strict=True)
        ]
        return conversation(own) if self.conversational else clips(own)

    def output(self, module: nn.Module, batch: Batch, *, graph: bool = False) -> Output:
        """The output of the module for a batch."""
        what = ", ".join(str(tuple(x.shape)) for x in batch.streams)
        with expecting(self, f"an Output for streams of {what}"), torch.set_grad_enabled(graph):
            given: Any = module(batch)
            if not isinstance(given, Output):
                do = "return nverbench.Output(logits, views)"
                raise violation(self, "an Output", type(given).__name__, do)
            return given

    def logits(self, module: nn.Module, batch: Batch) -> Tensor:
        """Logits (n, k), float64, on the CPU."""
        return self.output(module, batch).logits.detach().double().cpu()


def clips(streams: Sequence[Sequence[Tensor]], *, longer: int = 0, padding: float = 0.0) -> Batch:
    """Clips of frames (t_i, d) as a padded batch."""
    padded, lengths = [], []
    for own in streams:
        counts = [len(x) for x in own]
        whole = torch.full(
            (len(own), max(counts) + longer, own[0].shape[1]),
            padding,
            dtype=own[0].dtype,
            device=own[0].device,
        )
        for row, x in zip(whole, own, strict=True):
            row[: len(x)] = x
        padded.append(whole)
        lengths.append(torch.tensor(counts, device=own[0].device))
    return Batch(tuple(padded), tuple(lengths))


def conversation(streams: Sequence[Sequence[Tensor]]) -> Batch:
    """Turns (t_i, d) one after the other, as one conversation."""
    whole, lengths, turns = [], [], []
    for own in streams:
        counts = torch.tensor([len(x) for x in own])
        ends = counts.cumsum(0)
        whole.append(torch.cat(list(own))[None])
        lengths.append(ends[-1:].to(own[0].device))
        turns.append(torch.stack([ends - counts, ends], dim=1).to(own[0].device))
    return Batch(tuple(whole), tuple(lengths), tuple(turns))


def parts_of(batch: Batch) -> list[list[Tensor]]:
    """The frames (t_i, d) of every clip or turn of a batch, per stream."""
    assert batch.lengths is not None
    if batch.turns is None:
        return [
            [row[:n] for row, n in zip(x, some.tolist(), strict=True)]
            for x, some in zip(batch.streams, batch.lengths, strict=True)
        ]
    return [
        [x[0, a:b] for a, b in some.tolist()]
        for x, some in zip(batch.streams, batch.turns, strict=True)
    ]


def put_together(
    subject: FusionSubject, streams: Sequence[Sequence[Tensor]], **padding: Any
) -> Batch:
    """The opposite of :func:`parts_of`."""
    return conversation(streams) if subject.conversational else clips(streams, **padding)


def rows_of(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some rows of a pooled batch, or some clips of a padded one."""
    if batch.lengths is None:
        return replace(batch, streams=tuple(x[list(rows)] for x in batch.streams))
    return clips([[own[row] for row in rows] for own in parts_of(batch)])


def dtype_of(module: nn.Module) -> torch.dtype:
    """The dtype of the weights."""
    return next((p.dtype for p in module.parameters()), torch.float32)
