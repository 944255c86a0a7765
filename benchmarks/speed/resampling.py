"""Resampling a two-second clip to 16 kHz: torchaudio's convolution on one and on two threads
against our filter bank; milliseconds, medians of 7.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nverbench import import_torchaudio
from nverbench.data import audio

RATES = (48000, 44100, 32000, 24000, 22050, 11025, 8000)


def milliseconds(function: Callable[[Any], Any], wave: Any) -> float:
    """Median of seven, after one that is not counted."""
    function(wave)
    times = []
    for _ in range(7):
        began = time.perf_counter()
        function(wave)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def row(native: int) -> str:
    """One line of the table: times, and the largest difference."""
    transform = import_torchaudio().transforms.Resample(native, 16000, **audio.KAISER)
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * native).astype(np.float32)
    cells = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        cells.append(milliseconds(lambda w: audio.convolved(transform, w), wave))
    bank = audio.resampler(native, 16000)
    cells.append(milliseconds(bank, wave))
    apart = float(np.abs(bank(wave) - audio.convolved(transform, wave)).max())
    return f"| {native} | " + " | ".join(f"{c:.2f}" for c in cells) + f" | {apart:.1e} |"


def main() -> None:
    """Print a Markdown table."""
    print(
        "| from Hz | torchaudio, 1 thread | torchaudio, 2 threads | filter bank | largest"
        " difference |\n|---|---|---|---|---|"
    )
    for native in RATES:
        print(row(native), flush=True)


if __name__ == "__main__":
    main()
