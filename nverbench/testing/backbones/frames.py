"""What a backbone gives for clips of any length, company and content: shapes, batch invariance,
finite numbers, channels, short clips.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nverbench.errors import PartError
from nverbench.testing.backbones.subject import Subject, voice
from nverbench.testing.check import Check, Pass, Skip, violation

if TYPE_CHECKING:
    from nverbench.testing.backbones.subject import Array

SECONDS = (0.05, 0.7, 1.98, 4.0, 30.0)
MINUTE = 60.0
RATE_TOLERANCE = 0.02
"""Beside one frame: front ends lose the last incomplete frame, and windows of a fixed size lose one
each.
"""
DRIFT = 1e-5
"""Largest difference, as a part of the clip's largest absolute value, that company may make."""
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


def shapes(subject: Subject) -> Pass | Skip:
    """From one sample to half a minute."""
    return _shapes(subject, (1 / subject.part.sample_rate, *SECONDS))


def minute(subject: Subject) -> Pass | Skip:
    """A clip of a minute."""
    return _shapes(subject, (1.0, MINUTE))


def _shapes(subject: Subject, durations: Sequence[float]) -> Pass:
    """Shapes, types, frame rate, and no fewer frames for a longer clip."""
    part, counts = subject.part, [0]
    for wave in (subject.wave(seconds) for seconds in durations):
        said, t = f"of {len(wave)} samples", _frames_of_one(subject, wave)
        wanted = len(wave) / part.sample_rate * part.frame_rate
        if part.frame_rate and abs(t - wanted) > 1 + RATE_TOLERANCE * wanted:
            expected = (
                f"{wanted:.1f} frames {said} (frame_rate {part.frame_rate:g}, within one frame and"
                f" {RATE_TOLERANCE:.0%})"
            )
            raise violation(
                subject, expected=expected, got=str(t), do="correct frame_rate, or the lengths"
            )
        if t < counts[-1]:
            raise violation(
                subject,
                expected=f"at least {counts[-1]} frames {said}, as for a shorter clip",
                got=str(t),
                do="correct the lengths",
            )
        counts.append(t)
    return Pass(
        f"{', '.join(map(str, counts[1:]))} frames for {', '.join(f'{s:.3g}' for s in durations)} s"
    )


def _frames_of_one(subject: Subject, wave: Array) -> int:
    """How many valid frames a clip has, once its answer is known to be well formed."""
    said = f"for a clip of {len(wave)} samples"
    given = subject.answer([wave])
    frames, lengths, d = given.frames, given.lengths, subject.part.frame_dim
    if (
        frames.ndim != 3
        or frames.shape[0] != 1
        or frames.shape[2] != d
        or not frames.is_floating_point()
    ):
        got = f"{tuple(frames.shape)} of {frames.dtype}"
        raise violation(
            subject,
            expected=f"frames (b=1, t, d={d}) of floats {said}",
            got=got,
            do="correct frame_dim, or the encoder",
        )
    if lengths.shape != (1,) or lengths.dtype != torch.int64:
        got = f"{tuple(lengths.shape)} of {lengths.dtype}"
        raise violation(
            subject,
            expected=f"lengths (b=1,) of int64 {said}",
            got=got,
            do="give the number of valid frames per clip",
        )
    t = int(lengths[0])
    if not 1 <= t <= frames.shape[1]:
        do = "give at least one frame, and no length beyond the frames there are"
        raise violation(
            subject, expected=f"a length of 1 to {frames.shape[1]} {said}", got=str(t), do=do
        )
    return t


def batch_invariance(subject: Subject) -> Pass | Skip:
    """Row i of a batch is clip i alone, in any company."""
    waves = [subject.wave(seconds, seed) for seed, seconds in enumerate(MIXED)]
    alone = [subject.frames([wave])[0] for wave in waves]
    worst = 0.0
    for company, order, noise, extra in BATCH_COMPOSITIONS:
        together = subject.frames([waves[i] for i in order], noise=noise, extra=extra)
        for i, got in zip(order, together, strict=True):
            said = f"a clip of {len(waves[i])} samples {company}"
            if got.shape != alone[i].shape:
                raise violation(
                    subject,
                    expected=f"{len(alone[i])} frames of {said}, as alone",
                    got=str(len(got)),
                    do=ISOLATE,
                )
            moved = drift(got, alone[i])
            if not moved <= DRIFT:
                expected = f"{said} to be the clip alone within {DRIFT:.0e} of its largest value"
                raise violation(subject, expected=expected, got=f"{moved:.1e}", do=ISOLATE)
            worst = max(worst, moved)
    return Pass(f"largest drift {worst:.1e} of {DRIFT:.0e}")


def drift(got: Array, wanted: Array) -> float:
    """The largest difference, as a part of the largest absolute value wanted; NaN where a number is
    NaN, which is no `<= DRIFT`.
    """
    return float(np.abs(got - wanted).max() / max(float(np.abs(wanted).max()), 1e-30))


def finite(subject: Subject) -> Pass | Skip:
    """Silence, a constant, full scale and a whisper."""
    for name, signal in SIGNALS.items():
        wave = subject.long_enough(signal(round(0.7 * subject.part.sample_rate)))
        given = subject.answer([wave])
        if not torch.isfinite(given.frames[0, : int(given.lengths[0])]).all():
            raise violation(
                subject,
                expected=f"finite frames for {name}",
                got="NaN or infinity",
                do="guard divisions and logarithms against zero",
            )
    return Pass(", ".join(SIGNALS))


def stereo(subject: Subject) -> Pass | Skip:
    """A stereo file whose channels average to a mono file embeds to the same numbers."""
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
        (wanted,), (got,) = subject.frames([subject.read(one)]), subject.frames([subject.read(two)])
    apart = drift(got, wanted) if got.shape == wanted.shape else float("inf")
    if not apart <= DRIFT:
        do = "the harness gives the mean of the channels: take that wave as it is"
        raise violation(
            subject,
            expected=f"the frames of the mono file from the stereo one within {DRIFT:.0e}",
            got=f"{apart:.1e}",
            do=do,
        )
    return Pass(f"{apart:.1e} apart")


def short(subject: Subject) -> Pass | Skip:
    """A clip below ``min_samples``, which the harness never sends."""
    least = subject.part.min_samples
    if least == 1:
        return Skip("min_samples is 1: no clip is too short")
    try:
        given = subject.answer([voice(least - 1, subject.part.sample_rate)])
    except PartError as error:
        return Pass(f"refused: {error}")
    if int(given.lengths[0]) < 1 or not torch.isfinite(given.frames).all():
        do = "refuse it with PartError, or lower min_samples"
        raise violation(
            subject,
            expected=f"{least - 1} samples to be refused, or finite frames",
            got="none or not finite",
            do=do,
        )
    return Pass("taken all the same")


CHECKS = (
    Check(
        "shapes",
        "Clips of one sample to 30 s give (b, t, frame_dim) floats and int64 lengths at the"
        " declared frame rate.",
        shapes,
    ),
    Check(
        "one-minute", "A clip of 60 s gives frames at the declared frame rate.", minute, slow=True
    ),
    Check(
        "batch-invariance",
        f"Row i of a batch is clip i alone within {DRIFT:.0e}, whatever its mates, order and"
        " padding.",
        batch_invariance,
    ),
    Check(
        "finite",
        "Silence, a constant, a square wave at full scale and very quiet noise give finite frames.",
        finite,
    ),
    Check(
        "stereo",
        "A stereo file embeds like the mono file that is the mean of its channels.",
        stereo,
    ),
    Check("short", "A clip below min_samples is refused with PartError, or taken.", short),
)
