"""Fusions that break one rule each, and what the kit says of them: the table of the tests and of
benchmarks/reliability/rules.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nverbench import Batch, Output, Recipe
from support.tiny_parts import FRAMES, TALKS, Case, Tiny, builds, tiny_fusion


def loose_options(dims: Sequence[int], classes: int, width: int = 8) -> nn.Module:
    return Tiny(dims, classes, width)


def any_word(dims: Sequence[int], classes: int, *, how: str = "tanh") -> nn.Module:
    return Tiny(dims, classes)


def pairs_only(dims: Sequence[int], classes: int) -> nn.Module:
    first, second = dims
    return Tiny((first, second), classes)


def seeded(dims: Sequence[int], classes: int) -> nn.Module:
    torch.manual_seed(0)
    return Tiny(dims, classes)


def printing(dims: Sequence[int], classes: int) -> nn.Module:
    print("building ...")
    return Tiny(dims, classes)


class Nothing(nn.Module):
    """Nothing to train."""

    def __init__(self, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(dims[0], classes))

    def forward(self, batch: Batch) -> Output:
        return Output(batch.streams[0] @ self.weight)


class Unused(Tiny):
    """A layer that forward forgets."""

    def __init__(self, dims: Sequence[int], classes: int) -> None:
        super().__init__(dims, classes)
        self.gate = nn.Linear(3, 3)


class Keeps(Tiny):
    """Training rows in a plain attribute."""

    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        self.bank = batch.streams[0]


class Moves(Tiny):
    """A memory that is a weight."""

    @torch.no_grad()
    def remember(self, batch: Batch, generator: torch.Generator) -> None:
        self.head.weight += batch.streams[0].mean()


def to(logits: torch.Tensor, output: Output) -> Output:
    return Output(logits, output.views)


def over_padding(module: Any, output: Output, batch: Batch) -> Output:
    return to(output.logits + batch.streams[0].mean((1, 2))[:, None] / 10, output)


def over_everything(module: Any, output: Output, batch: Batch) -> Output:
    return to(output.logits + batch.streams[0].mean() / 10, output)


def same_for_all(module: Any, output: Output, batch: Batch) -> Output:
    return to(0 * output.logits, output) if not module.training else output


def over_loudness(module: Any, output: Output, batch: Batch) -> Output:
    return to(output.logits / batch.streams[0].square().sum(1, keepdim=True) ** 0.01, output)


def backwards(module: Any, output: Output, batch: Batch) -> Output:
    return to(2 * output.logits.detach() - output.logits, output)


def no_row_alone(module: Any, output: Output, batch: Batch) -> Output:
    return to(output.logits.squeeze(0), output)


CASES = (
    Case(
        "record",
        "a default loss that nobody has",
        tiny_fusion(default_loss="no-such-loss"),
        "an installed default_loss, got 'no-such-loss'",
    ),
    Case(
        "record",
        "an optimizer of its own",
        tiny_fusion(recipe=Recipe(optimizer="sgd")),
        "optimizer adam or radam-schedule-free, got 'sgd'",
    ),
    Case(
        "options",
        "options before the *",
        tiny_fusion(loose_options),
        "keyword-only options: the harness sets no others, got width",
    ),
    Case(
        "options",
        "takes any word",
        tiny_fusion(any_word),
        "how=no-such-choice to be refused with UsageError",
    ),
    Case(
        "arity",
        "takes pairs, declares any number",
        tiny_fusion(pairs_only),
        "a module from build((24, 36, 20), 3), got ValueError",
    ),
    Case(
        "shapes",
        "three classes whatever is asked for",
        tiny_fusion(lambda dims, classes: Tiny(dims, 3)),
        "logits (n=6, k=2) of floats",
    ),
    Case(
        "views",
        "declares views, gives none",
        tiny_fusion(builds(lambda m, o, b: Output(o.logits))),
        "2 views of one shape (n=6, a), got none",
    ),
    Case(
        "views",
        "gives views, declares none",
        tiny_fusion(views=False),
        "no views: the record declares none, got 2",
    ),
    Case(
        "rows-apart",
        "adds the mean of the batch",
        tiny_fusion(builds(lambda m, o, b: to(o.logits + o.logits.mean(0) / 10, o))),
        "the logits of a row with other rows",
        ("one-row",),
    ),
    Case(
        "one-row",
        "squeezes a batch of one",
        tiny_fusion(builds(no_row_alone)),
        "finite logits (1, k=3) for a batch of one, got (3,)",
    ),
    Case(
        "padding",
        "takes the mean over padding",
        tiny_fusion(builds(over_padding), **FRAMES),
        "with 5 more frames of padding",
        ("rows-apart", "one-row"),
    ),
    Case(
        "padding",
        "hears behind a conversation's end",
        tiny_fusion(builds(over_everything), **TALKS),
        "frames after the conversation's length",
    ),
    Case(
        "padding",
        "the same answer for every turn",
        tiny_fusion(builds(same_for_all), **TALKS),
        "the logits of a turn to follow its frames",
        ("learns",),
    ),
    Case(
        "finite",
        "divides by the loudness",
        tiny_fusion(builds(over_loudness)),
        "finite logits for zeros",
    ),
    Case(
        "float64",
        "float32 whatever is asked for",
        tiny_fusion(builds(lambda m, o, b: to(o.logits.float(), o))),
        "float64 logits within 0.001",
    ),
    Case(
        "parameters",
        "nothing to train",
        tiny_fusion(Nothing, views=False),
        "parameters to train, got none",
        ("gradients", "learns"),
    ),
    Case(
        "gradients",
        "a layer that forward forgets",
        tiny_fusion(Unused),
        "a gradient for every parameter, got none for gate.bias",
    ),
    Case(
        "determinism",
        "counts its calls",
        tiny_fusion(builds(lambda m, o, b: to(o.logits + 5e-7 * m.calls, o))),
        "the same bits when a batch",
    ),
    Case(
        "remember",
        "training rows in a plain attribute",
        tiny_fusion(lambda dims, classes: Keeps(dims, classes)),
        "buffers only, got a plain tensor bank",
    ),
    Case(
        "remember",
        "a memory that is a weight",
        tiny_fusion(lambda dims, classes: Moves(dims, classes)),
        "the same parameters after remember, got others",
    ),
    Case(
        "no-global-state",
        "a seed of its own",
        tiny_fusion(seeded),
        "first weights drawn from the seed the harness set, got a seed of its own",
    ),
    Case(
        "no-global-state",
        "prints while it builds",
        tiny_fusion(printing),
        "nothing printed during build",
    ),
    Case(
        "learns",
        "gradients of the wrong sign",
        tiny_fusion(builds(backwards)),
        "over 90% of 48 clips of 3 separable classes",
    ),
)
