"""What a fusion refuses before it imports torch, each in one line: streams that do not fit, and
options out of range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nverbench import PartError, UsageError

SMALLEST = 4  # features: two max-pools of 2 leave one position


def check_dims(
    fusion: str,
    dims: Sequence[int],
    classes: int,
    arity: tuple[int, int | None],
    *,
    smallest: int = 1,
) -> None:
    """Nothing; raises PartError unless the number of streams fits ``arity``, each has ``smallest``
    features, and there is a class.
    """
    fewest, most = arity
    if not fewest <= len(dims) <= (most or len(dims)):
        wanted = f"{fewest} stream{'s' * (fewest > 1)}{'' if most else ' or more'}"
        raise PartError(f"{fusion}: expected {wanted}, got {len(dims)} of sizes {tuple(dims)}")
    if min(dims) < smallest:
        raise PartError(
            f"{fusion}: expected at least {smallest} features per stream, got sizes {tuple(dims)}"
        )
    if classes < 1:
        raise PartError(f"{fusion}: expected at least one class, got {classes}")


def check_sizes(fusion: str, **sizes: int) -> None:
    """Nothing; raises UsageError for a size that is not a whole number of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UsageError(f"{fusion}: {name} is {size!r}; expected a whole number of at least 1")


def check_dropout(fusion: str, dropout: float) -> None:
    """Nothing; raises UsageError for a rate outside [0, 1)."""
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise UsageError(
            f"{fusion}: dropout is {dropout!r}; expected a rate of at least 0 and below 1"
        )


def check_above_zero(fusion: str, **numbers: float) -> None:
    """Nothing; raises UsageError for a number that is not finite or not above 0."""
    for name, number in numbers.items():
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not (math.isfinite(number) and number > 0)
        ):
            raise UsageError(f"{fusion}: {name} is {number!r}; expected a number above 0")


def check_heads(fusion: str, heads: int, **sizes: int) -> None:
    """Nothing; raises UsageError when the attention heads do not divide a token's size."""
    for name, size in sizes.items():
        if size % heads:
            raise UsageError(
                f"{fusion}: heads={heads} does not divide {name}={size}; choose a divisor of {size}"
            )


def check_choice(fusion: str, name: str, value: str, **choices: str) -> None:
    """Nothing; raises UsageError for a value that is none of ``choices``, which say what each one
    does.
    """
    if value not in choices:
        listed = " or ".join(f"{choice} ({meaning})" for choice, meaning in choices.items())
        raise UsageError(f"{fusion}: {name} is {value!r}; expected {listed}")


def check_norm(fusion: str, norm: str) -> None:
    """Nothing; raises UsageError for an order of residual and LayerNorm that is neither post nor
    pre.
    """
    check_choice(
        fusion, "norm", norm, post="normalise the sum", pre="normalise what attention reads"
    )
