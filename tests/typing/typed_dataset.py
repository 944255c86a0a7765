"""A dataset as a strict type checker wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nverbench import Clip, Dataset, LabelCard, Misfit, hookimpl


def load(root: Path) -> Iterator[Clip | Misfit]:
    """One clip, one file that does not fit."""
    yield Clip("a.wav", root / "a.wav", "joy", speaker="anna")
    yield Misfit("b.txt", "expected a wav file")


@hookimpl
def nverbench_datasets() -> Iterable[Dataset]:
    """One dataset."""
    return [
        Dataset(
            name="mycorpus",
            corpus="mycorpus",
            labels=("joy",),
            load=load,
            label_card=LabelCard(kind="portrayed", setting="acted"),
        )
    ]
