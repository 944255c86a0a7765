"""One training step (forward, backward, Adam, batch 32) of every head at the papers' widths, on one
thread and on two.
"""

from __future__ import annotations

import statistics
import time

import torch

from nverbench import Batch
from nverbench.plugin import discovery

CASES = (
    ("fcn", (768,)),
    ("fcn", (3840,)),
    ("cnn", (768,)),
    ("cnn", (3840,)),
    ("reno", (768, 768)),
    ("concat", (3840, 768)),
    ("reno", (3840, 768)),
)
STEPS = 7


def step_ms(fusion: str, dims: tuple[int, ...], threads: int) -> tuple[float, int]:
    """Median milliseconds of a step, and how many weights are trained."""
    parts = discovery.discover()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    part = parts.fusion(fusion)
    module = part.build(dims, 6)
    loss = parts.loss(part.default_loss).build(6, torch.ones(6))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    batch, target = Batch(tuple(torch.randn(32, d) for d in dims)), torch.randint(0, 6, (32,))
    times = []
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(loss(module(batch), target).terms.values())).sum().backward()
        optimizer.step()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times[1:]), sum(p.numel() for p in module.parameters())


def main() -> None:
    """Print a Markdown table."""
    print("| head | widths | weights | 1 thread ms | 2 threads ms |\n|---|---|---|---|---|")
    for fusion, dims in CASES:
        one, weights = step_ms(fusion, dims, 1)
        two, _ = step_ms(fusion, dims, 2)
        print(
            f"| {fusion} | {'+'.join(map(str, dims))} | {weights / 1e6:.2f} M | {one:.0f} |"
            f" {two:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
