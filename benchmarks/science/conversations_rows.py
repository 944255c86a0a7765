"""Which rows the study of context trains, and what the generator promises about their
differences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nverbench_datasets.conversation_design import ATMOSPHERE, BOTH, DESIGNS, ORDER, PLAIN, Design
from nverbench_datasets.conversation_ideal import Ideal

LEFT_OUT, HELD = "leave-one-group-out", "holdout=ses5"
SHUFFLES = ("intra", "inter-speaker", "inter")


@dataclass(frozen=True)
class Row:
    """One line of a table: a fusion on a corpus."""

    corpus: str
    fusion: str
    shuffle: str = "none"
    folds: str = LEFT_OUT

    def __str__(self) -> str:
        return f"{self.corpus} {self.fusion} {self.shuffle} {self.folds}"


@dataclass(frozen=True)
class Fact:
    """A paired difference of accuracies a - b, and what the generator says of it."""

    claim: str
    a: Row
    b: Row
    planted: bool
    """Whether the generator put there what a has and b has not."""
    ceiling: float
    """What an ideal observer gains, as a fraction of the scored turns."""


def rows() -> tuple[Row, ...]:
    """All of the study, corpus by corpus, folds by folds."""
    return tuple(
        dict.fromkeys(
            row for design in DESIGNS for folds in (LEFT_OUT, HELD) for row in _rows(design, folds)
        )
    )


def _rows(design: Design, folds: str) -> Iterable[Row]:
    mamba = Row(design.name, "erc-mamba", folds=folds)
    yield mamba
    yield replace(mamba, fusion="erc-mamba:context=utterance")
    shuffles: dict[Design, tuple[str, ...]] = {
        BOTH: SHUFFLES,
        ORDER: ("intra", "inter"),
        ATMOSPHERE: ("intra", "inter"),
        PLAIN: ("intra",),
    }
    if folds == LEFT_OUT:
        yield from (replace(mamba, shuffle=shuffle) for shuffle in shuffles[design])
        yield replace(mamba, fusion="erc-mean")
        if design is BOTH:
            yield from (
                replace(mamba, fusion=fusion)
                for fusion in ("erc-prior", "erc-transformer", "erc-gru")
            )


def facts(design: Design, ideal: Ideal, have: Iterable[Row]) -> list[Fact]:
    """What can be asked of these rows about this corpus, whose ideal observers reach ``ideal``."""
    mood, order = design.atmosphere > 0, design.order > 0
    found = set(have)
    asked = [
        fact
        for folds in (LEFT_OUT, HELD)
        for fact in _asked(design.name, folds, ideal, mood=mood, order=order)
    ]
    return [fact for fact in asked if {fact.a, fact.b} <= found]


def _asked(corpus: str, folds: str, ideal: Ideal, *, mood: bool, order: bool) -> Iterable[Fact]:
    whole, of_bag, of_order = (
        ideal.order - ideal.single,
        ideal.bag - ideal.single,
        ideal.order - ideal.bag,
    )
    mamba = Row(corpus, "erc-mamba", folds=folds)
    alone, mean = (
        replace(mamba, fusion="erc-mamba:context=utterance"),
        replace(mamba, fusion="erc-mean"),
    )
    yield Fact("context helps", mamba, alone, mood or order, whole)
    for fusion in ("erc-transformer", "erc-gru"):
        yield Fact(
            f"context helps {fusion}", replace(mamba, fusion=fusion), alone, mood or order, whole
        )
    for fusion in ("erc-mean", "erc-prior"):
        yield Fact(
            f"the bag of turns helps ({fusion})", replace(mamba, fusion=fusion), alone, mood, of_bag
        )
    yield Fact("order says more than the bag", mamba, mean, order, of_order)
    yield Fact(
        "shuffling turns within conversations costs",
        mamba,
        replace(mamba, shuffle="intra"),
        order,
        of_order,
    )
    for shuffle in ("inter-speaker", "inter"):
        what = "over all conversations" + (", speakers kept," if shuffle == "inter-speaker" else "")
        yield Fact(
            f"shuffling turns {what} costs",
            mamba,
            replace(mamba, shuffle=shuffle),
            mood or order,
            whole,
        )
