"""How many parameters each fusion trains, by hand, and how its paper trains it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch

from nverbench import Recipe
from support.fusion_cases import FUSIONS, HEADS, MANY, TRANSPORTING, parameters

MIXED, WIDE = (768, 960), (768, 3840)


def dense(*sizes: int) -> int:
    """Parameters of dense layers from the first size to the last."""
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))


def convolutions(*channels: int) -> int:
    """Parameters of kernel-3 convolutions from one channel to the last."""
    return sum((3 * inputs + 1) * outputs for inputs, outputs in itertools.pairwise((1, *channels)))


def attention(size: int) -> int:
    """Query, key, value and output with their biases, and a LayerNorm."""
    return 4 * dense(size, size) + 2 * size


def parrot_branches(dims: Sequence[int]) -> int:
    return sum(convolutions(64, 128) + dense(dim // 4 * 128, 120) for dim in dims)


def reno_branches(dims: Sequence[int], extra: int = 0) -> int:
    return sum(convolutions(32, 64) + dense(dim // 4 * 64, 256) + extra for dim in dims)


def matched_width(dims: Sequence[int]) -> int:
    """Units of the first layer that give RENO's parameters: the rest is two smaller layers."""
    budget = reno_branches(dims, attention(64)) + attention(256) + dense(512, 512, 128, 6)
    return round((budget - 128 - dense(128, 6)) / (sum(dims) + 1 + 128))


BY_HAND = {
    "linear": lambda dims: dense(*dims, 6),
    "fcn": lambda dims: dense(*dims, 512, 128, 6),
    "cnn": lambda dims: convolutions(32, 64) + dense(dims[0] // 4 * 64, 512, 128, 6),
    "parrot-fcn": lambda dims: dense(*dims, 128, 6),
    "parrot-cnn": lambda dims: convolutions(64, 128) + dense(dims[0] // 4 * 128, 128, 6),
    "concat": lambda dims: reno_branches(dims) + dense(512, 512, 128, 6),
    "concat-matched": lambda dims: reno_branches(dims) + dense(512, 976, 128, 6),
    "reno": (
        lambda dims: reno_branches(dims, attention(64)) + attention(256) + dense(512, 512, 128, 6)
    ),
    "fcn-matched": (lambda dims: dense(sum(dims), matched_width(dims), 128, 6)),
    "cross-attention": (
        lambda dims: reno_branches(dims, attention(64) + 128) + dense(512, 512, 128, 6)
    ),
    "parrot": lambda dims: parrot_branches(dims) + dense(5 * 120, 128, 6),
    "parrot-ot": lambda dims: parrot_branches(dims) + dense(4 * 120, 128, 6),
    "parrot-hadamard": lambda dims: parrot_branches(dims) + dense(120, 128, 6),
    "parrot-concat": lambda dims: parrot_branches(dims) + dense(2 * 120, 128, 6),
    "mata": lambda dims: parrot_branches(dims) + attention(240) + dense(2 * 240, 128, 6),
    "late": lambda dims: sum(dense(dim, 512, 128, 6) for dim in dims),
    "gated": (
        lambda dims: (
            sum(dense(dim, 256) + dense(sum(dims), 256) for dim in dims) + dense(256, 512, 128, 6)
        )
    ),
}


def counted(name: str, dims: Sequence[int], **options: object) -> int:
    with torch.device("meta"):
        return parameters(FUSIONS[name].build(tuple(dims), 6, **options))


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("dims", [MIXED, WIDE], ids=str)
def test_a_fusion_has_the_parameters_its_layers_imply(name: str, dims: tuple[int, int]) -> None:
    dims = dims[1:] if name in HEADS else dims
    assert counted(name, dims) == BY_HAND[name](dims)


@pytest.mark.parametrize(
    ("dim", "fcn", "cnn"),
    [
        (768, 460_166, 6_364_742),
        (960, 558_470, 7_937_606),
        (1920, 1_049_990, 15_801_926),
        (3840, 2_033_030, 31_530_566),
    ],
)
def test_renos_heads_have_the_parameters_its_facts_say(dim: int, fcn: int, cnn: int) -> None:
    assert (
        counted("fcn", (dim,)),
        counted("cnn", (dim,)),
        counted("cnn", (dim,), permute=True),
    ) == (fcn, cnn, cnn)


@pytest.mark.parametrize(("name", "expected"), [("concat", 19_216_646), ("reno", 19_513_862)])
def test_a_pair_has_the_parameters_its_layers_imply(name: str, expected: int) -> None:
    assert counted(name, (3840, 768)) == expected


@pytest.mark.parametrize("dims", [MIXED, WIDE, (8, 8), (48, 26, 100)], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"align_dim": 32}, {"conv2": 16, "dense1": 64}, {"dense2": 1000}], ids=str
)
def test_the_matched_concat_has_as_many_parameters_as_reno_within_one_percent(
    dims: tuple[int, ...], options: dict[str, int]
) -> None:
    assert counted("concat-matched", dims, **options) == pytest.approx(
        counted("reno", dims, **options), rel=0.01
    )


@pytest.mark.parametrize("dims", [MIXED, WIDE, (8, 8), (48, 26, 100)], ids=str)
def test_one_fcn_has_as_many_parameters_as_reno_within_one_percent(dims: tuple[int, ...]) -> None:
    assert counted("fcn-matched", dims) == pytest.approx(counted("reno", dims), rel=0.01)


def test_one_fcn_on_one_stream_has_the_parameters_of_reno_on_this_stream_twice() -> None:
    assert counted("fcn-matched", (768,)) == pytest.approx(counted("reno", (768, 768)), rel=0.01)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in FUSIONS
        if name not in ("concat-matched", "late", "gated", "cross-attention", "linear")
    ],
)
def test_a_fusion_of_a_paper_cites_it(name: str) -> None:
    assert "arXiv" in FUSIONS[name].citation


@pytest.mark.parametrize("name", FUSIONS)
def test_a_recipe_is_empty_but_for_parrots_fifty_epochs(name: str) -> None:
    fifty = Recipe(optimizer="adam", lr=1e-3, batch=32, epochs=50, patience=10)
    assert FUSIONS[name].recipe == (
        fifty if name.startswith("parrot") or name == "mata" else Recipe()
    )


@pytest.mark.parametrize("name", MANY)
def test_only_reno_is_trained_with_the_divergence_by_default(name: str) -> None:
    assert FUSIONS[name].default_loss == ("renyi" if name == "reno" else "cross-entropy")


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("reading", ["bank", "batch", "literal"])
def test_only_transport_within_the_batch_is_transductive(name: str, reading: str) -> None:
    assert FUSIONS[name].transductive({"transport": reading}) == (
        name in TRANSPORTING and reading != "bank"
    )
