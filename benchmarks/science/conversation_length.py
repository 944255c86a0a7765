"""Memory and time of a training step against the length of the conversation: erc-mamba,
erc-transformer of equal size, the selective scan alone.

    python benchmarks/science/conversation_length.py [--repeats 3] [--threads 2] [--memory 16]
    [--seconds 600] [--only CASE,...] [--frames L,...]

A step is one conversation of L frames x 1024 (WavLM-large) at the paper's sizes: forward,
cross-entropy of its turns, backward. Every step runs in a process of its own, the cases of a length
one after the other and ``--repeats`` rounds of all; the table gives medians. Memory is the process'
peak (VmHWM, so Linux only) beyond what it held after its imports and a step of 64 frames: the
conversation itself and everything the step makes of it. Seconds are user and system time of all
threads, which a busy machine changes little; wall time stands beside them. A step past ``--memory``
GiB of address space is "out of memory", one past ``--seconds`` of user and system time "not
finished".
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

WIDTH, CLASSES = 1024, 6
TURN = 222
"""Frames of a turn: IEMOCAP's 151 conversations of 14,776 frames hold 10,039 turns."""
LONGEST = 26_684
CASES = {
    "erc-mamba": (1_000, 2_000, 4_000, 8_000, 16_000, LONGEST),
    "erc-transformer": (1_000, 4_000, 16_000),
    "scan": (1_000, 2_000, 4_000, 8_000, 16_000, LONGEST),
}
WARM = 64
ENDED = {signal.SIGXCPU: "not finished", signal.SIGKILL: "out of memory"}
"""What a signal of the kernel means."""


# --- the process of one step


def step_of(case: str) -> Callable[[int], None]:
    """What takes one step of so many frames."""
    return scan_step() if case == "scan" else training_step(case)


def training_step(name: str) -> Callable[[int], None]:
    """Forward, loss and backward of a recogniser with its default options, dropout drawn as the
    harness does.
    """
    import torch

    from nverbench import Batch
    from nverbench.plugin import discovery
    from nverbench.training.dropout import drawn

    torch.manual_seed(0)
    module = discovery.discover().fusion(name).build((WIDTH,), CLASSES).train()
    print(f"{name}: {sum(p.numel() for p in module.parameters()):,} weights", file=sys.stderr)

    def step(frames: int) -> None:
        starts = torch.arange(0, frames, TURN)
        turns = torch.stack([starts, (starts + TURN).clamp(max=frames)], dim=1)  # (u, 2)
        batch = Batch((torch.randn(1, frames, WIDTH),), (torch.tensor([frames]),), (turns,))
        with drawn(torch.Generator().manual_seed(0)):
            logits = module(batch).logits  # (u, k)
            torch.nn.functional.cross_entropy(logits, torch.arange(len(turns)) % CLASSES).backward()
        module.zero_grad(set_to_none=True)

    return step


def scan_step() -> Callable[[int], None]:
    """One selective scan of erc-mamba's width, forward and backward in all of its arguments."""
    import torch
    from scan import CONVERSATION, problem

    from nverbench.ssm import selective_scan

    def step(frames: int) -> None:
        given = {
            key: value.requires_grad_()
            for key, value in problem("cpu", **CONVERSATION | {"l": frames}).items()
        }
        torch.autograd.grad(
            selective_scan(**given, delta_softplus=True).square().mean(), list(given.values())
        )

    return step


def measured(
    case: str, frames: int, threads: int, gibibytes: float, seconds: int
) -> dict[str, Any]:
    """CPU and wall seconds, and MiB, of one step in this process; or why there are none."""
    import torch

    torch.set_num_threads(threads)
    step = step_of(case)
    step(WARM)
    before = peak()
    resource.setrlimit(resource.RLIMIT_AS, (int(gibibytes * 2**30),) * 2)
    # Not wall time: others may have the processor.
    resource.setrlimit(
        resource.RLIMIT_CPU,
        (math.ceil(processor()) + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]),
    )
    began, cpu, faults = (
        time.perf_counter(),
        processor(),
        resource.getrusage(resource.RUSAGE_SELF).ru_majflt,
    )
    try:
        step(frames)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):
            raise
        return {"failed": "out of memory"}
    major = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - faults
    return {
        "cpu": processor() - cpu,
        "wall": time.perf_counter() - began,
        "mib": peak() - before,
        "major_faults": major,
    }


