"""Losses that break one rule each, and what the kit says of them: the table of the tests and of
benchmarks/reliability/rules.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nverbench import Losses, Output
from support.tiny_parts import Case, altered_loss, objective, tiny_loss

calls = count(1)


def loose_options(classes: int, counts: Tensor, smoothing: float = 0.0) -> Any:
    return objective(classes, counts, smoothing=smoothing)


def any_word(classes: int, counts: Tensor, *, how: str = "mean") -> Any:
    return objective(classes, counts)


def naive(output: Output, target: Tensor) -> Losses:
    scored = target >= 0
    p = output.logits.exp() / output.logits.exp().sum(1, keepdim=True)
    return Losses({"entropy": -(p[scored, target[scored]] ** 2).log().mean()})


def deaf_views(output: Output, target: Tensor) -> Losses:
    first, second, *_ = output.views
    return Losses(
        {
            "entropy": cross_entropy(output.logits, target),
            "apart": (first - second.detach()).square().mean(),
        }
    )


def pairs_only(output: Output, target: Tensor) -> Losses:
    first, second = output.views
    return Losses(
        {"entropy": cross_entropy(output.logits, target), "apart": (first - second).square().mean()}
    )


def weighted(classes: int, counts: Tensor) -> Callable[[Output, Tensor], Losses]:
    weights = 1 / counts
    return lambda output, target: Losses(
        {
            "entropy": cross_entropy(
                output.logits, target, weight=(weights / weights.sum()).to(output.logits)
            )
        }
    )


def hears_all(output: Output, target: Tensor) -> Losses:
    return Losses({"entropy": cross_entropy(output.logits, target.clamp(min=0))})


def warning(output: Output, target: Tensor) -> Losses:
    warnings.warn("a loss that warns", stacklevel=1)
    return Losses({"entropy": cross_entropy(output.logits, target)})


def drawing(output: Output, target: Tensor) -> Losses:
    torch.rand(3)
    return Losses({"entropy": cross_entropy(output.logits, target)})


def entropy(change: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """A loss whose term is changed."""
    return altered_loss(
        lambda output, target: Losses({"entropy": change(cross_entropy(output.logits, target))})
    )


CASES = (
    Case(
        "options",
        "options before the *",
        tiny_loss(loose_options),
        "keyword-only options: the harness sets no others, got smoothing",
    ),
    Case(
        "options",
        "takes any word",
        tiny_loss(any_word),
        "how=no-such-choice to be refused with UsageError",
    ),
    Case(
        "scalars",
        "a term per row",
        tiny_loss(entropy(lambda x: x.expand(2))),
        "term entropy to be a scalar tensor of floats, got (2,)",
    ),
    Case(
        "diagnostics",
        "one name for two numbers",
        tiny_loss(
            altered_loss(
                lambda o, t: Losses(
                    {"entropy": cross_entropy(o.logits, t)}, {"entropy": torch.ones(())}
                )
            )
        ),
        "terms and diagnostics of different names",
    ),
    Case(
        "diagnostics",
        "a name of the harness's",
        tiny_loss(
            altered_loss(
                lambda o, t: Losses(
                    {"entropy": cross_entropy(o.logits, t)}, {"loss": torch.ones(())}
                )
            )
        ),
        "got 'loss'",
    ),
    Case(
        "diagnostics",
        "a number that is no tensor",
        tiny_loss(
            altered_loss(
                lambda o, t: Losses({"entropy": cross_entropy(o.logits, t)}, {"right": 1.0})
            )
        ),
        "diagnostic right to be a finite scalar tensor, got 1.0",
    ),
    Case(
        "finite",
        "a softmax of its own",
        tiny_loss(altered_loss(naive)),
        "true logits 50 below the others, got NaN or infinity",
    ),
    Case(
        "differentiable",
        "a view that is detached",
        tiny_loss(altered_loss(deaf_views), needs="views"),
        "a gradient for view 2, got none",
    ),
    Case(
        "falls",
        "the wrong sign",
        tiny_loss(entropy(torch.neg)),
        "an objective that falls as the true logit rises",
    ),
    Case(
        "counts",
        "divides by a count of 0",
        tiny_loss(weighted),
        "a finite objective for class counts (6, 6, 0, 0), got nan",
    ),
    Case(
        "views",
        "takes pairs only",
        tiny_loss(altered_loss(pairs_only), needs="views"),
        "Losses for logits (12, 4) and 3 views, got ValueError",
    ),
    Case(
        "unscored",
        "hears turns without a label",
        tiny_loss(altered_loss(hears_all)),
        "an objective that does not look at logits of unscored",
    ),
    Case(
        "determinism",
        "counts its calls",
        tiny_loss(entropy(lambda x: x + 3e-7 * next(calls))),
        "the same number for the same batch, got another",
    ),
    Case(
        "float64",
        "float32 whatever is asked for",
        tiny_loss(
            altered_loss(lambda o, t: Losses({"entropy": cross_entropy(o.logits.float(), t)}))
        ),
        "a float64 objective within 0.0001",
    ),
    Case(
        "no-global-state",
        "warns",
        tiny_loss(altered_loss(warning)),
        "no warning during build and a call",
    ),
    Case(
        "no-global-state",
        "draws from everybody's generator",
        tiny_loss(altered_loss(drawing)),
        "another random state of torch",
    ),
)
