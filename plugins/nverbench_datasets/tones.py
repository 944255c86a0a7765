"""Synthetic clips for ``Dataset.sample``: a tiny corpus in the layout of a published one."""

from __future__ import annotations

from pathlib import Path


def write_tone(path: Path, hertz: float, *, rate: int = 16000, falling: bool = False) -> None:
    """Writes a third of a second of a tone: a buzz that pulses, or a tone that falls. For
    ``Dataset.sample``; the format is the suffix's.
    """
    import numpy as np
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(rate // 3) / rate
    envelope = np.exp(-4 * seconds) if falling else 0.5 + 0.5 * np.cos(2 * np.pi * 6 * seconds)
    glide = 2 - seconds if falling else 1.0
    soundfile.write(
        path, 0.3 * envelope * np.sin(2 * np.pi * hertz * seconds * glide), rate
    )  # wav: 16 bit, the default
