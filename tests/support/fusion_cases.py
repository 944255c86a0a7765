"""What the tests of fusions share: every fusion built small, clips for it, and a training."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import nn

import nverbench_fusions
import nverbench_losses
from nverbench import Batch, Output

FUSIONS = {
    fusion.name: fusion
    for fusion in nverbench_fusions.nverbench_fusions()
    if fusion.wants == "pooled"
}
"""Fusions of pooled features; those of conversations have laws of their own (test_erc.py)."""
LOSSES = {loss.name: loss for loss in nverbench_losses.nverbench_losses()}
HEADS = [name for name, fusion in FUSIONS.items() if fusion.arity == (1, 1)]
MANY = [name for name, fusion in FUSIONS.items() if fusion.arity[1] is None]
TRANSPORTING = ["parrot", "parrot-ot", "mata"]
VIEWS = [name for name, fusion in FUSIONS.items() if fusion.views]
SMALL = {
    "align_dim": 8,
    "conv1": 4,
    "conv2": 6,
    "dense1": 10,
    "dense2": 7,
    "dense": 9,
    "width": 8,
    "iterations": 20,
}
CLASSES = 6


def dims_of(name: str) -> tuple[int, ...]:
    return (48,) if name in HEADS else (48, 26)


def takes(name: str, option: str) -> bool:
    return option in inspect.signature(FUSIONS[name].build).parameters


def built(
    name: str,
    dims: Sequence[int] = (),
    *,
    seed: int = 0,
    classes: int = CLASSES,
    small: bool = False,
    **options: object,
) -> nn.Module:
    """A module of its own seed; ``small``: with sizes for quick tests; options that a fusion does
    not take are left out with ``small`` only.
    """
    if small:
        options = {key: value for key, value in (SMALL | options).items() if takes(name, key)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FUSIONS[name].build(tuple(dims) or dims_of(name), classes, **options)


def clips(
    dims: Sequence[int], rows: int = 5, dtype: torch.dtype = torch.float32, seed: int = 1
) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(tuple(torch.randn(rows, dim, generator=generator, dtype=dtype) for dim in dims))


def prepared(module: nn.Module, dims: Sequence[int], seed: int = 2) -> nn.Module:
    """In eval mode, training rows remembered: as the harness has a module when it predicts."""
    module.eval()
    if hasattr(module, "remember"):
        dtype = next(module.parameters()).dtype
        module.remember(
            clips(dims, rows=40, dtype=dtype, seed=seed), torch.Generator().manual_seed(seed)
        )
    return module


def objective(name: str, output: Output, target: torch.Tensor) -> torch.Tensor:
    loss = LOSSES[FUSIONS[name].default_loss].build(
        output.logits.shape[1], [1] * output.logits.shape[1]
    )
    return torch.stack(list(loss(output, target).terms.values())).sum()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
