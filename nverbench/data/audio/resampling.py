"""Resampling of a mono wave by one Kaiser-windowed sinc filter."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nverbench.data.audio import sinc
from nverbench.data.torchaudio_guard import import_torchaudio
from nverbench.errors import AudioError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

FILTER = 10_000_000
"""Filters times phases of a polyphase filter; a larger one is evaluated per sample (``sinc``)."""
FASTEST = 768_000
"""Hz: no converter is faster; a higher rate in a header is wrong."""
SLOWEST = 1000
"""Hz: no recording of a voice has a lower rate; a wrong header would make a filter of gigabytes."""
ZEROS, ROLLOFF, BETA = 64, 0.9475937167399596, 14.769656459379492
KAISER = {
    "resampling_method": "sinc_interp_kaiser",
    "lowpass_filter_width": ZEROS,
    "rolloff": ROLLOFF,
    "beta": BETA,
}
"""kaiser_best of resampy and librosa: it suppresses aliases to -145 dB, torchaudio's default filter
to -11 dB (benchmarks/science/resampling.py).
"""

COLUMNS = 64
"""Filters of one matrix: enough for a fast matrix product, few enough that most of the matrix is
not zero.
"""
SMALL = 250_000
"""Multiplications of one product below which BLAS libraries start no threads (OpenBLAS,
interface/gemm.c: 4 x 65,536).
"""
CHUNK = 1024
"""Products whose windows are in memory at once."""
NOTHING = 1e-12
"""Taps below this lie outside the window: torchaudio's kernel holds them as sin(64 pi) in
float64.
"""


def resample(wave: NDArray[np.float32], native: int, rate: int) -> NDArray[np.float32]:
    """The wave (s,) at another sampling rate, by torchaudio's Kaiser-windowed sinc filter."""
    if native == rate:
        return wave
    if native < SLOWEST:
        raise AudioError(
            f"has a sampling rate of {native} Hz; expected at least {SLOWEST}: its header is wrong,"
            " or it is no recording of a voice"
        )
    shared = math.gcd(native, rate)
    if (native // shared) * (rate // shared) <= FILTER:
        return resampler(native, rate)(wave)
    if native > FASTEST:
        raise AudioError(
            f"has a sampling rate of {native} Hz; expected at most {FASTEST}: its header is wrong"
        )
    return sinc.resample(wave, native, rate, zeros=ZEROS, rolloff=ROLLOFF, beta=BETA)


@dataclass(frozen=True)
class FilterBank:
    """A polyphase filter bank as block Toeplitz matrices: the same numbers as a convolution with
    stride ``down``, in single-threaded products.

    Resampling runs in threads next to the network, so it must not start threads of its own:
    torch's convolution on a busy machine waits tens of milliseconds for its second thread
    (benchmarks/speed/resampling.py). Every product has the same shape, so a sample does not
    depend on the length of the wave.
    """

    matrices: tuple[tuple[int, NDArray[np.float32]], ...]
    """(first, (l, c)): c filters, and the sample of a row at which their common support of l
    samples begins.
    """
    up: int
    down: int
    blocks: int
    """A row of results is ``blocks * up`` samples; its input begins ``blocks * down`` samples after
    that of the row before.
    """
    left: int
    """Zeros before the first sample."""

    def __call__(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """The wave (s,) at ``up / down`` times its rate, of torchaudio's length: rounded up in
        float32, at most complete blocks.
        """
        import numpy as np

        exact = math.ceil(np.float32(self.up * len(wave) / self.down))
        length = min(exact, (len(wave) // self.down + 1) * self.up)
        height = max(1, SMALL // max(m.size for _, m in self.matrices))  # rows of one product
        products = -(-length // (self.blocks * self.up * height))
        step, reach = self.blocks * self.down, max(first + len(m) for first, m in self.matrices)
        needed = max((products * height - 1) * step + reach, self.left + len(wave))
        padded = np.zeros(needed, np.float32)
        padded[self.left : self.left + len(wave)] = wave
        found = np.empty((products, height, self.blocks * self.up), np.float32)
        done = 0
        for first, matrix in self.matrices:
            windows = np.lib.stride_tricks.sliding_window_view(padded[first:], len(matrix))
            windows = windows[::step][: products * height]  # (rows, l)
            windows = windows.reshape(products, height, len(matrix))
            columns = slice(done, done := done + matrix.shape[1])
            for i in range(0, products, CHUNK):  # windows overlap: copied, they exceed the wave
                chunk = np.ascontiguousarray(windows[i : i + CHUNK])
                found[i : i + CHUNK, :, columns] = np.matmul(chunk, matrix)
        return found.reshape(-1)[:length]


@functools.lru_cache(maxsize=16)
def resampler(native: int, rate: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The filter for a pair of rates, cached: its construction takes as long as its use on a
    two-second clip.
    """
    import numpy as np

    transform = import_torchaudio().transforms.Resample(native, rate, **KAISER)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, native // 20 + 1).astype(np.float32)
    shared = math.gcd(native, rate)
    try:
        bank = filter_bank(transform.kernel, transform.width, rate // shared, native // shared)
        same = np.allclose(bank(noise), convolved(transform, noise), rtol=0, atol=1e-6)
    except (AttributeError, IndexError, TypeError, ValueError):  # both attributes are private
        same = False
    return bank if same else functools.partial(convolved, transform)


def filter_bank(kernel: torch.Tensor, width: int, up: int, down: int) -> FilterBank:
    """The bank of torchaudio's ``kernel`` (up, 1, taps), which begins ``width`` samples before the
    first one.
    """
    import numpy as np

    filters = kernel.numpy()[:, 0].T  # (taps, up)
    blocks = max(1, round(COLUMNS / up))
    # column j * up + p: phase p, shifted down by j * down rows
    whole = np.zeros(((blocks - 1) * down + len(filters), blocks * up), np.float32)
    for j in range(blocks):
        whole[j * down : j * down + len(filters), j * up : (j + 1) * up] = filters
    matrices = []
    for columns in np.split(whole, range(COLUMNS, blocks * up, COLUMNS), axis=1):
        used = np.flatnonzero(np.abs(columns).max(axis=1) > NOTHING)
        matrices.append((int(used[0]), np.ascontiguousarray(columns[used[0] : used[-1] + 1])))
    return FilterBank(tuple(matrices), up, down, blocks, width)


def convolved(
    transform: Callable[[torch.Tensor], torch.Tensor], wave: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The wave through torchaudio's own transform."""
    import torch

    resampled: NDArray[np.float32] = transform(torch.from_numpy(wave)).numpy()
    return resampled
