"""Rules about frames: shapes, batch invariance, finite numbers, channels and short clips."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nverbench.errors import PartError
from nverbench.testing.backbones.subject import Subject, voice
from nverbench.testing.check import Pass, Skip, rule, violation

if TYPE_CHECKING:
    from nverbench.testing.backbones.subject import Array

SECONDS = (0.05, 0.7, 1.98, 4.0, 30.0)
MINUTE = 60.0
RATE_TOLERANCE = 0.02
"""Allowed in addition to one frame: front ends drop the last incomplete frame, and windows of a
fixed size drop one each.
"""
DRIFT = 1e-5
"""Largest difference that the rest of a batch may make, relative to the largest absolute value."""
MIXED = (1.98, 0.05, 2.6, 0.7)
BATCH_COMPOSITIONS: tuple[tuple[str, tuple[int, ...], bool, int], ...] = (
    ("in a batch of four", (0, 1, 2, 3), False, 0),
    ("in another order, twice", (3, 2, 3, 1, 0), False, 0),
    ("in a batch with noise in the padding", (0, 1, 2, 3), True, 0),
    ("alone, padded to more than its length", (3,), False, 9000),
)
ISOLATE = "cut each clip to its own length, or mask what lies past it in every layer"
SIGNALS: dict[str, Callable[[int], Array]] = {
    "digital silence": lambda s: np.zeros(s, np.float32),
    "a constant of 0.5": lambda s: np.full(s, 0.5, np.float32),
    "a square wave at full scale": (
        lambda s: np.where(np.arange(s) // 80 % 2, 1.0, -1.0).astype(np.float32)
    ),
    "noise at 1e-4": (
        lambda s: (1e-4 * np.random.default_rng(0).standard_normal(s)).astype(np.float32)
    ),
}


@rule(
    "shapes",
    "Clips of one sample to 30 s give (b, t, frame_dim) floats and int64 lengths at the"
    " declared frame rate.",
)
def shapes(subject: Subject) -> Pass | Skip:
    return _shapes(subject, (1 / subject.part.sample_rate, *SECONDS))


@rule("one-minute", "A clip of 60 s gives frames at the declared frame rate.", slow=True)
def minute(subject: Subject) -> Pass | Skip:
    return _shapes(subject, (1.0, MINUTE))


def _shapes(subject: Subject, durations: Sequence[float]) -> Pass:
    """Check shapes, types and frame rate, and that a longer clip never has fewer frames."""
    part, counts = subject.part, [0]
    for wave in (subject.wave(seconds) for seconds in durations):
        clip, t = f"of {len(wave)} samples", _frames_of_one(subject, wave)
        due = len(wave) / part.sample_rate * part.frame_rate
        if part.frame_rate and abs(t - due) > 1 + RATE_TOLERANCE * due:
            expected = (
                f"{due:.1f} frames {clip} (frame_rate {part.frame_rate:g}, within one frame and"
                f" {RATE_TOLERANCE:.0%})"
            )
            raise violation(subject, expected, str(t), "correct frame_rate, or the lengths")
        if t < counts[-1]:
            expected = f"at least {counts[-1]} frames {clip}, as for a shorter clip"
            raise violation(subject, expected, str(t), "correct the lengths")
        counts.append(t)
    return Pass(
        f"{', '.join(map(str, counts[1:]))} frames for {', '.join(f'{s:.3g}' for s in durations)} s"
    )


def _frames_of_one(subject: Subject, wave: Array) -> int:
    """The number of valid frames of a clip, after a check of shapes and types."""
    clip = f"for a clip of {len(wave)} samples"
    given = subject.answer([wave])
    frames, lengths, d = given.frames, given.lengths, subject.part.frame_dim
    if (
        frames.ndim != 3
        or frames.shape[0] != 1
        or frames.shape[2] != d
        or not frames.is_floating_point()
    ):
        got = f"{tuple(frames.shape)} of {frames.dtype}"
        do = "correct frame_dim, or the encoder"
        raise violation(subject, f"frames (b=1, t, d={d}) of floats {clip}", got, do)
    if lengths.shape != (1,) or lengths.dtype != torch.int64:
        got = f"{tuple(lengths.shape)} of {lengths.dtype}"
        do = "give the number of valid frames per clip"
        raise violation(subject, f"lengths (b=1,) of int64 {clip}", got, do)
    t = int(lengths[0])
    if not 1 <= t <= frames.shape[1]:
        do = "give at least one frame, and no length above the number of frames"
        raise violation(subject, f"a length of 1 to {frames.shape[1]} {clip}", str(t), do)
    return t


@rule(
    "batch-invariance",
    f"Row i of a batch is clip i alone within {DRIFT:.0e}, whatever its mates, order and padding.",
)
def batch_invariance(subject: Subject) -> Pass | Skip:
    waves = [subject.wave(seconds, seed) for seed, seconds in enumerate(MIXED)]
    alone = [subject.frames([wave])[0] for wave in waves]
    worst = 0.0
    for composition, order, noise, extra in BATCH_COMPOSITIONS:
        together = subject.frames([waves[i] for i in order], noise=noise, extra=extra)
        for i, got in zip(order, together, strict=True):
            clip = f"a clip of {len(waves[i])} samples {composition}"
            if got.shape != alone[i].shape:
                expected = f"{len(alone[i])} frames of {clip}, as alone"
                raise violation(subject, expected, str(len(got)), ISOLATE)
            moved = drift(got, alone[i])
            if not moved <= DRIFT:
                expected = f"{clip} to be the clip alone within {DRIFT:.0e} of its largest value"
                raise violation(subject, expected, f"{moved:.1e}", ISOLATE)
            worst = max(worst, moved)
    return Pass(f"largest drift {worst:.1e} of {DRIFT:.0e}")


def drift(got: Array, reference: Array) -> float:
    """The largest difference, relative to the largest absolute value of the reference. It is NaN if
    a number is NaN, and then not ``<= DRIFT``.
    """
    return float(np.abs(got - reference).max() / max(float(np.abs(reference).max()), 1e-30))


@rule(
    "finite",
    "Silence, a constant, a square wave at full scale and very quiet noise give finite frames.",
)
def finite(subject: Subject) -> Pass | Skip:
    for name, signal in SIGNALS.items():
        wave = subject.long_enough(signal(round(0.7 * subject.part.sample_rate)))
        given = subject.answer([wave])
        if not torch.isfinite(given.frames[0, : int(given.lengths[0])]).all():
            do = "guard divisions and logarithms against zero"
            raise violation(subject, f"finite frames for {name}", "NaN or infinity", do)
    return Pass(", ".join(SIGNALS))


@rule("stereo", "A stereo file embeds like the mono file that is the mean of its channels.")
def stereo(subject: Subject) -> Pass | Skip:
    import soundfile

    rate = subject.part.sample_rate
    mono = np.round(voice(rate, rate) * 2**14).astype(
        np.int16
    )  # 16 bits, so that the mean of the channels is exact
    side = np.random.default_rng(1).integers(-(2**12), 2**12, len(mono)).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "mono.wav", Path(folder) / "stereo.wav"
        soundfile.write(one, mono, rate, subtype="PCM_16")
        soundfile.write(two, np.stack([mono + side, mono - side], axis=1), rate, subtype="PCM_16")
        (reference,), (got,) = (
            subject.frames([subject.read(one)]),
            subject.frames([subject.read(two)]),
        )
    apart = drift(got, reference) if got.shape == reference.shape else float("inf")
    if not apart <= DRIFT:
        do = "use the wave unchanged: the harness already averages the channels"
        expected = f"the frames of the mono file from the stereo one within {DRIFT:.0e}"
        raise violation(subject, expected, f"{apart:.1e}", do)
    return Pass(f"{apart:.1e} apart")


@rule("short", "A clip below min_samples is refused with PartError, or taken.")
def short(subject: Subject) -> Pass | Skip:
    least = subject.part.min_samples
    if least == 1:
        return Skip("min_samples is 1: no clip is too short")
    try:
        given = subject.answer([voice(least - 1, subject.part.sample_rate)])
    except PartError as error:
        return Pass(f"refused: {error}")
    if int(given.lengths[0]) < 1 or not torch.isfinite(given.frames).all():
        do = "refuse it with PartError, or lower min_samples"
        expected = f"{least - 1} samples to be refused, or finite frames"
        raise violation(subject, expected, "none or not finite", do)
    return Pass("accepted")


CHECKS = (shapes, minute, batch_invariance, finite, stereo, short)
