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

from nverbench.errors import reason_of
from nverbench.ssm.engines import CUDA_MODULE
from nverbench.ssm.inputs import ScanInputs

MOST_STATES = 256
"""The kernel's own limit on n."""


@functools.cache
def load() -> tuple[Callable[..., Any] | None, str]:
    """mamba-ssm's ``selective_scan_fn``, or None and the reason why it cannot be used."""
    if importlib.util.find_spec(CUDA_MODULE) is None:
        return None, "absent (not needed)"
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except Exception as error:  # built for another torch or CUDA: ImportError, OSError or others
        reason = reason_of(error, 120)
        return None, f"installed but broken ({type(error).__name__}: {reason})"
    return selective_scan_fn, "available"


def usable(x: Tensor, A: Tensor) -> bool:
    """Whether this engine can compute the problem."""
    return (
        x.device.type == "cuda"
        and x.dtype == torch.float32
        and A.shape[1] <= MOST_STATES
        and load()[0] is not None
    )


def scan(inputs: ScanInputs) -> Tensor:
    """The gated output (b, l, e); the kernel takes channels before steps."""
    function = load()[0]
    assert function is not None  # ``usable`` was called first
    x, delta, A, B, C, D, z, bias, softplus = inputs
    turned = (v if v is None else v.transpose(1, 2).contiguous() for v in (x, delta, B, C, z))
    x_t, delta_t, B_t, C_t, z_t = turned  # (b, e, l), (b, e, l), (b, n, l), (b, n, l), (b, e, l)
    options = {"delta_bias": bias, "delta_softplus": softplus}
    y: Tensor = function(x_t, delta_t, A.contiguous(), B_t, C_t, D, z=z_t, **options)
    return y.transpose(1, 2)
