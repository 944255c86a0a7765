"""Faults of a decoded signal that make a clip unusable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENCE = 1e-3
"""A peak below this (-60 dBFS) is silence."""
LOUDEST = 32.0
"""A peak above this (+30 dBFS) is no recording in floating point: its samples are integers."""
WHOLE = 2.0
"""A peak above this (+6 dBFS) is none either, where every sample is a whole number."""
CANCELLED = 30.0
"""dB that a mix to mono loses where the channels cancel each other: noise and rounding are left."""


def fault(mono: NDArray[np.float32], loudest: float, lost: float = 0.0) -> str | None:
    """Why the mono wave (s,) of a clip cannot be used; None where it can.

    Args:
        loudest: the peak of any channel.
        lost: dB that the mix to mono lost (``cancelled``).
    """
    import numpy as np

    if mono.size == 0:
        return "is empty (no samples)"
    if not np.isfinite(mono).all():
        return "holds samples that are not finite numbers"
    peak = float(np.abs(mono).max())
    if loudest >= SILENCE and lost > CANCELLED:
        return (
            "its channels cancel each other when they are mixed to mono (each peaks at"
            f" {loudest:.2g}, the mix at {peak:.1g}); write one of them: ffmpeg -i IN -af"
            ' "pan=mono|c0=c0" OUT.wav'
        )
    if peak < SILENCE:
        return f"is silent (peak {peak:.1e} < {SILENCE:.0e})"
    if peak > WHOLE:
        return _out_of_range(peak, bool((mono == np.rint(mono)).all()))
    return None


def cancelled(mono: NDArray[np.float32], energy: float, channels: int) -> float:
    """dB by which the mix (s,) is below a mix of independent channels, whose squares sum to
    ``energy``; 0 or less where nothing cancels. Two channels of which one is silent give 0.
    """
    expected = energy / channels**2
    if channels < 2 or not 0 < expected < math.inf:
        return 0.0
    return 10 * math.log10(expected / max(power(mono), 1e-30 * expected))


def power(wave: NDArray[np.float32]) -> float:
    """Sum of squares."""
    import numpy as np

    return float(np.square(wave, dtype=np.float64).sum())


def _out_of_range(peak: float, whole: bool) -> str | None:
    """The reason for samples that are integers written as floats; None where they are not."""
    if peak <= (WHOLE if whole else LOUDEST):
        return None
    reach = f"samples reach {peak:,.6g}, expected -1 to 1"
    bits = next((bits for bits in (16, 24, 32) if 128 < peak <= 2 ** (bits - 1)), 0)
    if not bits:
        return f"{reach}: bring them to that range"
    return f"{reach}: {bits}-bit numbers written as float; divide them by {2 ** (bits - 1)}"
