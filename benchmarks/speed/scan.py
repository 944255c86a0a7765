"""The engines of the selective scan compared, and whole Audio-Mamba forwards against the same
network on the published pure-Python scan.

    python benchmarks/speed/scan.py        (OMP_WAIT_POLICY=passive is set for the run: see
    waiting.py)

Columns are medians of interleaved repetitions on the same threads. With a CUDA device the same
tables are printed for it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from torch import Tensor
from torch.nn import functional

from nverbench import LoadContext
from nverbench.plugin.discovery import discover
from nverbench.ssm import MambaMixer, engines, mamba, selective_scan

REPEATS = 5
BASE = {"b": 4, "l": 251, "e": 2304, "n": 24}
CONVERSATION = {"b": 1, "l": 26_684, "e": 512, "n": 16}


def published_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """Our transcription of the pure-Python reference that mamba-ssm publishes: everything of size
    (b, e, l, n) at once, then a loop over l.
    """
    step = delta if delta_bias is None else delta + delta_bias
    step = functional.softplus(step) if delta_softplus else step
    decay = torch.exp(torch.einsum("ble,en->beln", step, A))
    drive = torch.einsum("ble,bln,ble->beln", step, B, x)
    h = x.new_zeros(len(x), *A.shape)  # (b, e, n)
    steps = []
    for i in range(x.shape[1]):
        h = decay[:, :, i] * h + drive[:, :, i]
        steps.append(torch.einsum("ben,bn->be", h, C[:, i]))
    y = torch.stack(steps, dim=1)  # (b, l, e)
    y = y if D is None else y + x * D
    return y if z is None else y * functional.silu(z)


@contextmanager
def engine(name: str) -> Iterator[None]:
    """One engine named by the environment variable; ``published``: the transcription above inside
    every mixer.
    """
    kept = mamba.selective_scan
    if name == "published":
        mamba.selective_scan = published_scan
    else:
        os.environ[engines.VARIABLE] = name
    try:
        yield
    finally:
        mamba.selective_scan = kept
        os.environ.pop(engines.VARIABLE, None)


def side_by_side(
    cases: dict[str, Callable[[], object]], device: str, repeats: int = REPEATS
) -> dict[str, float]:
    """Median seconds of every case, measured in turns after one warm-up each."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, case in cases.items():
            began = time.perf_counter()
            case()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(t) for name, t in times.items()}


def within(name: str, case: Callable[[], object]) -> Callable[[], object]:
    """The case, run under one engine."""

    def run() -> object:
        with engine(name):
            return case()

    return run


def available(device: str) -> list[str]:
    """Engines that can be used on a device, the readable loop first."""
    x = torch.zeros(1, 1, 1, device=device)
    found = [engines.LOOP]
    for name in (engines.COMPILED, engines.KERNEL):
        with engine(name):
            found += [name] if engines.choose(x, x[0]) == name else []
    return found


# the paper's letter
def problem(device: str, *, b: int, l: int, e: int, n: int) -> dict[str, Tensor]:  # noqa: E741
    """Arguments of a scan as the mixer gives them."""
    g = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g).to(device)

    A = -torch.arange(1, n + 1).float().expand(e, n).to(device)
    shapes = {
        "x": (b, l, e),
        "delta": (b, l, e),
        "B": (b, l, n),
        "C": (b, l, n),
        "D": (e,),
        "z": (b, l, e),
        "delta_bias": (e,),
    }
    return {key: draw(*shape) for key, shape in shapes.items()} | {"A": A}


@torch.inference_mode()
def scans(device: str) -> None:
    """One layer of audio-mamba-base, batch 4, without gradients."""
    given = problem(device, **BASE)
    cases: dict[str, Callable[[], object]] = {
        "published": lambda: published_scan(**given, delta_softplus=True)
    }
    cases |= {
        name: within(name, lambda: selective_scan(**given, delta_softplus=True))
        for name in available(device)
    }
    mixer = MambaMixer(768, d_state=24, expand=3).to(device)
    u, c, d = (torch.randn(BASE["b"], BASE["l"], size, device=device) for size in (768, 2304, 48))
    weight = mixer.dt_proj.weight
    cases["matrix products"] = lambda: (
        mixer.in_proj(u),
        mixer.x_proj(c),
        functional.linear(d, weight),
        mixer.out_proj(c),
    )
    found = side_by_side(cases, device)
    print(
        f"\nOne layer of audio-mamba-base (e 2304, n 24, l 251), batch 4, {device}:\n\n| scan | ms"
        " per clip | against published |\n|---|---|---|"
    )
    for name, seconds in found.items():
        print(
            f"| {name} | {seconds / BASE['b'] * 1e3:.2f} | {found['published'] / seconds:.1f} x |",
            flush=True,
        )


def conversation(device: str) -> None:
    """One conversation of 26,684 frames (erc-mamba's width), forward and backward."""
    given = {key: value.requires_grad_() for key, value in problem(device, **CONVERSATION).items()}

    def both_ways() -> None:
        y = selective_scan(**given, delta_softplus=True)
        torch.autograd.grad(y.square().mean(), list(given.values()))

    found = side_by_side(
        {name: within(name, both_ways) for name in available(device)}, device, repeats=3
    )
    print(f"\nOne conversation of 26,684 frames (e 512, n 16), forward and backward, {device}:\n")
    print("| scan | seconds | against the torch loop |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} | {found[engines.LOOP] / seconds:.1f} x |", flush=True)


@torch.inference_mode()
def networks(device: str) -> None:
    """Whole forwards, against the same network on the published scan and against its matrix
    products alone.
    """
    print(f"\nWhole forward, clips of 1.9 s (one chunk), {device}:\n")
    print("| network | batch | how | ms per clip | against published | over matrix products |")
    print("|---|---|---|---|---|---|")
    for size, batch in (("tiny", 1), ("tiny", 8), ("base", 8)):
        encoder = (
            discover().backbone(f"audio-mamba-{size}").load(LoadContext(device), layout="published")
        )
        waves, lengths = torch.randn(batch, 30_400, device=device), torch.full((batch,), 30_400)
        blocks = [block.mixer for block in encoder.encoder.blocks]
        sizes = (blocks[0].in_proj.in_features, blocks[0].d_inner, blocks[0].dt_rank)
        u, c, d = (torch.randn(batch, 251, s, device=device) for s in sizes)

        def products(
            blocks: list[MambaMixer] = blocks, u: Tensor = u, c: Tensor = c, d: Tensor = d
        ) -> None:
            for m in blocks:
                m.in_proj(u), m.x_proj(c), functional.linear(d, m.dt_proj.weight), m.out_proj(c)

        def forward(
            encoder: Callable[..., object] = encoder,
            waves: Tensor = waves,
            lengths: Tensor = lengths,
        ) -> object:
            return encoder(waves, lengths)

        cases = {name: within(name, forward) for name in ("published", *available(device))}
        found = side_by_side(cases | {"matrix products": products}, device, repeats=3)
        for name, s in found.items():
            ratios = f"{found['published'] / s:.1f} x | {s / found['matrix products']:.2f} x"
            print(
                f"| audio-mamba-{size} | {batch} | {name} | {s / batch * 1e3:.0f} | {ratios} |",
                flush=True,
            )


def main() -> None:
    """Every table, for the CPU and for CUDA where there is one."""
    for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
        print(
            f"\n{device}, {torch.get_num_threads()} threads; engines:"
            f" {', '.join(available(device))}"
        )
        scans(device)
        conversation(device)
        networks(device)


if __name__ == "__main__":
    main()
