"""The selective scan by the C kernels: float32 and float64 on the CPU, forward and backward, on as
many threads as torch uses.

Axes as in ``scan.py``: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nverbench.ssm import library, reference
from nverbench.ssm.library import Problem, View

LANES, CHUNK, MOST_STATES = 192, 64, 256
"""As lanes.h has them: channels in a block, steps between two stored states, and the most states
per channel.
"""
WORTH_SHARING = 200_000
"""State updates (b l e n) below which a second thread costs more than it saves."""
TRUST = {torch.float32: 1e-5, torch.float64: 1e-12}
"""How far from the torch loop, relative to the largest number, a freshly loaded library may be
before it is not used at all.
"""


def usable(x: Tensor, A: Tensor) -> bool:
    """Whether this engine computes such a problem."""
    return (
        x.device.type == "cpu"
        and x.dtype in TRUST
        and A.shape[1] <= MOST_STATES
        and _found(x.dtype) is not None
        and _trusted(x.dtype)
    )


@functools.cache
def _trusted(dtype: torch.dtype) -> bool:
    """Whether the library gives the torch loop's numbers on a small problem: a compiler may have
    its own idea of the sources.
    """
    generator = torch.Generator().manual_seed(0)
    x, delta, B, C = (
        torch.randn(2, 70, size, generator=generator, dtype=dtype) for size in (200, 200, 3, 3)
    )
    A = -torch.rand(200, 3, generator=generator, dtype=dtype)
    with torch.no_grad():
        expected = reference.scan(x, functional.softplus(delta), A, B, C)
        got = scan(x, delta, A, B, C, None, None, None, True)
    return bool((got - expected).abs().max() <= TRUST[dtype] * expected.abs().max())


def scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
) -> Tensor:
    """The gated output (b, l, e); shapes as in ``selective_scan``, everything float32 or everything
    float64.
    """
    given = (x, delta, A.t().contiguous(), B, C, D, z, bias)
    if torch.is_grad_enabled() and any(
        value is not None and value.requires_grad for value in given
    ):
        # torch's own annotation
        y: Tensor = _Scan.apply(*given, softplus)  # type: ignore[no-untyped-call]
        return y
    return _forward(*given, softplus)[0]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """silu(bias + the causal depthwise convolution of x (b, l, e) with weight (e, 1, width)): (b,
    l, e), without gradients.
    """
    x = _rows(x)
    b, length, e = x.shape
    taps, bias, y = (
        weight.squeeze(1).t().contiguous(),
        bias.contiguous(),
        x.new_empty(b, length, e),
    )  # (width, e)
    source, target = _view(x), _view(y)

    def work(worker: int, first: int, last: int) -> None:
        _library(x).conv_forward(
            length,
            e,
            len(taps),
            ctypes.byref(source),
            ctypes.byref(target),
            taps.data_ptr(),
            bias.data_ptr(),
            first,
            last,
        )

    _share(work, b * length, updates=y.numel())
    return y


class _Scan(torch.autograd.Function):
    """Keeps the state before every 64th step; the backward pass computes those between again."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        delta: Tensor,
        a: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None,
        z: Tensor | None,
        bias: Tensor | None,
        softplus: bool,
    ) -> Tensor:
        states = x.new_empty(len(x), -(-x.shape[1] // CHUNK), *a.shape)  # (b, chunks, n, e)
        y, kept = _forward(x, delta, a, B, C, D, z, bias, softplus, states)
        ctx.save_for_backward(*kept, states)
        ctx.softplus = softplus
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, delta, a, B, C, D, z, bias, states = ctx.saved_tensors
        dy = _rows(gradients[0])
        dx, ddelta = x.new_empty(x.shape), x.new_empty(x.shape)
        dz = None if z is None else x.new_empty(x.shape)
        workers = max(1, torch.get_num_threads())
        dB, dC = (
            x.new_zeros(workers, *B.shape),
            x.new_zeros(workers, *C.shape),
        )  # every worker's own sums
        dA, dD, dbias = (
            x.new_zeros(workers, *a.shape),
            x.new_zeros(workers, a.shape[1]),
            x.new_zeros(workers, a.shape[1]),
        )

        def work(worker: int, first: int, last: int) -> None:
            p = _problem(x, delta, a, B, C, D, z, bias, ctx.softplus)
            p.states, p.dy, p.dx, p.ddelta, p.dz = (
                _address(states),
                _view(dy),
                _view(dx),
                _view(ddelta),
                _view(dz),
            )
            p.dB, p.dC, p.dA, p.dD, p.dbias = (
                _address(sums[worker]) for sums in (dB, dC, dA, dD, dbias)
            )
            if _library(x).scan_backward(ctypes.byref(p), first, last):
                raise MemoryError(
                    "the selective scan's backward pass found no memory for its scratch space; free"
                    " some, or use fewer threads"
                )

        _share(work, _items(x), updates=x.numel() * len(a))
        return (
            dx,
            ddelta,
            dA.sum(0),
            dB.sum(0),
            dC.sum(0),
            None if D is None else dD.sum(0),
            dz,
            None if bias is None else dbias.sum(0),
            None,
        )


def _forward(
    x: Tensor,
    delta: Tensor,
    a: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    states: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """The gated output, and the inputs as the kernel read them."""
    x, delta, B, C = _rows(x), _rows(delta), _rows(B), _rows(C)
    z, D, bias = (None if z is None else _rows(z)), _flat(D), _flat(bias)
    y = x.new_empty(x.shape)
    problem = _problem(x, delta, a, B, C, D, z, bias, softplus)
    problem.y, problem.states = _view(y), _address(states)
    _share(
        lambda worker, first, last: _library(x).scan_forward(ctypes.byref(problem), first, last),
        _items(x),
        updates=y.numel() * len(a),
    )
    return y, (x, delta, a, B, C, D, z, bias)


def _problem(
    x: Tensor,
    delta: Tensor,
    a: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
) -> Problem:
    b, length, e = x.shape
    given = {"x": x, "delta": delta, "z": z, "B": B, "C": C}
    views = {name: _view(tensor) for name, tensor in given.items()}
    vectors = {"A": _address(a), "D": _address(D), "bias": _address(bias)}
    return Problem(b=b, l=length, e=e, n=len(a), softplus=softplus, **views, **vectors)


def _found(dtype: torch.dtype) -> ctypes.CDLL | None:
    return library.load(wide=dtype == torch.float64)[0]


def _library(x: Tensor) -> ctypes.CDLL:
    found = _found(x.dtype)
    assert found is not None  # ``usable`` was asked first
    return found


def _items(x: Tensor) -> int:
    """Pairs of a sequence and a block of channels."""
    return len(x) * -(-x.shape[2] // LANES)


def _share(work: Callable[[int, int, int], None], items: int, *, updates: int) -> None:
    """Call ``work(worker, first, last)`` over all items, on torch's number of threads where there
    is enough to do.
    """
    workers = min(torch.get_num_threads(), items) if updates >= WORTH_SHARING else 1
    if workers <= 1:
        work(0, 0, items)
        return
    cuts = [items * i // workers for i in range(workers + 1)]
    list(
        _pool(os.getpid(), workers).map(work, range(workers), cuts[:-1], cuts[1:])
    )  # ctypes releases the interpreter's lock


@functools.lru_cache(maxsize=4)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process (a forked child must not wait for its parent's)."""
    return ThreadPoolExecutor(workers, thread_name_prefix="selective-scan")


def _rows(value: Tensor) -> Tensor:
    """The same tensor with neighbouring channels side by side in memory (steps and sequences may
    lie apart).
    """
    return value if value.stride(-1) == 1 or value.shape[-1] == 1 else value.contiguous()


def _flat(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.contiguous()


def _view(value: Tensor | None) -> View:
    return (
        View(None, 0, 0)
        if value is None
        else View(value.data_ptr(), value.stride(0), value.stride(1))
    )


def _address(value: Tensor | None) -> int | None:
    return None if value is None else value.data_ptr()
