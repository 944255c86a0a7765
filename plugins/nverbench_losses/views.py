"""What every alignment loss asks of a fusion's views: at least two, of one shape; and how more than
two are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from nverbench import PartError


def aligned(loss: str, views: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The views m x (b, a), in at least float32: bfloat16 steps of 0.03 around log(1 + 256 * 0.2)
    would hide what is measured.

    Raises:
        PartError: fewer than two, or of unequal shapes.
    """
    if len(views) < 2 or any(view.shape != views[0].shape for view in views):
        shapes = ", ".join(str(tuple(view.shape)) for view in views) or "none"
        raise PartError(
            f"{loss}: expected two views or more of one shape (b, a), got {shapes}; use a fusion"
            " that aligns backbones, such as reno"
        )
    dtype = torch.promote_types(views[0].dtype, torch.float32)
    return tuple(view.to(dtype) for view in views)


def over_pairs(measure: Callable[[Tensor, Tensor], Tensor], views: tuple[Tensor, ...]) -> Tensor:
    """The mean over pairs (earlier stream first), a scalar, of a measure (b, a), (b, a) -> (b,) or
    a scalar; rows count alike.
    """
    return torch.stack([measure(x, y).mean() for x, y in combinations(views, 2)]).mean()
