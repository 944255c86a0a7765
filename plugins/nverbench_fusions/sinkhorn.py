"""Entropic optimal transport in the log domain (Cuturi 2013, arXiv:1306.0895; log domain: Peyre and
Cuturi 2019, arXiv:1803.00567, section 4.4).

    Gamma = argmin <Gamma, C> - epsilon H(Gamma)   with rows summing to a and columns to b,
    Gamma_ij = exp(u_i + v_j - C_ij / epsilon)

Axes: ``...`` problems solved at once, n sources, m targets.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinkhorn(
    cost: Tensor, epsilon: float, iterations: int, a: Tensor | None = None, b: Tensor | None = None
) -> Tensor:
    """(..., n, m) transport plans after a fixed number of iterations; differentiable through all of
    them.

    Columns sum to ``b`` exactly (they are scaled last), rows to ``a`` as far as the iterations have
    converged: the smaller ``epsilon`` relative to the spread of costs, the more iterations.

    Args:
        cost: (..., n, m), finite.
        epsilon: strength of the entropy, in the units of the cost; towards 0 the plan is that of
            unregularised transport.
        iterations: how often rows and columns are scaled. No early exit, so that work and result
            depend on nothing but the arguments.
        a, b: (..., n) and (..., m), each summing to 1; None: uniform. An entry of 0 takes no mass
            (and has no gradient).
    """
    n, m = cost.shape[-2:]
    log_a = torch.full_like(cost[..., 0], -math.log(n)) if a is None else a.log()  # (..., n)
    log_b = torch.full_like(cost[..., 0, :], -math.log(m)) if b is None else b.log()  # (..., m)
    kernel = -cost / epsilon  # (..., n, m), log of Gibbs' kernel
    v = torch.zeros_like(log_b)
    u = torch.zeros_like(log_a)
    for _ in range(iterations):
        u = log_a - torch.logsumexp(
            kernel + v.unsqueeze(-2), dim=-1
        )  # rows; epsilon u is the potential f
        v = log_b - torch.logsumexp(kernel + u.unsqueeze(-1), dim=-2)  # columns; epsilon v is g
    return (kernel + u.unsqueeze(-1) + v.unsqueeze(-2)).exp()
