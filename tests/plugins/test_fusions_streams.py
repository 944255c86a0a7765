"""Law of symmetry: every fusion of many streams gives the same logits when streams and the weights
that belong to them change places.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nverbench import Batch
from support.fusion_cases import MANY, SMALL, TRANSPORTING, built, clips, prepared

FIXED = {"parrot": SMALL["width"], "parrot-hadamard": SMALL["width"], "gated": SMALL["align_dim"]}
"""Leading columns of the first dense layer that read what all streams make together; the rest is
one block per stream.
"""


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize(
    ("dims", "order"),
    [((20, 13), (1, 0)), ((20, 13, 9), (2, 0, 1))],
    ids=["two streams", "three streams"],
)
def test_swapping_the_streams_with_their_weights_changes_nothing(
    name: str, dims: Sequence[int], order: Sequence[int]
) -> None:
    module, batch = (
        prepared(built(name, dims, small=True).double(), dims),
        clips(dims, dtype=torch.float64),
    )
    expected = module(batch)
    actual = permuted(module, name, dims, order)(Batch(tuple(batch.streams[i] for i in order)))
    torch.testing.assert_close(actual.logits, expected.logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        actual.views, tuple(expected.views[i] for i in order) if expected.views else ()
    )


@pytest.mark.parametrize("name", TRANSPORTING)
@pytest.mark.parametrize("reading", ["batch", "literal"])
def test_transport_within_the_batch_is_symmetric_too(name: str, reading: str) -> None:
    module, batch = (
        built(name, (20, 13), small=True, transport=reading).double().eval(),
        clips((20, 13), dtype=torch.float64),
    )
    actual = permuted(module, name, (20, 13), (1, 0))(Batch(batch.streams[::-1]))
    torch.testing.assert_close(actual.logits, module(batch).logits, rtol=1e-6, atol=1e-8)


def permuted(module: nn.Module, name: str, dims: Sequence[int], order: Sequence[int]) -> nn.Module:
    """A copy in which all that belongs to stream ``order[i]`` stands at place i."""
    module = copy.deepcopy(module)
    for part in list(module.modules()):
        for key, value in list(part.named_children()):
            if isinstance(value, nn.ModuleList):
                setattr(part, key, nn.ModuleList(value[i] for i in order))
        banks = dict(part.named_buffers(recurse=False))
        for place, i in enumerate(order):
            if f"bank_{i}" in banks:
                part.register_buffer(f"bank_{place}", banks[f"bank_{i}"])
    if hasattr(module, "dense"):
        first = module.dense[0]
        shared, own = first.weight.data.split(
            [FIXED.get(name, 0), first.in_features - FIXED.get(name, 0)], dim=1
        )
        joined = own.shape[1] == sum(dims)  # the streams themselves, not their views
        blocks = own.split(list(dims), dim=1) if joined else own.chunk(len(dims), dim=1)
        first.weight.data = torch.cat([shared, *reordered(blocks, order)], dim=1)
    for gate in getattr(module, "gates", ()):
        gate.weight.data = torch.cat(
            reordered(gate.weight.data.split(list(dims), dim=1), order), dim=1
        )
    return module


def reordered(blocks: Sequence[Tensor], order: Sequence[int]) -> list[Tensor]:
    return [blocks[i] for i in order] if len(blocks) == len(order) else list(blocks)
