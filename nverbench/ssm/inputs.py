"""The arguments of one selective scan, as all engines take them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ScanInputs(NamedTuple):
    """The arguments of :func:`nverbench.ssm.selective_scan`, with its shapes; the tensors are all
    float32 or all float64.
    """

    x: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    bias: Tensor | None
    softplus: bool

    def to(self, dtype: torch.dtype) -> ScanInputs:
        """The same arguments with every tensor in one floating type."""
        return ScanInputs._make(v.to(dtype) if isinstance(v, Tensor) else v for v in self)

    def requires_grad(self) -> bool:
        """Whether a gradient of any argument is needed."""
        tensors = (value for value in self if isinstance(value, Tensor))
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
