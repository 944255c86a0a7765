"""What the tests of conversation fusions share: every one of them built small, conversations,
clips, and a module's gradients.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

import nverbench_fusions
from nverbench import Batch

FUSIONS = {
    fusion.name: fusion
    for fusion in nverbench_fusions.nverbench_fusions()
    if fusion.wants == "frames"
}
ALONG = ["erc-mamba", "erc-transformer", "erc-gru"]
"""Those that run along the whole conversation."""
ORDER_FREE = ["erc-mean", "erc-prior"]
SMALL = {"dim": 8, "layers": 2, "hidden": 12, "heads": 2}
DIM, CLASSES = 10, 3
SIZES = (5, 1, 9, 3)
"""Frames of the turns."""


def takes(name: str, option: str) -> bool:
    return option in inspect.signature(FUSIONS[name].build).parameters


def built(
    name: str,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    dims: Sequence[int] = (DIM,),
    classes: int = CLASSES,
    **options: object,
) -> nn.Module:
    """A small module of its own seed, in eval mode."""
    options = {key: value for key, value in SMALL.items() if takes(name, key)} | options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FUSIONS[name].build(tuple(dims), classes, **options).to(dtype).eval()


def frames(count: int, *, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(
        count, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def ranges(sizes: Sequence[int]) -> Tensor:
    """(u, 2) of turns one after the other."""
    ends = torch.tensor(sizes).cumsum(0)
    return torch.stack([ends - torch.tensor(sizes), ends], dim=1)


def conversation(turns: Sequence[Tensor]) -> Batch:
    """Turns (t_i, d) one after the other."""
    whole = torch.cat(list(turns))
    return Batch(
        (whole.unsqueeze(0),),
        (torch.tensor([len(whole)]),),
        (ranges([len(turn) for turn in turns]),),
    )


def spoken(
    sizes: Sequence[int] = SIZES, *, seed: int = 1, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Turns of random frames."""
    return list(frames(sum(sizes), seed=seed, dtype=dtype).split(list(sizes)))


def clips(turns: Sequence[Tensor], *, longer: int = 0, padding: float = 0.0) -> Batch:
    """The turns as a padded batch of clips."""
    sizes = [len(turn) for turn in turns]
    stream = torch.full((len(turns), max(sizes) + longer, DIM), padding, dtype=turns[0].dtype)
    for row, turn in zip(stream, turns, strict=True):
        row[: len(turn)] = turn
    return Batch((stream,), (torch.tensor(sizes),))


def gradients(module: nn.Module, batch: Batch, logits: Tensor | None = None) -> dict[str, Tensor]:
    """Of the cross-entropy with classes in turn."""
    module.zero_grad(set_to_none=True)
    logits = module(batch).logits if logits is None else logits
    nn.functional.cross_entropy(logits, torch.arange(len(logits)) % CLASSES).backward()
    return {
        name: parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
