"""Speech transformers on a CPU: padded batches of 1, 4, 8 and 16 against one clip at a time through
plain transformers, same weights.

OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/speed/speech_batching.py [NAME ...]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nverbench import LoadContext
from nverbench_backbones import speech
from nverbench_backbones.speech_checkpoints import CHECKPOINTS
from nverbench_backbones.speech_loading import untrained

NAMES = ("wavlm-base", "wav2vec2-base")
BATCHES = (1, 8, 16)
CLIPS = 32
ROUNDS = 3
THREADS = 2


def clips() -> list[Tensor]:
    """Noise of 1 to 3 seconds, sorted by length as planned batches are."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(16_000, 48_000, (CLIPS,), generator=generator).sort().values
    return [0.1 * torch.randn(int(n), generator=generator) for n in lengths]


def ways_of(name: str, device: str) -> dict[str, Callable[[], list[Tensor]]]:
    """What is compared, by name: each gives the frames of every clip."""
    checkpoint = next(c for c in CHECKPOINTS if c.name == name)
    plain = untrained(checkpoint, LoadContext(device)).eval().to(device)
    encoder = speech.load(checkpoint, LoadContext(device))
    waves = [wave.to(device) for wave in clips()]

    def alone(wave: Tensor, every: bool) -> Tensor:
        wave = (
            (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
            if checkpoint.normalize
            else wave
        )
        output = plain(wave[None], output_hidden_states=every)
        if every:
            torch.stack([state.mean(1) for state in output.hidden_states])
        return output.last_hidden_state[0]

    def batched(size: int) -> list[Tensor]:
        got = []
        for i in range(0, CLIPS, size):
            batch = waves[i : i + size]
            out = encoder(
                pad_sequence(batch, batch_first=True), torch.tensor([len(w) for w in batch])
            )
            got += [frames[:n] for frames, n in zip(out.frames, out.lengths, strict=True)]
        return got

    ways: dict[str, Callable[[], list[Tensor]]] = {
        "plain, one clip at a time": lambda: [alone(w, False) for w in waves],
        "the same, with every layer's mean": lambda: [alone(w, True) for w in waves],
    }
    return ways | {f"ours, batches of {size}": lambda size=size: batched(size) for size in BATCHES}


@torch.inference_mode()
def compare(name: str, device: str) -> None:
    """Rows of the table: medians over rounds that visit every way in turn, so that a busy neighbour
    hits all alike.
    """
    ways = ways_of(name, device)
    times: dict[str, list[float]] = {way: [] for way in ways}
    outputs: dict[str, list[Tensor]] = {}
    for _ in range(ROUNDS + 1):  # the first warms up
        for way, run in ways.items():
            began = time.perf_counter()
            outputs[way] = run()
            if device == "cuda":
                torch.cuda.synchronize()
            times[way].append((time.perf_counter() - began) * 1e3 / CLIPS)
    medians = {way: statistics.median(spent[1:]) for way, spent in times.items()}
    plain, layered = list(medians.values())[:2]
    expected = next(iter(outputs.values()))
    for way, got in outputs.items():
        apart = max(float((a - b).abs().max()) for a, b in zip(got, expected, strict=True))
        faster = f"{plain / medians[way]:.2f} | {layered / medians[way]:.2f}"
        print(
            f"| {name} | {device} | {way} | {medians[way]:.0f} | {faster} | {apart:.0e} |",
            flush=True,
        )


def main() -> None:
    """Print a Markdown table, with rows for CUDA where there is a device."""
    torch.set_num_threads(THREADS)
    print(
        f"| architecture | device | way | ms per clip (median of {ROUNDS}) | against plain |"
        " against plain with layers | largest difference |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or NAMES:
        for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
            compare(name, device)


if __name__ == "__main__":
    main()
