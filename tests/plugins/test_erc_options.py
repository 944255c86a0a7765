"""Sizes, options and recipes of the conversation fusions."""

from __future__ import annotations

import inspect
import itertools

import pytest
import torch

from nverbench import PartError, Recipe, UsageError
from support.erc_cases import ALONG, FUSIONS, ORDER_FREE, built, takes

every_fusion = pytest.mark.parametrize("name", FUSIONS)
WAVLM_LARGE, LABELS = 1024, 6


def dense(*sizes: int) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes))


def feed_forward(dim: int, hidden: int) -> int:
    return 2 * dim + dense(dim, hidden, dim)


def mamba(dim: int) -> int:
    """Of one mixer: in, convolution, x, dt, A and D, out."""
    e, rank = 2 * dim, dim // 16
    return dim * 2 * e + e * (4 + 1) + e * (rank + 32) + dense(rank, e) + e * (16 + 1) + e * dim


MAMBA_LAYERS = 3 * (2 * feed_forward(256, 512) + 2 * mamba(256) + dense(512, 256))
ENCODER = 6 * (2 * 256 + dense(256, 768) + dense(256, 256) + feed_forward(256, 1024)) + 2 * 256
GRU = sum(2 * 3 * 312 * (inputs + 312 + 2) for inputs in (256, 624, 624))
STEM = dense(WAVLM_LARGE, 256)
BY_HAND = {
    "erc-mamba": (STEM + MAMBA_LAYERS + dense(256, LABELS), 4_865_030),
    "erc-transformer": (STEM + ENCODER + dense(256, LABELS), 5_003_014),
    "erc-gru": (STEM + GRU + dense(624, LABELS), 4_845_062),
    "erc-mean": (STEM + MAMBA_LAYERS + dense(512, 256, LABELS), 4_996_358),
    "erc-prior": (STEM + MAMBA_LAYERS + dense(256, LABELS) + 1, 4_865_031),
}


def counted(name: str, **options: object) -> int:
    with torch.device("meta"):
        return sum(
            parameter.numel()
            for parameter in FUSIONS[name].build((WAVLM_LARGE,), LABELS, **options).parameters()
        )


def test_the_plugin_brings_ricohs_system_two_rivals_and_two_order_free_baselines() -> None:
    assert list(FUSIONS) == [*ALONG, *ORDER_FREE]


@every_fusion
def test_a_fusion_has_the_parameters_its_layers_imply(name: str) -> None:
    assert (counted(name), counted(name)) == BY_HAND[name]


@every_fusion
def test_all_are_within_five_percent_of_erc_mambas_parameters(name: str) -> None:
    assert counted(name) == pytest.approx(counted("erc-mamba"), rel=0.05)


@pytest.mark.parametrize("name", ["erc-mamba", *ORDER_FREE])
def test_a_norm_before_each_pair_is_a_scale_and_a_shift_more(name: str) -> None:
    assert counted(name, norm="pre") - counted(name) == 3 * 2 * 256


def test_a_transformer_of_three_wide_layers_is_of_equal_size_too() -> None:
    assert counted("erc-transformer", layers=3, hidden=2474) == pytest.approx(
        counted("erc-mamba"), rel=0.001
    )


@every_fusion
def test_one_conversation_at_a_time_sixty_epochs_and_the_best_of_all(name: str) -> None:
    expected = Recipe(
        optimizer="radam-schedule-free",
        lr=1e-4,
        batch=1,
        epochs=60,
        patience=60,
        select="weighted-f1",
        unit="conversation",
    )
    assert FUSIONS[name].recipe_for(defaults(name)) == expected


@pytest.mark.parametrize("name", ALONG)
def test_single_utterances_come_in_batches_of_128(name: str) -> None:
    expected = Recipe(
        optimizer="radam-schedule-free",
        lr=1e-4,
        batch=128,
        epochs=60,
        patience=60,
        select="weighted-f1",
        unit="clip",
    )
    assert FUSIONS[name].recipe_for({**defaults(name), "context": "utterance"}) == expected


def defaults(name: str) -> dict[str, object]:
    options = list(inspect.signature(FUSIONS[name].build).parameters.values())[2:]
    assert all(
        option.kind is option.KEYWORD_ONLY and option.default is not option.empty
        for option in options
    )
    return {option.name: option.default for option in options}


@every_fusion
def test_papers_sizes_are_the_defaults(name: str) -> None:
    wanted = {"dim": 256, "layers": 3, "hidden": 512, "context": "conversation"}
    assert name != "erc-mamba" or defaults(name).items() >= wanted.items()
    assert defaults(name)["dim"] == 256


@every_fusion
@pytest.mark.parametrize("dims", [(), (8, 8)], ids=str)
def test_anything_but_one_stream_is_refused_in_one_line(name: str, dims: tuple[int, ...]) -> None:
    with pytest.raises(PartError, match=rf"\A{name}: expected 1 stream, got {len(dims)} [^\n]*\Z"):
        built(name, dims=dims)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *(
            (name, o, value)
            for name in FUSIONS
            for o in ("dim", "layers", "hidden", "heads")
            if takes(name, o)
            for value in (-1, 1.5, True, "3")
        ),
        *(
            (name, o, 0)
            for name in ALONG
            for o in ("dim", "layers", "hidden", "heads")
            if takes(name, o)
        ),
        *((name, "layers", value) for name in ORDER_FREE for value in (False, 0.0)),
        *((name, "dropout", value) for name in FUSIONS for value in (-0.1, 1.0, float("nan"))),
        *((name, "pool", "median") for name in FUSIONS),
        *((name, "context", "dialogue") for name in ALONG),
        *((name, "norm", "post") for name in ("erc-mamba", *ORDER_FREE)),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line(
    name: str, option: str, value: object
) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: {option} is [^\n]*; expected [^\n]*\Z"):
        built(name, **{option: value})


@pytest.mark.parametrize(
    ("dim", "heads", "said"),
    [(8, 3, "heads=3 does not divide dim=8"), (6, 2, "dim=6 and heads=2 give heads of 3 features")],
)
def test_heads_that_do_not_fit_are_refused_in_one_line(dim: int, heads: int, said: str) -> None:
    with pytest.raises(UsageError, match=rf"\Aerc-transformer: {said}[^\n]*\Z"):
        built("erc-transformer", dim=dim, heads=heads)


@every_fusion
def test_an_unknown_context_has_no_recipe(name: str) -> None:
    with pytest.raises(UsageError, match=r"\Aerc: context is 'dialogue'; expected [^\n]*\Z"):
        FUSIONS[name].recipe_for({"context": "dialogue"})
