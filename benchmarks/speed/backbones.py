"""Everything about the speed of backbones, in one run: scan engines, whole networks, padded
batches, resampling. Prints Markdown.

    python benchmarks/speed/backbones.py

On a machine that does nothing else; the GPU rows appear where torch sees a CUDA device. What real
recordings cost: ``extraction.py``.
"""

from __future__ import annotations

import os
import platform

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import resampling
import scan
import speech_batching
import torch


def main() -> None:
    """The machine, then every table."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {device}; torch {torch.__version__},"
        f" {torch.get_num_threads()} threads\n"
    )
    for part in (scan, speech_batching, resampling):
        part.main()
        print(flush=True)


if __name__ == "__main__":
    main()
