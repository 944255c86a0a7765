"""The Kaiser-windowed sinc filter, evaluated per output sample: for pairs of sampling rates whose
polyphase filter would take gigabytes, such as 22,255 to 16,000 Hz.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEPS = 16384
"""Values of the filter between two of its zeros. Linear interpolation between them is off by at
most (pi^2 / 3) / 8 / STEPS^2 = 1.5e-9.
"""
TAPS = 1 << 20
"""Products in memory at once."""


def resample(
    wave: NDArray[np.float32], native: int, rate: int, *, zeros: int, rolloff: float, beta: float
) -> NDArray[np.float32]:
    """The wave (s,) at another rate, of torchaudio's length and by its formula
    (functional._get_sinc_resample_kernel): a filter of ``zeros`` zero crossings on each side, with
    its edge at ``rolloff`` of the lower Nyquist frequency.
    """
    import numpy as np

    table = _table(zeros, beta)
    cutoff = min(native, rate) * rolloff / native  # zero crossings per input sample
    reach = min(math.ceil(zeros / cutoff), len(wave))
    length = math.ceil(np.float32(rate * len(wave) / native))
    padded = np.pad(wave.astype(np.float64), (reach, reach + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    offsets = np.arange(-reach, reach + 1)
    found = np.empty(length, np.float32)
    size = max(1, TAPS // len(offsets))
    for begin in range(0, length, size):
        outputs = np.arange(begin, min(length, begin + size), dtype=np.int64)
        centres, rest = np.divmod(outputs * native, rate)  # output n lies at n native / rate
        distance = np.abs(offsets - rest[:, None] / rate) * (cutoff * STEPS)  # (outputs, taps)
        np.minimum(distance, zeros * STEPS, out=distance)
        index = distance.astype(np.int64)
        distance -= index
        taps = table[index]
        taps += distance * (table[index + 1] - taps)
        found[begin : begin + size] = np.einsum("ot,ot->o", windows[centres], taps) * cutoff
    return found


@functools.lru_cache(maxsize=2)
def _table(zeros: int, beta: float) -> NDArray[np.float64]:
    """sinc(t) times the Kaiser window at t = 0 ... zeros; zero from there on."""
    import numpy as np

    t = np.arange(zeros * STEPS + 2) / STEPS
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (t / zeros) ** 2))) / np.i0(beta)
    values: NDArray[np.float64] = np.sinc(t) * window
    values[zeros * STEPS :] = 0.0
    return values