def processor() -> float:
    """User and system seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    """MiB of memory that this process had at most. (getrusage's maximum begins with that of the
    process that started this one.)
    """
    line = next(
        line
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


# --- all of them


def in_a_process(case: str, frames: int, asked: argparse.Namespace) -> dict[str, Any]:
    """``measured`` in a fresh process."""
    limits = [f"--{name}={getattr(asked, name)}" for name in ("threads", "memory", "seconds")]
    command = [sys.executable, __file__, "--child", case, str(frames), *limits]
    environment = {**os.environ, "OMP_NUM_THREADS": str(asked.threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and -done.returncode not in ENDED:
        raise SystemExit(f"{case} at {frames} frames failed:\n{done.stderr}")
    found: dict[str, Any] = (
        {"failed": ENDED[-done.returncode]} if done.returncode else json.loads(done.stdout)
    )
    said = found.get(
        "failed"
    ) or "{cpu:.2f} s CPU, {wall:.2f} s wall, {mib:.0f} MiB, {major_faults} major faults".format(
        **found
    )
    print(f"{case:16s} {frames:6,} frames: {said}", file=sys.stderr, flush=True)
    return found


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several steps; one that failed says so for all."""
    failed = next((r for r in rounds if "failed" in r), None)
    return failed or {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def cell(found: dict[str, Any] | None) -> str:
    """CPU seconds (wall seconds) and MiB as two columns."""
    if found is None:
        return "| | "
    return (
        f"| {found['failed']} | "
        if "failed" in found
        else f"| {found['cpu']:.2f} ({found['wall']:.2f}) | {found['mib']:,.0f} "
    )


def table(found: dict[tuple[str, int], dict[str, Any]], cases: list[str]) -> None:
    """A row per length, and how time and memory grow."""
    print(
        "| frames | "
        + " | ".join(f"{case}: CPU s (wall s) | MiB" for case in cases)
        + " | transformer / Mamba, CPU s |"
    )
    print("|" + "---|" * (2 * len(cases) + 2))
    for frames in sorted({length for _, length in found}):
        mamba, rival = (
            found.get((case, frames), {}).get("cpu") for case in ("erc-mamba", "erc-transformer")
        )
        ratio = f"{rival / mamba:.2f}" if mamba and rival else ""
        print(
            f"| {frames:,} "
            + "".join(cell(found.get((case, frames))) for case in cases)
            + f"| {ratio} |"
        )
    print()
    for case, what in itertools.product(cases, ("mib", "cpu")):
        points = [
            (frames, one[what])
            for (name, frames), one in sorted(found.items())
            if name == case and "failed" not in one
        ]
        if len(points) > 1:
            name = "memory" if what == "mib" else "CPU time"
            print(
                f"{case}: {name} grows with length to the power {exponent(points):.2f}"
                f" ({points[0][0]:,} to {points[-1][0]:,} frames)"
            )


def exponent(points: list[tuple[int, float]]) -> float:
    """The slope of the least-squares line through log amount against log length: 1 where an amount
    is proportional to the length.
    """
    slope: float = statistics.linear_regression(
        *zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    ).slope
    return slope


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=float, default=16.0, help="GiB of address space of a step")
    parser.add_argument(
        "--seconds", type=int, default=600, help="user and system time that a step may take"
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(CASES),
        help=f"of {', '.join(CASES)}",
    )
    parser.add_argument(
        "--frames",
        type=lambda text: [int(length) for length in text.split(",")],
        help="these lengths for every case",
    )
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print a Markdown table; or, as the process of one step, its JSON."""
    asked = arguments()
    if asked.child:
        print(
            json.dumps(
                measured(
                    asked.child[0], int(asked.child[1]), asked.threads, asked.memory, asked.seconds
                )
            )
        )
        return
    wanted = [(case, frames) for case in asked.only for frames in asked.frames or CASES[case]]
    wanted.sort(key=lambda pair: pair[1])
    rounds = [{pair: in_a_process(*pair, asked) for pair in wanted} for _ in range(asked.repeats)]
    table({pair: medians([one[pair] for one in rounds]) for pair in wanted}, asked.only)


if __name__ == "__main__":
    main()
