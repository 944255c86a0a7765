"""The selective scan by the C kernels: float32 and float64 on the CPU, forward and backward, on
torch's number of threads.

Axes as in ``scan.py``: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nverbench.ssm import library, reference
from nverbench.ssm.inputs import ScanInputs
from nverbench.ssm.library import Problem, View

LANES, CHUNK, MOST_STATES = 192, 64, 256
"""As in lanes.h: channels in a block, steps between two stored states, most states per channel."""
WORTH_SHARING = 200_000
"""State updates (b l e n) below which a second thread costs more than it saves."""
TRUST = {torch.float32: 1e-5, torch.float64: 1e-12}
"""The largest difference from the torch loop, relative to the largest number, with which a library
is used.
"""


def usable(x: Tensor, A: Tensor) -> bool:
    """Whether this engine can compute the problem."""
    return (
        x.device.type == "cpu"
        and x.dtype in TRUST
        and A.shape[1] <= MOST_STATES
        and _found(x.dtype) is not None
        and _trusted(x.dtype)
    )


@functools.cache
def _trusted(dtype: torch.dtype) -> bool:
    """Whether the library agrees with the torch loop on a small problem, for compilers that
    translate the sources wrongly.
    """
    generator = torch.Generator().manual_seed(0)
    x, delta, B, C = (
        torch.randn(2, 70, size, generator=generator, dtype=dtype) for size in (200, 200, 3, 3)
    )
    A = -torch.rand(200, 3, generator=generator, dtype=dtype)
    with torch.no_grad():
        expected = reference.scan(x, functional.softplus(delta), A, B, C)
        got = scan(ScanInputs(x, delta, A, B, C, None, None, None, True))
    return bool((got - expected).abs().max() <= TRUST[dtype] * expected.abs().max())


def scan(inputs: ScanInputs) -> Tensor:
    """The gated output (b, l, e)."""
    given = inputs._replace(A=inputs.A.t().contiguous())  # A as (n, e)
    if inputs.requires_grad():
        # torch's own annotation
        y: Tensor = _Scan.apply(*given)  # type: ignore[no-untyped-call]
        return y
    return _forward(given)[0]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """silu(bias + the causal depthwise convolution of x (b, l, e) with weight (e, 1, width)): (b,
    l, e), without gradients.
    """
    x, bias = _rows(x), bias.contiguous()
    b, length, e = x.shape
    taps, y = weight.squeeze(1).t().contiguous(), x.new_empty(b, length, e)  # taps: (width, e)
    source, target = ctypes.byref(_view(x)), ctypes.byref(_view(y))
    arguments = (length, e, len(taps), source, target, taps.data_ptr(), bias.data_ptr())
    _share(
        lambda worker, first, last: _library(x).conv_forward(*arguments, first, last),
        b * length,
        updates=y.numel(),
    )
    return y


class _Scan(torch.autograd.Function):
    """The scan with gradients: it keeps the state before every 64th step, and the backward pass
    computes the states between them again.
    """

    @staticmethod
    def forward(ctx: Any, *values: Any) -> Tensor:
        given = ScanInputs(*values)  # A: (n, e)
        chunks = -(-given.x.shape[1] // CHUNK)
        states = given.x.new_empty(len(given.x), chunks, *given.A.shape)  # (b, chunks, n, e)
        y, kept = _forward(given, states)
        ctx.save_for_backward(*kept[:-1], states)
        ctx.softplus = kept.softplus
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        *tensors, states = ctx.saved_tensors
        given = ScanInputs._make([*tensors, ctx.softplus])
        x, a = given.x, given.A
        dz = None if given.z is None else x.new_empty(x.shape)
        dx, ddelta = x.new_empty(x.shape), x.new_empty(x.shape)
        views = {"dy": _rows(gradients[0]), "dx": dx, "ddelta": ddelta, "dz": dz}
        workers, e = max(1, torch.get_num_threads()), a.shape[1:]
        shapes = {"dA": a.shape, "dB": given.B.shape, "dC": given.C.shape, "dD": e, "dbias": e}
        # Every worker adds up its own sums: (workers, ...).
        sums = {name: x.new_zeros(workers, *shape) for name, shape in shapes.items()}

        def work(worker: int, first: int, last: int) -> None:
            own = {name: values[worker] for name, values in sums.items()}
            problem = _problem(given, views, {"states": states, **own})
            if _library(x).scan_backward(ctypes.byref(problem), first, last):
                raise MemoryError(
                    "the selective scan's backward pass found no memory for its scratch space; free"
                    " some, or use fewer threads"
                )

        _share(work, _items(x), updates=x.numel() * len(a))
        dA, dB, dC = (sums[name].sum(0) for name in ("dA", "dB", "dC"))
        dD = None if given.D is None else sums["dD"].sum(0)
        dbias = None if given.bias is None else sums["dbias"].sum(0)
        return dx, ddelta, dA, dB, dC, dD, dz, dbias, None


def _forward(given: ScanInputs, states: Tensor | None = None) -> tuple[Tensor, ScanInputs]:
    """The gated output, and the inputs as the kernel read them; fills ``states`` where given."""
    x, delta, A, B, C, D, z, bias, softplus = given
    x, delta, B, C, z = _rows(x), _rows(delta), _rows(B), _rows(C), None if z is None else _rows(z)
    kept = ScanInputs(x, delta, A, B, C, _flat(D), z, _flat(bias), softplus)
    y = x.new_empty(x.shape)
    problem = _problem(kept, {"y": y}, {"states": states})
    _share(
        lambda worker, first, last: _library(x).scan_forward(ctypes.byref(problem), first, last),
        _items(x),
        updates=y.numel() * len(A),
    )
    return y, kept


def _problem(
    given: ScanInputs, views: Mapping[str, Tensor | None], arrays: Mapping[str, Tensor | None]
) -> Problem:
    """The C record of a scan; ``views`` and ``arrays``: its outputs and states by name of field."""
    b, length, e = given.x.shape
    views = {n: getattr(given, n) for n in ("x", "delta", "z", "B", "C")} | dict(views)
    arrays = {n: getattr(given, n) for n in ("A", "D", "bias")} | dict(arrays)
    fields = {n: _view(t) for n, t in views.items()} | {n: _address(t) for n, t in arrays.items()}
    return Problem(b=b, l=length, e=e, n=len(given.A), softplus=given.softplus, **fields)


def _found(dtype: torch.dtype) -> ctypes.CDLL | None:
    return library.load(wide=dtype == torch.float64)[0]


def _library(x: Tensor) -> ctypes.CDLL:
    found = _found(x.dtype)
    assert found is not None  # ``usable`` was called first
    return found


def _items(x: Tensor) -> int:
    """Pairs of a sequence and a block of channels."""
    return len(x) * -(-x.shape[2] // LANES)


def _share(work: Callable[[int, int, int], None], items: int, *, updates: int) -> None:
    """Call ``work(worker, first, last)`` over all items, on torch's number of threads where the
    work is large enough.
    """
    workers = min(torch.get_num_threads(), items) if updates >= WORTH_SHARING else 1
    if workers <= 1:
        work(0, 0, items)
        return
    cuts = [items * i // workers for i in range(workers + 1)]
    # ctypes releases the interpreter's lock.
    list(_pool(os.getpid(), workers).map(work, range(workers), cuts[:-1], cuts[1:]))


@functools.lru_cache(maxsize=4)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads of this process (a forked child must not wait for its parent's)."""
    return ThreadPoolExecutor(workers, thread_name_prefix="selective-scan")


def _rows(value: Tensor) -> Tensor:
    """The same tensor with the channels of a step contiguous in memory."""
    return value if value.stride(-1) == 1 or value.shape[-1] == 1 else value.contiguous()


def _flat(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.contiguous()


def _view(value: Tensor | None) -> View:
    if value is None:
        return View(None, 0, 0)
    return View(value.data_ptr(), value.stride(0), value.stride(1))


def _address(value: Tensor | None) -> int | None:
    return None if value is None else value.data_ptr()
