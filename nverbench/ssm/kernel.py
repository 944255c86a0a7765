"""The selective scan by mamba-ssm's CUDA kernel, where it is installed (Gu & Dao 2023, section
3.3.2: the same recurrence, fused).
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nverbench.ssm.engines import CUDA_MODULE

MOST_STATES = 256
"""The kernel's own limit on n."""


@functools.cache
def load() -> tuple[Callable[..., Any] | None, str]:
    """mamba-ssm's ``selective_scan_fn``, or None and the reason why it cannot be used."""
    if importlib.util.find_spec(CUDA_MODULE) is None:
        return None, "absent (not needed)"
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except (
        Exception
    ) as error:  # built for another torch or CUDA, it raises anything from ImportError to OSError
        return (
            None,
            f"installed but broken ({type(error).__name__}: {' '.join(str(error).split())[:120]})",
        )
    return selective_scan_fn, "available"


def usable(x: Tensor, A: Tensor) -> bool:
    """Whether this engine computes such a problem."""
    return (
        x.device.type == "cuda"
        and x.dtype == torch.float32
        and A.shape[1] <= MOST_STATES
        and load()[0] is not None
    )


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
    """The gated output (b, l, e); the kernel wants channels before steps."""
    function = load()[0]
    assert function is not None  # ``usable`` was asked first
    turned = [
        None if value is None else value.transpose(1, 2).contiguous()
        for value in (x, delta, B, C, z)
    ]  # (b, e, l), (b, n, l)
    u, step, b_in, c_out, gate = turned
    y: Tensor = function(
        u, step, A.contiguous(), b_in, c_out, D, z=gate, delta_bias=bias, delta_softplus=softplus
    )
    return y.transpose(1, 2)
