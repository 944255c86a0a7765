"""Layers and projections on the command line: one forward pass per clip whatever is read out of it,
each read-out a row of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nverbench import Frames

CLIPS = 48
NOISE, LAYERS = 0, 3


@pytest.fixture
def deep(world: Any) -> Any:
    """The world with a backbone of three layers: the first is noise, the second speaks of the
    class, the last of nothing but length.
    """

    def encode(waves: torch.Tensor, lengths: torch.Tensor) -> Frames:
        frames, counts = world.encode(waves, lengths)
        means = torch.stack(
            [f[: int(n)].mean(0) for f, n in zip(frames, counts, strict=True)]
        )  # (b, 8)
        blind = counts[:, None, None].float().expand(-1, frames.shape[1], 8) / 10
        noise = torch.stack([torch.sin(1e4 * m) for m in means])
        return Frames(blind, counts, torch.stack([noise, means, blind[:, 0]], dim=1))

    world.backbones.append(
        replace(world.backbone("tiny-deep"), layers=LAYERS, load=lambda ctx: encode)
    )
    return world


def run(world: Any, backbone: str, *words: object, fusion: str = "tiny-linear") -> Any:
    return world.run(
        "run",
        "--backbone",
        backbone,
        "--fusion",
        fusion,
        "--dataset",
        "tiny-bursts",
        "--registry",
        "tiny.yaml",
        "--protocol",
        "quick",
        "--json",
        *words,
    )


def accuracy(ran: Any) -> float:
    return float(ran.records[0]["scores"]["accuracy"]["value"])


def test_every_read_out_is_a_row_of_its_own_and_costs_no_pass(deep: Any) -> None:
    first = run(deep, "tiny-deep")
    assert deep.passes == CLIPS
    others = [
        run(deep, f"tiny-deep:{how}")
        for how in ("layer=0", "layer=1", "layers=weighted", "project=3", "layer=1,project=3")
    ]
    assert [ran.code for ran in (first, *others)] == [0] * 6
    assert deep.passes == CLIPS
    assert len(deep.results) == 6
    assert (
        len(
            {
                tuple(ran.records[0]["provenance"]["embedding_digests"].values())
                for ran in (first, *others)
            }
        )
        == 4
    )


def test_the_layer_that_knows_is_better_than_the_last(deep: Any) -> None:
    knows, last, weighted = (
        accuracy(run(deep, text))
        for text in ("tiny-deep:layer=1", "tiny-deep", "tiny-deep:layers=weighted")
    )
    assert knows > 0.8 > 0.6 > last
    assert weighted > last


def test_the_last_layer_by_number_is_the_default(deep: Any) -> None:
    run(deep, "tiny-deep")
    assert "already finished" in run(deep, f"tiny-deep:layer={LAYERS - 1}").err
    assert len(deep.results) == 1


def test_two_read_outs_of_one_backbone_go_together(deep: Any) -> None:
    ran = deep.run(
        "run",
        "--backbone",
        "tiny-deep:layer=1",
        "--backbone",
        "tiny-deep:layers=weighted",
        "--fusion",
        "tiny-wide",
        "--dataset",
        "tiny-bursts",
        "--registry",
        "tiny.yaml",
        "--protocol",
        "quick",
        "--json",
    )
    assert ran.code == 0
    assert deep.passes == CLIPS
    assert ran.records[0]["entry"]["backbones"] == [
        "tiny-deep:layer=1",
        "tiny-deep:layers=weighted",
    ]


@pytest.mark.parametrize("wrong", ["layer=3", "layers=all", "project=8"])
def test_a_read_out_that_cannot_be_is_one_line(deep: Any, wrong: str) -> None:
    ran = run(deep, f"tiny-deep:{wrong}")
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert "expected" in ran.err
