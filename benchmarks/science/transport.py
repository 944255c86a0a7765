"""What transport between the clips of a test batch does to a prediction: batch size, and sets
sorted by class. PARROT, synthetic embeddings.

Trained on shuffled clips, as papers do, and on batches of one class each, as a loader that reads
class folders without shuffling has them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nverbench import Batch
from nverbench.plugin import discovery

CLASSES, DIMS, TRAIN, TEST, EPOCHS, SEEDS = 6, (48, 64), 480, 480, 8, 2
# of class means, in standard deviations of a feature's noise: hard enough that a leak shows
SPREAD = 0.35
READINGS = ("bank", "batch", "literal")
ORDERS = ("shuffled", "sorted by class")
SIZES = (8, 32, TEST)


def embeddings(seed: int) -> tuple[Batch, Tensor]:
    """Two streams of Gaussian features whose means depend weakly on the class, training rows before
    test rows, and the classes.
    """
    rng = np.random.default_rng(seed)
    target = np.concatenate([rng.permutation(np.arange(rows) % CLASSES) for rows in (TRAIN, TEST)])
    means = [rng.normal(size=(CLASSES, d)) for d in DIMS]
    streams = [
        SPREAD * mean[target] + rng.normal(size=(len(target), mean.shape[1])) for mean in means
    ]
    return Batch(tuple(torch.tensor(s, dtype=torch.float32) for s in streams)), torch.tensor(target)


def rows_of(batch: Batch, rows: Tensor | slice) -> Batch:
    """The batch with these rows only."""
    return Batch(tuple(stream[rows] for stream in batch.streams))


def trained(reading: str, order: str, batch: Batch, target: Tensor, seed: int) -> torch.nn.Module:
    """PARROT after a few epochs of its recipe, in eval mode, its bank filled."""
    part = discovery.discover().fusion("parrot")
    torch.manual_seed(seed)
    module = part.build(DIMS, CLASSES, transport=reading)
    optimizer = torch.optim.Adam(module.parameters(), lr=part.recipe.lr, fused=True)
    for _ in range(EPOCHS):
        batches = ordered(order, target[:TRAIN]).split(part.recipe.batch)
        for i in torch.randperm(len(batches)).tolist():
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(
                module(rows_of(batch, batches[i])).logits, target[batches[i]]
            ).backward()
            optimizer.step()
    module.eval()
    module.remember(rows_of(batch, slice(TRAIN)), torch.Generator().manual_seed(seed))
    return module


def ordered(order: str, target: Tensor) -> Tensor:
    """Rows (n,) in random order, or class after class."""
    rows = torch.randperm(len(target))
    return rows if order == "shuffled" else rows[target[rows].argsort(stable=True)]


@torch.no_grad()
def predicted(module: torch.nn.Module, batch: Batch, order: Tensor, size: int) -> Tensor:
    """Classes (n,) that the test rows get when they come in this order, in batches of ``size``."""
    classes = torch.empty(TEST, dtype=torch.long)
    for rows in order.split(size):
        classes[rows] = module(rows_of(batch, TRAIN + rows)).logits.argmax(1)
    return classes


def measured(reading: str, order: str, seed: int) -> Iterator[tuple[str, int, float, float]]:
    """Order of the test set, batch size, accuracy, and the share of clips whose class is another
    than in shuffled batches of 32.
    """
    batch, target = embeddings(seed)
    module, truth = trained(reading, order, batch, target, seed), target[TRAIN:]
    rows = {name: ordered(name, truth) for name in ORDERS}
    usual = predicted(module, batch, rows["shuffled"], 32)
    for name in ORDERS:
        for size in SIZES:
            classes = predicted(module, batch, rows[name], size)
            yield (
                name,
                size,
                (classes == truth).double().mean().item(),
                (classes != usual).double().mean().item(),
            )


def main() -> None:
    """Print a Markdown table, means over seeds."""
    torch.set_num_threads(1)
    print(
        "| transport | trained on | test set | batch | accuracy % | other class than shuffled, 32"
        " (% of clips) |\n|---|---|---|---|---|---|"
    )
    for order in ORDERS:
        for reading in READINGS:
            runs = [list(measured(reading, order, seed)) for seed in range(SEEDS)]
            for cases in zip(*runs, strict=True):
                test, size = cases[0][:2]
                accuracy, moved = (
                    100 * float(np.mean([case[i] for case in cases])) for i in (2, 3)
                )
                print(
                    f"| {reading} | {order} | {test} | {size} | {accuracy:.1f} | {moved:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
