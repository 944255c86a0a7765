"""Selective-scan problems for the tests, and the recurrence written out number by number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

B_, L, E, N = 3, 7, 5, 4


def arguments(
    dtype: torch.dtype = torch.float32,
    *,
    b: int = B_,
    length: int = L,
    e: int = E,
    n: int = N,
    seed: int = 7,
) -> dict[str, Tensor]:
    """Arguments of ``selective_scan`` by name, drawn from a seed; the step sizes are positive."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "x": draw(b, length, e),
        "delta": functional.softplus(draw(b, length, e)),
        "A": -torch.exp(draw(e, n)),
        "B": draw(b, length, n),
        "C": draw(b, length, n),
        "D": draw(e),
        "z": draw(b, length, e),
    }


def written_out(
    x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor
) -> Tensor:
    """The recurrence with one number at a time."""
    y = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for e in range(x.shape[2]):
            h = torch.zeros(A.shape[1], dtype=x.dtype)
            for step in range(x.shape[1]):
                h = (
                    torch.exp(delta[b, step, e] * A[e]) * h
                    + delta[b, step, e] * B[b, step] * x[b, step, e]
                )
                y[b, step, e] = ((h * C[b, step]).sum() + D[e] * x[b, step, e]) * functional.silu(
                    z[b, step, e]
                )
    return y


def relative(got: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected number (zeros must be zeros)."""
    return float(
        (got.double() - expected.double()).abs().max()
        / expected.double().abs().max().clamp(min=1e-30)
    )
