"""The conversation fusions with a recipe that ends in seconds: a plugin of the benchmark, so that
no row of it can be taken for one of the paper's.

Same networks, same optimizer, other numbers: fewer epochs at a higher learning rate, and single
utterances in batches of about as many turns as a conversation has, so that all of them take about
as many steps. Workers import it by its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nverbench import Fusion, Recipe, hookimpl
from nverbench.plugin.catalog import Origin
from nverbench_fusions import erc

PREFIX = "quick-"
EPOCHS, LR, UTTERANCES = 5, 1e-2, 10
"""Selection took an epoch from the first to the fourth in every training that was tried with
six.
"""
ORIGIN = Origin(
    "conversations-quick", "nverbench-benchmarks", f"{EPOCHS}-epochs-{LR:g}-batch-{UTTERANCES}"
)
"""Its version is in the id of every row: another recipe is another row."""
SIZES = {
    "erc-mamba": "dim=64,dropout=0.2,hidden=128,layers=1,norm=pre",
    "erc-transformer": "dim=32,dropout=0.2,heads=2,hidden=128,layers=2",
    "erc-gru": "dim=32,dropout=0.2,hidden=32,layers=1",
    "erc-mean": "dim=32,dropout=0.2,layers=0",
    "erc-prior": "dim=32,dropout=0.2,layers=0",
}
"""Mamba is 64 wide, not 32: narrower, it hears what a neighbour said in as many epochs, but not yet
the atmosphere of the whole conversation.

The sound of a turn of these corpora does not change along it: two baselines without layers hear all
of it in the mean of its frames.
"""


def recipe(options: Mapping[str, Any]) -> Recipe:
    """The paper's, in a hurry."""
    own = erc.recipe(options)
    return dataclasses.replace(
        own,
        lr=LR,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch=1 if own.unit == "conversation" else UTTERANCES,
    )


@hookimpl
def nverbench_fusions() -> Iterable[Fusion]:
    """Every conversation fusion, under a name of its own."""
    return [
        dataclasses.replace(fusion, name=PREFIX + fusion.name, recipe=recipe)
        for fusion in erc.fusions()
    ]


def text(fusion: str) -> str:
    """``erc-mamba:context=utterance`` as the quick, small fusion of that name."""
    name, _, options = fusion.partition(":")
    return f"{PREFIX}{name}:{','.join(filter(None, (options, SIZES[name])))}"
