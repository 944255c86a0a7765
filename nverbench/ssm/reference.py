"""The selective scan as a readable torch loop over time, on any device and in any precision. Every
other engine must agree with it.

Axes: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel. The state is kept as
(b, n, e), channels innermost: every step then works on long contiguous rows. Nothing of size (b, l,
e, n) is ever allocated: without gradients one step needs two buffers of b*n*e numbers, with
gradients the states of one chunk of steps are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

TILE = 131_072
"""State numbers (0.5 MiB in float32) that one pass over time keeps in the processor's cache; more
sequences are computed tile by tile.
"""
CHUNK = 256
"""Steps whose states the backward pass keeps at a time; of the forward pass only the state before
each chunk is kept.
"""


def scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The sums C_l h_l (b, l, e) of the recurrence alone, without skip and gate.

    Args:
        x, delta: (b, l, e); ``delta`` holds the step sizes themselves.
        A: (e, n).
        B, C: (b, l, n). All are of one floating type.
    """
    given = (x, delta, A.t().contiguous(), B, C)  # A as (n, e)
    if torch.is_grad_enabled() and any(value.requires_grad for value in given):
        # torch's own annotation
        y: Tensor = _Chunked.apply(*given)  # type: ignore[no-untyped-call]
        return y
    return _in_tiles(*given)


class _Chunked(torch.autograd.Function):
    """The recurrence with gradients: forward in place, keeping the state before every chunk;
    backward chunk by chunk through autograd.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor, a: Tensor, B: Tensor, C: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], *a.shape)  # (b, n, e)
        states, outputs = [], []
        for part in _chunks(x.shape[1]):
            states.append(h)
            h = h.clone()
            outputs.append(_in_place(x[:, part], delta[:, part], a, B[:, part], C[:, part], h))
        ctx.save_for_backward(x, delta, a, B, C, *states)
        return torch.cat(outputs, dim=1) if outputs else torch.zeros_like(x)  # (b, l, e)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, delta, a, B, C, *states = ctx.saved_tensors
        dx, ddelta, da, dB, dC = (torch.zeros_like(value) for value in (x, delta, a, B, C))
        dh = x.new_zeros(x.shape[0], *a.shape)  # gradient of the state after the chunk
        for part, h in reversed(list(zip(_chunks(x.shape[1]), states, strict=True))):
            values = (x[:, part], delta[:, part], a, B[:, part], C[:, part], h)
            given = [value.detach().requires_grad_() for value in values]
            with torch.enable_grad():
                y, last = _with_graph(*given)
            pieces = torch.autograd.grad((y, last), given, (gradients[0][:, part], dh))
            dx[:, part], ddelta[:, part], da_part, dB[:, part], dC[:, part], dh = pieces
            da += da_part
        return dx, ddelta, da, dB, dC


def _chunks(length: int) -> list[slice]:
    return [slice(i, min(i + CHUNK, length)) for i in range(0, length, CHUNK)]


def _with_graph(
    x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    """The sums C_l h_l (b, l, e) and the last state; every step makes new tensors, for autograd."""
    outputs = []
    steps = zip(x.unbind(1), delta.unbind(1), b_in.unbind(1), c_out.unbind(1), strict=True)
    for x_l, delta_l, b_l, c_l in steps:  # (b, e), (b, e), (b, n), (b, n)
        decay = torch.exp(delta_l.unsqueeze(1) * a)  # exp(delta_l A): (b, n, e)
        drive = (delta_l * x_l).unsqueeze(1)  # delta_l x_l: (b, 1, e)
        h = decay * h + b_l.unsqueeze(2) * drive  # exp(delta_l A) h_{l-1} + B_l (delta_l x_l)
        outputs.append(torch.matmul(c_l.unsqueeze(1), h).squeeze(1))  # C_l h_l: (b, e)
    return torch.stack(outputs, dim=1), h


def _in_tiles(x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor) -> Tensor:
    """The sums C_l h_l (b, l, e) without gradients; on a CPU a few sequences at a time, so that
    their state stays in the processor's cache.
    """
    if not x.numel():
        return torch.zeros_like(x)
    rows = max(1, TILE // a.numel()) if x.device.type == "cpu" else len(x)
    tiles = [slice(i, i + rows) for i in range(0, len(x), rows)]
    with one_thread():
        states = [x.new_zeros(len(x[i]), *a.shape) for i in tiles]
        parts = [
            _in_place(x[i], delta[i], a, b_in[i], c_out[i], h)
            for i, h in zip(tiles, states, strict=True)
        ]
    return torch.cat(parts)  # (b, l, e)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one torch thread inside: a step is too small to share. Two threads wait for each other at
    each of thousands of steps, which on a busy machine costs many times the work itself
    (benchmarks/speed/waiting.py).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_place(
    x: Tensor, delta: Tensor, a: Tensor, b_in: Tensor, c_out: Tensor, h: Tensor
) -> Tensor:
    """The sums C_l h_l (b, l, e) in two buffers that every step reuses; ``h`` (b, n, e) holds the
    last state afterwards.
    """
    b, length, e = x.shape
    drive = delta * x  # (b, l, e)
    decay = torch.empty_like(h)  # (b, n, e)
    y = x.new_empty(length, b, 1, e)
    # Unbinding once costs far less than indexing four tensors at every step.
    steps = zip(
        delta.unsqueeze(2).unbind(1),
        drive.unsqueeze(2).unbind(1),
        b_in.unsqueeze(3).unbind(1),
        c_out.unsqueeze(2).unbind(1),
        y,
        strict=True,
    )
    # (b, 1, e), (b, 1, e), (b, n, 1), (b, 1, n), (b, 1, e)
    for delta_l, drive_l, b_l, c_l, y_l in steps:
        torch.mul(delta_l, a, out=decay).exp_()  # exp(delta_l A): (b, n, e)
        h.mul_(decay).addcmul_(b_l, drive_l)  # exp(delta_l A) h_{l-1} + B_l (delta_l x_l)
        torch.bmm(c_l, h, out=y_l)  # C_l h_l: (b, 1, e)
    return y.squeeze(2).transpose(0, 1)  # (b, l, e)
