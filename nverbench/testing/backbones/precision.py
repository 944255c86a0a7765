"""Rules about precision and device: a backbone honours the requested ones, or refuses them."""

from __future__ import annotations

import numpy as np
import torch

from nverbench.errors import UsageError
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Pass, Skip, rule, violation

HALF = {"bfloat16": 0.1, "float16": 0.05}
"""Largest norm of the difference to float32 frames, relative to their norm: 8 and 11 bits of
precision through a deep network.
"""
DOUBLE = 1e-3


@rule(
    "dtype",
    "float32 waves give float32 frames; bfloat16 and float16 give finite frames near them, or"
    " are refused with UsageError.",
)
def dtype(subject: Subject) -> Pass | Skip:
    wave = subject.wave(0.7)
    given = subject.answer([wave])
    if given.frames.dtype != torch.float32:
        do = "compute in ctx.dtype: numpy and Python compute in float64"
        raise violation(subject, "float32 frames", str(given.frames.dtype), do)
    reference = subject.frames([wave])[0]
    return Pass(
        "; ".join(_near(subject, name, reference, tolerance) for name, tolerance in HALF.items())
    )


@rule("float64", "float64 gives frames near the float32 ones, where the backbone offers it.")
def double(subject: Subject) -> Pass | Skip:
    try:
        return Pass(_near(subject, "float64", subject.frames([subject.wave(0.7)])[0], DOUBLE))
    except UsageError as error:
        return Skip(f"refused: {error}")


def _near(
    subject: Subject,
    name: str,
    reference: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    tolerance: float,
) -> str:
    """The distance of frames in another precision from the float32 ones, in words; also a refusal
    with UsageError.
    """
    try:
        encoder = subject.load(dtype=name)
    except UsageError as error:
        if name == "float64":
            raise
        return f"{name} refused: {error}"
    got = subject.frames([subject.wave(0.7)], encoder, dtype=name)[0]
    apart = (
        float(np.linalg.norm(got - reference) / np.linalg.norm(reference))
        if got.shape == reference.shape
        else float("inf")
    )
    if not apart <= tolerance:
        do = (
            "keep sums, norms and the front end in float32 (autocast does), or refuse the dtype"
            " with UsageError"
        )
        expected = f"{name} frames within {tolerance:g} of the float32 ones"
        raise violation(subject, expected, f"{apart:.1e}", do)
    return f"{name} {apart:.1e} off ({tolerance:g} allowed)"


@rule("device", "Frames lie on the requested device.")
def device(subject: Subject) -> Pass | Skip:
    devices = [subject.device] + (
        ["cuda"] if torch.cuda.is_available() and subject.device == "cpu" else []
    )
    for name in devices:
        encoder = subject.encoder if name == subject.device else subject.load(device=name)
        given = subject.answer([subject.wave(0.7)], encoder, device=name)
        if given.frames.device.type != torch.device(name).type:
            do = "put weights, buffers and what forward makes on ctx.device"
            raise violation(subject, f"frames on {name}", str(given.frames.device), do)
    return Pass(", ".join(devices))


CHECKS = (dtype, double, device)
