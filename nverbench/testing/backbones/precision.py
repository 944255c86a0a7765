"""Precision and device: a backbone gives what was asked for, or refuses it."""

from __future__ import annotations

import numpy as np
import torch

from nverbench.errors import UsageError
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, Pass, Skip, violation

HALF = {"bfloat16": 0.1, "float16": 0.05}
"""Largest norm of the difference to float32 frames, as a part of their norm: 8 and 11 bits through
a deep network.
"""
DOUBLE = 1e-3


def dtype(subject: Subject) -> Pass | Skip:
    """float32 frames from float32 waves, and frames near those in half precision."""
    wave = subject.wave(0.7)
    given = subject.answer([wave])
    if given.frames.dtype != torch.float32:
        raise violation(
            subject,
            expected="float32 frames",
            got=str(given.frames.dtype),
            do="compute in ctx.dtype: mind numpy's and python's doubles",
        )
    wanted = subject.frames([wave])[0]
    return Pass(
        "; ".join(_near(subject, name, wanted, tolerance) for name, tolerance in HALF.items())
    )


def double(subject: Subject) -> Pass | Skip:
    """float64, where the backbone offers it."""
    try:
        return Pass(_near(subject, "float64", subject.frames([subject.wave(0.7)])[0], DOUBLE))
    except UsageError as error:
        return Skip(f"refused: {error}")


def _near(
    subject: Subject,
    name: str,
    wanted: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    tolerance: float,
) -> str:
    """How far frames in another precision are from float32's; one that is refused with UsageError
    is said.
    """
    try:
        encoder = subject.load(dtype=name)
    except UsageError as error:
        if name == "float64":
            raise
        return f"{name} refused: {error}"
    got = subject.frames([subject.wave(0.7)], encoder, dtype=name)[0]
    apart = (
        float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))
        if got.shape == wanted.shape
        else float("inf")
    )
    if not apart <= tolerance:
        do = (
            "keep sums, norms and the front end in float32 (autocast does), or refuse the dtype"
            " with UsageError"
        )
        raise violation(
            subject,
            expected=f"{name} frames within {tolerance:g} of the float32 ones",
            got=f"{apart:.1e}",
            do=do,
        )
    return f"{name} {apart:.1e} off ({tolerance:g} allowed)"


def device(subject: Subject) -> Pass | Skip:
    """Frames lie where the harness asked for them."""
    asked = [subject.device] + (
        ["cuda"] if torch.cuda.is_available() and subject.device == "cpu" else []
    )
    for name in asked:
        encoder = subject.encoder if name == subject.device else subject.load(device=name)
        given = subject.answer([subject.wave(0.7)], encoder, device=name)
        if given.frames.device.type != torch.device(name).type:
            do = "put weights, buffers and what forward makes on ctx.device"
            raise violation(
                subject, expected=f"frames on {name}", got=str(given.frames.device), do=do
            )
    return Pass(", ".join(asked))


CHECKS = (
    Check(
        "dtype",
        "float32 waves give float32 frames; bfloat16 and float16 give finite frames near them, or"
        " are refused with UsageError.",
        dtype,
    ),
    Check(
        "float64",
        "float64 gives frames near the float32 ones, where the backbone offers it.",
        double,
    ),
    Check("device", "Frames lie on the device asked for.", device),
)
