"""What a fusion refuses before it imports torch, each in one line: streams that do not fit, and options out of range."""

from __future__ import annotations

from collections.abc import Sequence

from nverbench import PartError, UsageError


def check_dims(fusion: str, dims: Sequence[int], classes: int, *, streams: int, smallest: int = 1) -> None:
    """Nothing; raises PartError unless there are ``streams`` streams of at least ``smallest`` features, and at least one class."""
    if len(dims) != streams:
        raise PartError(f"{fusion}: expected {streams} stream{'s' * (streams > 1)}, got {len(dims)} of sizes {tuple(dims)}")
    if min(dims) < smallest:
        raise PartError(f"{fusion}: expected at least {smallest} features per stream, got sizes {tuple(dims)}")
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
        raise UsageError(f"{fusion}: dropout is {dropout!r}; expected a rate of at least 0 and below 1")


def check_heads(fusion: str, heads: int, **sizes: int) -> None:
    """Nothing; raises UsageError when the attention heads do not divide a token's size."""
    for name, size in sizes.items():
        if size % heads:
            raise UsageError(f"{fusion}: heads={heads} does not divide {name}={size}; choose a divisor of {size}")


def check_norm(fusion: str, norm: str) -> None:
    """Nothing; raises UsageError for an order of residual and LayerNorm that is neither post nor pre."""
    if norm not in ("post", "pre"):
        raise UsageError(f"{fusion}: norm is {norm!r}; expected post (normalise the sum) or pre (normalise what attention reads)")
