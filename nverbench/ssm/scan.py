"""The selective scan of Mamba (Gu & Dao 2023, arXiv 2312.00752, section 3.2 and algorithm 2) and
its convolution: one function each, several engines.

Axes: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nverbench.ssm import compiled, engines, kernel, reference
from nverbench.ssm.inputs import ScanInputs


def selective_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """Compute the selective state-space recurrence, gated by SiLU(z) where z is given.

    Per channel: h_l = exp(delta_l A) h_{l-1} + delta_l B_l x_l with h_{-1} = 0 (zero-order hold for
    A, Euler for B, as the released code does, where the paper's equation 4 has zero-order hold for
    both), y_l = C_l h_l + D x_l. All arithmetic is float32 (float64 stays float64), also under
    autocast; differentiable in every argument; memory grows with b l e, never with b l e n. The
    arguments are those of ``mamba_ssm.ops.selective_scan_interface.selective_scan_fn``, with the
    steps before the channels.

    Args:
        x: (b, l, e) input.
        delta: (b, l, e) step sizes: positive, or before bias and softplus where ``delta_softplus``
            is set.
        A: (e, n) state matrix, diagonal, negative.
        B: (b, l, n) input matrix.
        C: (b, l, n) output matrix.
        D: (e,) skip connection, or None.
        z: (b, l, e) gate, or None.
        delta_bias: (e,) added to ``delta`` first, or None.
        delta_softplus: whether the step sizes are softplus(delta + delta_bias).

    Returns:
        y (b, l, e) in the type of ``x``.

    Raises:
        UsageError: the environment variable ``NVERBENCH_SCAN`` names an unknown engine.
    """
    exact = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        inputs = ScanInputs(x, delta, A, B, C, D, z, delta_bias, delta_softplus).to(exact)
        engine = engines.choose(inputs.x, inputs.A)
        by_name = {engines.COMPILED: compiled.scan, engines.KERNEL: kernel.scan}
        y = by_name.get(engine, _by_reference)(inputs) if x.numel() else _by_reference(inputs)
    return y.to(x.dtype)


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute SiLU of the causal depthwise convolution in front of the scan: step l sees steps
    l - width + 1 to l.

    Args:
        x: (b, l, e) input.
        weight: (e, 1, width) taps, the last one on the current step.
        bias: (e,).

    Returns:
        (b, l, e) in the type of ``x`` (under autocast in the type of torch's convolution).
    """
    with_graph = torch.is_grad_enabled() and any(value.requires_grad for value in (x, weight, bias))
    alike = x.dtype == weight.dtype == bias.dtype and not torch.is_autocast_enabled(x.device.type)
    compilable = x.numel() and alike and not with_graph
    if compilable and engines.choose(x, weight[:, 0]) == engines.COMPILED:
        return compiled.causal_conv(x, weight, bias)
    width = weight.shape[2]
    # Padded by width - 1 zeros on the left only, so that no step sees the future.
    padded = functional.pad(x.transpose(1, 2), (width - 1, 0))  # (b, e, width - 1 + l)
    y = functional.conv1d(padded, weight, bias, groups=len(weight))  # (b, e, l)
    return functional.silu(y).transpose(1, 2)


def _by_reference(inputs: ScanInputs) -> Tensor:
    """The gated output (b, l, e) by the torch loop."""
    x, delta, A, B, C, D, z, bias, softplus = inputs
    step = delta if bias is None else delta + bias
    y = reference.scan(x, functional.softplus(step) if softplus else step, A, B, C)  # (b, l, e)
    if D is not None:
        y = y + D * x  # y_l = C_l h_l + D x_l
    return y if z is None else y * functional.silu(z)
