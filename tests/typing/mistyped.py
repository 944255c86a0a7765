"""What a type checker must refuse in a plugin: each line says the error that it expects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nverbench import (
    Backbone,
    Clip,
    Dataset,
    Encoder,
    Fusion,
    LabelCard,
    LoadContext,
    Loss,
    Losses,
    Output,
    api_version,
)

if TYPE_CHECKING:
    from torch import Tensor


def load(ctx: LoadContext) -> Encoder:
    def encode(waves: Tensor) -> Tensor:
        return waves

    return encode  # expect: return-value


def build(classes: int, counts: Tensor) -> Callable[[Output, Tensor], Tensor]:
    def loss(output: Output, target: Tensor) -> Tensor:
        return output.logits.mean()

    return loss


ctx = LoadContext("cpu")
ctx.device = "cuda"  # expect: misc
Backbone(name="a", family="features", dim=8, load=load)  # expect: call-arg
Backbone(name="a", family="features", frame_dim="8", dim=8, load=load)  # expect: arg-type
card = LabelCard(kind="portrayed", setting="acted")
Dataset(name="b", load=load, label_card=card)  # expect: arg-type
Clip("a.wav", "a.wav", "joy")  # expect: arg-type
Fusion(name="c", arity=(1, 1), build=lambda dims, classes: 3)  # expect: arg-type,return-value
Loss(name="d", build=build)  # expect: arg-type
Loss("e", build)  # expect: call-arg,arg-type
Losses({"ce": 0.5})  # expect: dict-item
number: float = api_version  # expect: assignment
colour = Clip("a.wav", Path("a.wav"), "joy").colour  # expect: attr-defined
