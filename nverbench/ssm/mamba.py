"""The Mamba-1 mixer (Gu & Dao 2023, arXiv 2312.00752, figure 3) with the parameter names of the
official release.

Axes: ``b`` sequences, ``l`` steps, ``d`` model dimensions, ``e`` = expand * d inner channels, ``n``
states per channel, ``r`` rank of delta.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nverbench.ssm.scan import causal_conv, selective_scan

DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 1e-1, 1e-4
"""Range of the step sizes at initialisation: log-uniform (arXiv 2312.00752, section 3.6 and the
official defaults).
"""


class MambaMixer(nn.Module):
    """A layer that maps a sequence (b, l, d) to one of the same shape, causally: step l sees steps
    0 to l only.

    Args:
        d_model: d.
        d_state: n.
        d_conv: width of the causal depthwise convolution.
        expand: e / d.
        dt_rank: r; None gives ceil(d / 16).
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
    ) -> None:
        super().__init__()
        self.d_inner = expand * d_model
        self.d_state = d_state
        self.dt_rank = math.ceil(d_model / 16) if dt_rank is None else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        # Parameters only: causal_conv applies them.
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, d_conv, groups=self.d_inner)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        self.A_log = nn.Parameter(torch.empty(self.d_inner, d_state))
        self.D = nn.Parameter(torch.empty(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)
        self.reset_state_parameters()

    @torch.no_grad()
    def reset_state_parameters(self) -> None:
        """Draw A, D and the step sizes as the official code does; the linear maps keep torch's own
        initialisation.
        """
        states = torch.arange(1, self.d_state + 1).float()  # A = -n: S4D-real, section 3.6
        self.A_log.copy_(states.log().expand_as(self.A_log))
        self.D.fill_(1.0)
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        spread = math.log(DT_MAX) - math.log(DT_MIN)
        log_dt = torch.rand_like(self.dt_proj.bias) * spread + math.log(DT_MIN)  # (e,)
        dt = log_dt.exp().clamp(min=DT_FLOOR)
        # The inverse of softplus, so that softplus(bias) = dt.
        self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, u: Tensor) -> Tensor:
        """Mix a sequence ``u`` (b, l, d); returns (b, l, d)."""
        # The first e rows are the content, the last e the gate: (b, l, e) each.
        x, z = self.in_proj(u).chunk(2, dim=-1)
        assert self.conv1d.bias is not None  # for the type checker
        c = causal_conv(x, self.conv1d.weight, self.conv1d.bias)  # with SiLU: (b, l, e)
        sizes = [self.dt_rank, self.d_state, self.d_state]
        d, B, C = self.x_proj(c).split(sizes, dim=-1)  # (b, l, r), (b, l, n), (b, l, n)
        raw = functional.linear(d, self.dt_proj.weight)  # (b, l, e)
        A = -torch.exp(self.A_log)  # (e, n)
        # The scan adds the bias, in full precision: delta = softplus(raw + bias).
        y = selective_scan(c, raw, A, B, C, self.D, z, self.dt_proj.bias, True)  # (b, l, e)
        out: Tensor = self.out_proj(y)  # (b, l, d)
        return out
