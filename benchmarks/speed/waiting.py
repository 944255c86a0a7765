"""The cost of waiting threads: Audio-Mamba tiny on two threads, alone and next to a busy process, with
spinning and with sleeping waiters.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

WORK = """
import time, torch
from nverbench import LoadContext
from nverbench.plugin import discovery
encoder = discovery.discover().backbone("audio-mamba-tiny").load(LoadContext("cpu"))
waves, lengths = torch.randn(4, 30000), torch.full((4,), 30000)
encoder(waves, lengths)
began = time.perf_counter()
encoder(waves, lengths)
print((time.perf_counter() - began) / 4)
"""
BUSY = "import torch\ntorch.set_num_threads(1)\na = torch.randn(800, 800)\nwhile True: a @ a"


def seconds(policy: str) -> float:
    """Median seconds a clip of three processes."""
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    runs = [
        subprocess.run(
            [sys.executable, "-c", WORK],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(3)
    ]
    return statistics.median(float(r) for r in runs)


def main() -> None:
    """Print a Markdown table."""
    print("| other process | spinning (active) s/clip | sleeping (passive) s/clip |\n|---|---|---|")
    print(f"| none | {seconds('active'):.3f} | {seconds('passive'):.3f} |", flush=True)
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        print(f"| one busy core | {seconds('active'):.3f} | {seconds('passive'):.3f} |", flush=True)
    finally:
        busy.kill()
        busy.wait()


if __name__ == "__main__":
    main()
