"""The choice of the engine that computes a selective scan, and the state of each engine for
``nverbench doctor``. Imports no torch.

All engines give the same numbers (1e-5 of the largest forward, 1e-12 in float64); the environment
variable ``NVERBENCH_SCAN`` names one that is used wherever it can be.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from nverbench.errors import UsageError
from nverbench.ssm import library

if TYPE_CHECKING:
    from torch import Tensor

KERNEL, COMPILED, LOOP = "mamba-ssm", "compiled", "torch"
NAMES = (KERNEL, COMPILED, LOOP)
VARIABLE = "NVERBENCH_SCAN"
CUDA_MODULE = "selective_scan_cuda"


def requested() -> str | None:
    """The engine that the environment names, or None.

    Raises:
        UsageError: a name that is none of the three.
    """
    name = os.environ.get(VARIABLE) or None
    if name is not None and name not in NAMES:
        raise UsageError(f"{VARIABLE}={name}: expected one of {', '.join(NAMES)}, or unset it")
    return name


def choose(x: Tensor, A: Tensor) -> str:
    """The engine for a problem: mamba-ssm's kernel in float32 on CUDA, the compiled one on a CPU,
    else the torch loop.
    """
    from nverbench.ssm import compiled, kernel

    name = requested()
    if name in (None, KERNEL) and kernel.usable(x, A):
        return KERNEL
    if name in (None, COMPILED) and compiled.usable(x, A):
        return COMPILED
    return LOOP


def states() -> dict[str, str]:
    """Every engine and its state on this machine, without building or loading one."""
    # mamba-ssm 2.3 cannot be imported without CUDA, and later releases can be installed without
    # kernels: only the compiled module shows whether the kernel is there.
    found = importlib.util.find_spec(CUDA_MODULE) is not None
    kernel = "installed: used on CUDA" if found else "absent (not needed)"
    name = requested()
    named = {} if name is None else {VARIABLE: f"{name} wherever it can be used"}
    return {
        LOOP: "available: the reference, and what is left where no other can be used",
        COMPILED: library.state(),
        KERNEL: kernel,
        **named,
    }
