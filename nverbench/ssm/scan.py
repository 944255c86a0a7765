"""The selective scan of Mamba (Gu & Dao 2023, arXiv 2312.00752, section 3.2 and algorithm 2): one
function, several engines.

Axes: ``b`` sequences, ``l`` steps, ``e`` channels, ``n`` states per channel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nverbench.ssm import compiled, engines, kernel, reference


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
    """The output y (b, l, e) of the selective state-space recurrence, gated by SiLU(z) where z is
    given.

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
        (b, l, e) in the type of ``x``.
    """
    exact = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        u, step, a, b_in, c_out = (value.to(exact) for value in (x, delta, A, B, C))
        skip, gate, bias = (
            None if value is None else value.to(exact) for value in (D, z, delta_bias)
        )
        engine = engines.choose(u, a)
        if u.numel() and engine == engines.COMPILED:
            y = compiled.scan(u, step, a, b_in, c_out, skip, gate, bias, delta_softplus)
        elif u.numel() and engine == engines.KERNEL:
            y = kernel.scan(u, step, a, b_in, c_out, skip, gate, bias, delta_softplus)
        else:
            y = _by_reference(u, step, a, b_in, c_out, skip, gate, bias, delta_softplus)
    return y.to(x.dtype)


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """SiLU of the causal depthwise convolution in front of the scan: step l sees steps l - width +
    1 to l.

    Args:
        x: (b, l, e). weight: (e, 1, width), its last tap on the current step. bias: (e,).

    Returns:
        (b, l, e) in the type of ``x`` (under autocast as torch's convolution gives it).
    """
    with_graph = torch.is_grad_enabled() and any(value.requires_grad for value in (x, weight, bias))
    alike = x.dtype == weight.dtype == bias.dtype and not torch.is_autocast_enabled(x.device.type)
    if (
        x.numel()
        and alike
        and not with_graph
        and engines.choose(x, weight[:, 0]) == engines.COMPILED
    ):
        return compiled.causal_conv(x, weight, bias)
    width = weight.shape[2]
    # Padded by width - 1 zeros on the left only, so that no step sees the future.
    y = functional.conv1d(
        functional.pad(x.transpose(1, 2), (width - 1, 0)), weight, bias, groups=len(weight)
    )  # (b, e, l)
    return functional.silu(y).transpose(1, 2)


def _by_reference(
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
    step = delta if bias is None else delta + bias
    y = reference.scan(x, functional.softplus(step) if softplus else step, A, B, C)  # (b, l, e)
    if D is not None:
        y = y + D * x  # y_l = C_l h_l + D x_l
    return y if z is None else y * functional.silu(z)
