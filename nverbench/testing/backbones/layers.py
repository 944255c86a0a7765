"""The rule about layers: the time means of every layer, and the frames of one layer on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nverbench.errors import UsageError
from nverbench.plugin.types import Frames
from nverbench.testing.backbones.frames import DRIFT, drift
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Pass, Skip, rule, violation

if TYPE_CHECKING:
    from nverbench.testing.backbones.subject import Array

CLIPS = (0.7, 1.98, 0.3)


@rule(
    "layers",
    "Frames.layers holds the time means (b, L, d) of the declared layers, and layer=N gives the"
    " frames of layer N.",
)
def layers(subject: Subject) -> Pass | Skip:
    waves = [subject.wave(seconds, seed) for seed, seconds in enumerate(CLIPS)]
    given, declared = subject.answer(waves), subject.part.layers
    if not declared:
        if given.layers is not None:
            got = f"{tuple(given.layers.shape)}"
            do = "declare layers=L, or give None"
            raise violation(subject, "no Frames.layers: the record declares none", got, do)
        return Skip("the record declares no layers")
    means = _means(subject, given, len(waves))
    worst = 0.0
    for i, wave in enumerate(waves):
        (alone,) = _means(subject, subject.answer([wave]), 1)
        moved = max(drift(means[i, n], alone[n]) for n in range(declared))
        if not moved <= DRIFT:
            expected = (
                f"the layers of a clip of {len(wave)} samples in a batch to be those of the clip"
                f" alone within {DRIFT:.0e}"
            )
            do = "take each mean over the clip's valid frames only"
            raise violation(subject, expected, f"{moved:.1e}", do)
        worst = max(worst, moved)
    _check_mean(subject, _time_mean(given, 0), means[0], declared - 1, "the frames")
    for n in sorted({0, declared // 2, declared - 1}):
        frames = subject.answer(waves[:1], subject.load(layer=n))
        _check_mean(subject, _time_mean(frames, 0), means[0], n, f"the frames of layer={n}")
    _check_refused(subject, declared)
    return Pass(f"{declared} layers, largest drift {worst:.1e} of {DRIFT:.0e}")


def _means(subject: Subject, given: Frames, clips: int) -> Array:
    """The layers (b, L, d) that an encoder returns, after a check of their shape."""
    expected = clips, subject.part.layers, subject.part.frame_dim
    got = None if given.layers is None else tuple(given.layers.shape)
    if given.layers is None or got != expected:
        do = "give every layer's mean over the clip's valid frames, or correct the record's layers"
        raise violation(subject, f"Frames.layers (b, L, d) = {expected}", str(got), do)
    means: Array = given.layers.float().cpu().numpy()
    if not np.isfinite(means).all():
        do = "take each mean over valid frames only"
        raise violation(subject, "finite layers", "NaN or infinity", do)
    return means


def _time_mean(given: Frames, i: int) -> Array:
    """Mean (d,) over the valid frames of clip i."""
    frames: Array = given.frames[i, : int(given.lengths[i])].double().mean(0).float().cpu().numpy()
    return frames


def _check_mean(subject: Subject, got: Array, means: Array, n: int, what: str) -> None:
    apart = drift(got, means[n])
    if not apart <= DRIFT:
        do = "layer 0 is the input of the first block, L - 1 the output of the last: give these"
        expected = f"the mean of {what} to be row {n} of Frames.layers within {DRIFT:.0e}"
        raise violation(subject, expected, f"{apart:.1e}", do)


def _check_refused(subject: Subject, beyond: int) -> None:
    try:
        subject.load(layer=beyond)
    except UsageError:
        return
    do = "refuse it in load with UsageError"
    expected = f"layer={beyond} of {beyond} layers (0 to {beyond - 1}) to be refused"
    raise violation(subject, expected, "an encoder", do)


CHECKS = (layers,)
