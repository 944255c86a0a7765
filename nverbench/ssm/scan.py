"""The selective scan of Mamba (Gu & Dao 2023, arXiv 2312.00752, section 3.2 and algorithm 2) as a plain torch loop over time.

Axes: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel. The state is kept as (b, n, e), channels innermost: every
step then works on long contiguous rows. Nothing of size (b, l, e, n) ever exists
without gradients: one step needs two buffers of b*n*e numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

TILE = 131_072
"""State numbers (0.5 MiB in float32) that one pass over time keeps in cache; more sequences than fit go tile by tile."""


def selective_scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, z: Tensor | None = None) -> Tensor:
    """The output y (b, l, e) of the selective state-space recurrence, gated by SiLU(z) where z is given.

    Per channel: h_l = exp(delta_l A) h_{l-1} + delta_l B_l x_l with h_{-1} = 0 (zero-order hold for A, Euler for B, as the released code
    does, where the paper's equation 4 has zero-order hold for both), y_l = C_l h_l + D x_l. All arithmetic is float32 (float64 stays
    float64), also under autocast; differentiable in every argument.

    Args:
        x: (b, l, e) input.
        delta: (b, l, e) step sizes, positive (after softplus).
        A: (e, n) state matrix, diagonal, negative.
        B: (b, l, n) input matrix.
        C: (b, l, n) output matrix.
        D: (e,) skip connection, or None.
        z: (b, l, e) gate, or None.

    Returns:
        (b, l, e) in the type of ``x``.
    """
    exact = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        u, step, b_in, c_out = (value.to(exact) for value in (x, delta, B, C))
        a = A.to(exact).t().contiguous()  # (n, e)
        given = (u, step, a, b_in, c_out)
        needs_gradient = torch.is_grad_enabled() and any(value.requires_grad for value in given)
        y = _scan_differentiable(*given) if needs_gradient else _scan_in_tiles(*given)  # (b, l, e)
        if D is not None:
            y = y + D.to(exact) * u  # y_l = C_l h_l + D x_l
        if z is not None:
            y = y * functional.silu(z.to(exact))
    return y.to(x.dtype)


def _scan_differentiable(x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor) -> Tensor:
    """The sums C_l h_l (b, l, e), every step a new tensor so that autograd can walk back."""
    h = x.new_zeros(x.shape[0], *a.shape)  # (b, n, e)
    outputs = []
    steps = zip(x.unbind(1), delta.unbind(1), b_in.unbind(1), c_out.unbind(1), strict=True)
    for x_l, delta_l, b_l, c_l in steps:  # (b, e), (b, e), (b, n), (b, n)
        decay = torch.exp(delta_l.unsqueeze(1) * a)  # exp(delta_l A): (b, n, e)
        h = decay * h + b_l.unsqueeze(2) * (delta_l * x_l).unsqueeze(1)  # (b, n, e)
        outputs.append(torch.matmul(c_l.unsqueeze(1), h).squeeze(1))  # C_l h_l: (b, e)
    return torch.stack(outputs, dim=1) if outputs else torch.zeros_like(x)  # (b, l, e)


def _scan_in_tiles(x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor) -> Tensor:
    """The sums C_l h_l (b, l, e) without gradients; on a CPU a few sequences at a time, so that their state stays in cache."""
    if not len(x):
        return torch.zeros_like(x)
    if x.device.type != "cpu":
        return _scan_in_place(x, delta, a, b_in, c_out)
    rows = max(1, TILE // a.numel())
    tiles = [slice(i, i + rows) for i in range(0, len(x), rows)]
    with one_thread():
        return torch.cat([_scan_in_place(x[i], delta[i], a, b_in[i], c_out[i]) for i in tiles])  # (b, l, e)


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: a step is too small to share. Two would wait for each other at each of thousands of steps, which beside a busy
    process costs many times the work itself (benchmarks/waiting.py)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _scan_in_place(x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor) -> Tensor:
    """The same recurrence in two buffers that every step reuses."""
    b, length, e = x.shape
    drive = delta * x  # (b, l, e)
    h = x.new_zeros(b, *a.shape)  # (b, n, e)
    decay = torch.empty_like(h)  # (b, n, e)
    y = x.new_empty(length, b, 1, e)
    # Unbinding once costs far less than indexing four tensors at every step.
    steps = zip(delta.unsqueeze(2).unbind(1), drive.unsqueeze(2).unbind(1), b_in.unsqueeze(3).unbind(1), c_out.unsqueeze(2).unbind(1), y, strict=True)
    for delta_l, drive_l, b_l, c_l, y_l in steps:  # (b, 1, e), (b, 1, e), (b, n, 1), (b, 1, n), (b, 1, e)
        torch.mul(delta_l, a, out=decay).exp_()  # exp(delta_l A): (b, n, e)
        h.mul_(decay).addcmul_(b_l, drive_l)  # h_l = exp(delta_l A) h_{l-1} + B_l (delta_l x_l): (b, n, e)
        torch.bmm(c_l, h, out=y_l)  # C_l h_l: (b, 1, e)
    return y.squeeze(2).transpose(0, 1)  # (b, l, e)
