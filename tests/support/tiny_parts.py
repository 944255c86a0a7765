"""A well-behaved dataset, fusion and loss, small enough for every rule to be tried often; and what
one row of a table of broken ones is.
"""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nverbench import (
    Batch,
    Clip,
    Dataset,
    Fusion,
    LabelCard,
    Loss,
    Losses,
    Misfit,
    Output,
    Recipe,
    Source,
    UsageError,
)

LABELS, SPEAKERS = ("cry", "laugh"), tuple(f"s{number}" for number in range(1, 6))
BIBTEX = "@misc{tiny, title = {Tiny}, year = {2024}}"


@dataclass(frozen=True)
class Case:
    """A part that breaks a rule."""

    rule: str
    what: str
    """What its author did."""
    part: Any
    words: str
    """Of the message."""
    also: tuple[str, ...] = ()
    """Other rules that the same mistake cannot help breaking."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


# --- dataset


def sample(root: Path, seconds: float = 0.05, peak: float = 0.5) -> None:
    """SPEAKER/LABEL.wav, 16 kHz."""
    for number, speaker in enumerate(SPEAKERS):
        for label in LABELS:
            (root / speaker).mkdir(exist_ok=True)
            write(
                root / speaker / f"{label}.wav", 200 + 50 * number + 20 * len(label), seconds, peak
            )


def write(path: Path, hertz: float, seconds: float = 0.05, peak: float = 0.5) -> None:
    """A tone."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        tone = (
            int(32767 * peak * math.sin(2 * math.pi * hertz * i / 16000))
            for i in range(round(16000 * seconds))
        )
        file.writeframes(b"".join(struct.pack("<h", value) for value in tone))


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Clips by name; whatever else lies beside them is named."""
    for path in sorted(root.glob("*/*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".wav" and path.stem in LABELS:
            yield Clip(name.removesuffix(".wav"), path, path.stem, speaker=path.parent.name)
        else:
            yield Misfit(name, "not SPEAKER/LABEL.wav")


def loads(change: Callable[[Clip, Path], Any]) -> Callable[[Path], Iterable[Any]]:
    """A load that changes every clip."""
    return lambda root: [
        change(item, root) if isinstance(item, Clip) else item for item in load(root)
    ]


def tiny_dataset(**facts: Any) -> Dataset:
    """The record, with other facts where they are given."""
    card = LabelCard(kind="portrayed", setting="acted", raters="none", languages="none")
    source = Source(address="https://example.org/tiny.zip", licence="CC0")
    given = {
        "name": "tiny",
        "corpus": "tiny",
        "load": load,
        "labels": LABELS,
        "label_card": card,
        "sample": sample,
        "sources": (source,),
        "licence": "CC0",
        "citation": BIBTEX,
        "folds": ("speaker", "random", "leave-one-group-out"),
    }
    return Dataset(**{**given, **facts})


# --- fusion


class Tiny(nn.Module):
    """Every stream to a few features, side by side to logits; of frames, their mean; of turns,
    beside their conversation's mean.
    """

    def __init__(self, dims: Sequence[int], classes: int, width: int = 8) -> None:
        super().__init__()
        self.align = nn.ModuleList(nn.Linear(dim, width) for dim in dims)
        self.head = nn.Linear(width * len(dims), classes)

    def pooled(self, batch: Batch) -> list[Tensor]:
        if batch.lengths is None:
            return list(batch.streams)
        if batch.turns is None:
            return [
                torch.stack([row[:n].mean(0) for row, n in zip(x, some, strict=True)])
                for x, some in zip(batch.streams, batch.lengths, strict=True)
            ]
        return [
            torch.stack([x[0, a:b].mean(0) for a, b in some.tolist()])
            for x, some in zip(batch.streams, batch.turns, strict=True)
        ]

    def forward(self, batch: Batch) -> Output:
        views = tuple(align(x) for align, x in zip(self.align, self.pooled(batch), strict=True))
        return Output(self.head(torch.cat([torch.tanh(view) for view in views], dim=1)), views)


class Altered(nn.Module):
    """The well-behaved module, its answer changed."""

    def __init__(self, tiny: nn.Module, change: Callable[[Any, Output, Batch], Any]) -> None:
        super().__init__()
        self.tiny, self.change, self.calls = tiny, change, 0

    def forward(self, batch: Batch) -> Any:
        self.calls += 1
        return self.change(self, self.tiny(batch), batch)


def build(dims: Sequence[int], classes: int, *, width: int = 8, how: str = "tanh") -> nn.Module:
    """Two options, one of them a choice."""
    if how != "tanh":
        raise UsageError(f"tiny: how is {how!r}; expected tanh")
    return Tiny(dims, classes, width)


def builds(change: Callable[[Any, Output, Batch], Any]) -> Callable[..., nn.Module]:
    """A build whose module's answer is changed."""
    return lambda dims, classes: Altered(Tiny(dims, classes), change)


def tiny_fusion(build: Callable[..., nn.Module] = build, **facts: Any) -> Fusion:
    """The record, with other facts where they are given."""
    given = {"name": "tiny", "arity": (2, None), "build": build, "views": True}
    return Fusion(**{**given, **facts})


FRAMES: dict[str, Any] = {"wants": "frames", "recipe": Recipe(unit="clip")}
TALKS: dict[str, Any] = {"wants": "frames", "recipe": Recipe(unit="conversation")}


# --- loss


def objective(
    classes: int, counts: Tensor, *, smoothing: float = 0.0
) -> Callable[[Output, Tensor], Losses]:
    """Cross-entropy, and its accuracy as a diagnostic."""

    def losses(output: Output, target: Tensor) -> Losses:
        term = nn.functional.cross_entropy(output.logits, target, label_smoothing=smoothing)
        return Losses(
            {"entropy": term}, {"right": (output.logits.argmax(1) == target).double().mean()}
        )

    return losses


def aligned(classes: int, counts: Tensor) -> Callable[[Output, Tensor], Losses]:
    """The same, and how far views are apart."""
    plain = objective(classes, counts)

    def losses(output: Output, target: Tensor) -> Losses:
        whole = torch.stack(output.views)
        return Losses(
            {**plain(output, target).terms, "apart": (whole - whole.mean(0)).square().mean()}
        )

    return losses


def altered_loss(change: Callable[[Output, Tensor], Any]) -> Callable[..., Any]:
    """A build whose objective is that function."""
    return lambda classes, counts: change


def tiny_loss(build: Callable[..., Any] = objective, **facts: Any) -> Loss:
    """The record."""
    return Loss(**{"name": "tiny", "build": build, **facts})
