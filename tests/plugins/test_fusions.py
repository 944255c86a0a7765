"""Laws of every first-party head and fusion: shapes, gradients, rows, seeds, options."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from nverbench import Batch, Output, PartError, UsageError
from nverbench_fusions.conv import stage
from nverbench_fusions.reno import SelfAttention
from support.fusion_cases import (
    FUSIONS,
    HEADS,
    MANY,
    TRANSPORTING,
    VIEWS,
    built,
    clips,
    dims_of,
    objective,
    prepared,
    takes,
)

MULTIHEAD = {
    "qkv.weight": "in_proj_weight",
    "qkv.bias": "in_proj_bias",
    "out.weight": "out_proj.weight",
    "out.bias": "out_proj.bias",
}
every_fusion = pytest.mark.parametrize("name", FUSIONS)
with_views = pytest.mark.parametrize("name", VIEWS)
SHAPES = [((48, 26), 6), ((4, 4), 2), ((33, 48), 1), ((16, 12, 9), 5), ((8, 8, 8, 8), 3)]


def test_importing_the_plugins_does_not_import_torch() -> None:
    code = "import sys, nverbench_fusions, nverbench_losses; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def test_the_plugin_brings_heads_and_fusions_of_any_number_of_streams() -> None:
    assert HEADS == ["linear", "fcn", "cnn", "parrot-fcn", "parrot-cnn"]
    assert set(MANY) == FUSIONS.keys() - set(HEADS)


@every_fusion
def test_a_number_of_streams_outside_the_arity_is_refused_in_one_line(name: str) -> None:
    fewest, most = FUSIONS[name].arity
    wrong = (48,) * (most + 1 if most else fewest - 1)
    wanted = f"{fewest} stream{'s' * (fewest > 1)}{'' if most else ' or more'},"
    with pytest.raises(PartError, match=rf"\A{name}: expected {wanted} [^\n]*\Z"):
        FUSIONS[name].build(wrong, 6)


@every_fusion
def test_every_option_is_keyword_only_and_has_a_default(name: str) -> None:
    options = list(inspect.signature(FUSIONS[name].build).parameters.values())[2:]
    assert all(
        option.kind is option.KEYWORD_ONLY and option.default is not option.empty
        for option in options
    )


@every_fusion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_logits_are_clips_by_classes_in_the_type_of_the_features(
    name: str, dtype: torch.dtype
) -> None:
    output = built(name).to(dtype)(clips(dims_of(name), dtype=dtype))
    assert isinstance(output, Output)
    assert (output.logits.shape, output.logits.dtype) == ((5, 6), dtype)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize(("dims", "classes"), SHAPES, ids=str)
def test_any_number_of_streams_gives_logits_and_a_view_of_each_in_training_and_evaluation(
    name: str, dims: Sequence[int], classes: int
) -> None:
    module = built(name, dims, classes=classes, small=True)
    for output in (module(clips(dims)), prepared(module, dims)(clips(dims))):
        assert output.logits.shape == (5, classes)
        assert len(output.views) == (len(dims) if FUSIONS[name].views else 0)
        assert len({view.shape for view in output.views}) <= 1
        assert output.logits.isfinite().all()


@every_fusion
def test_every_parameter_gets_a_gradient_from_the_default_loss(name: str) -> None:
    module = built(name, dropout=0.0) if takes(name, "dropout") else built(name)
    objective(name, module(clips(dims_of(name), rows=12)), torch.arange(12) % 6).backward()
    assert [
        key
        for key, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ] == []


@pytest.mark.parametrize("name", MANY)
def test_the_same_backbone_twice_trains_every_parameter(name: str) -> None:
    module, (stream,) = (
        built(name, (48, 48), small=True, dropout=0.0),
        clips((48,), rows=12).streams,
    )
    objective(name, module(Batch((stream, stream))), torch.arange(12) % 6).backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())
    assert [key for key, parameter in module.named_parameters() if not parameter.grad.any()] == []


@every_fusion
@pytest.mark.parametrize("row", [0, 4])
def test_a_clip_alone_gets_what_it_gets_in_a_batch(name: str, row: int) -> None:
    dims = dims_of(name)
    module, batch = prepared(built(name), dims), clips(dims)
    alone = module(Batch(tuple(stream[row : row + 1] for stream in batch.streams)))
    torch.testing.assert_close(
        alone.logits, module(batch).logits[row : row + 1], rtol=1e-5, atol=1e-5
    )


@every_fusion
def test_one_seed_gives_one_module_and_dropout_acts_in_training_only(name: str) -> None:
    dims, batch = dims_of(name), clips(dims_of(name))
    first, second = (prepared(built(name, seed=3), dims) for _ in range(2))
    assert torch.equal(first(batch).logits, second(batch).logits)
    assert torch.equal(first(batch).logits, first(batch).logits)
    assert torch.equal(first.train()(batch).logits, first(batch).logits) != takes(name, "dropout")


@every_fusion
def test_nothing_but_dropout_draws_from_the_global_generator(name: str) -> None:
    dims, before = dims_of(name), torch.get_rng_state()
    module = built(name, small=True, dropout=0.0)
    module(clips(dims))
    prepared(module, dims)(clips(dims))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", sorted(FUSIONS.keys() - set(VIEWS)))
def test_a_fusion_that_declares_no_views_gives_none(name: str) -> None:
    assert built(name)(clips(dims_of(name))).views == ()


@with_views
def test_views_reach_the_whole_of_their_branch_with_a_gradient(name: str) -> None:
    module = built(name)
    after_the_views = ("dense", "attention", "gates")
    branches = [
        value
        for key, value in module.named_parameters()
        if key.split(".")[0] not in after_the_views
    ]
    sum(view.square().sum() for view in module(clips(dims_of(name))).views).backward()
    assert branches
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in branches)


def test_concat_is_reno_without_its_attention() -> None:
    attention = {key for key in built("reno").state_dict() if "attention" in key}
    assert set(built("concat").state_dict()) == set(built("reno").state_dict()) - attention
    assert len(attention) == 3 * 6


def test_a_permuted_cnn_is_the_cnn_of_features_in_one_fixed_order() -> None:
    plain, shuffled, batch = built("cnn").eval(), built("cnn", permute=True).eval(), clips((48,))
    order = shuffled.order
    assert sorted(order.tolist()) == list(range(48))
    assert torch.equal(order, built("cnn", permute=True, seed=9).order)
    assert not torch.equal(order, torch.arange(48))
    assert torch.equal(shuffled(batch).logits, plain(Batch((batch.streams[0][:, order],))).logits)


@pytest.mark.parametrize("head", ["fcn", "cnn"])
def test_late_fusion_is_the_mean_of_its_heads_logits(head: str) -> None:
    module, batch = built("late", head=head).eval(), clips((48, 26))
    singles = [built(head, (dim,)).eval() for dim in (48, 26)]
    for single, own in zip(singles, module.heads, strict=True):
        single.load_state_dict(own.state_dict())
    expected = (
        sum(
            single(Batch((stream,))).logits
            for single, stream in zip(singles, batch.streams, strict=True)
        )
        / 2
    )
    torch.testing.assert_close(module(batch).logits, expected)


@pytest.mark.parametrize("positions", [6, 7])
def test_a_conv_stage_is_torch_convolution_then_relu_then_pooling(positions: int) -> None:
    torch.manual_seed(0)
    conv, x = (
        nn.Conv1d(3, 5, 3, padding=1).double(),
        torch.randn(2, positions, 3, dtype=torch.float64),
    )
    expected = nn.functional.max_pool1d(conv(x.transpose(1, 2)).relu(), 2).transpose(1, 2)
    torch.testing.assert_close(stage(x, conv), expected)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_self_attention_is_torch_multihead_attention_with_residual_and_norm(norm: str) -> None:
    torch.manual_seed(0)
    ours, torchs, x = (
        SelfAttention(8, heads=2, norm=norm),
        nn.MultiheadAttention(8, 2, batch_first=True),
        torch.randn(3, 5, 8),
    )
    torchs.load_state_dict(
        {MULTIHEAD[key]: value for key, value in ours.state_dict().items() if key in MULTIHEAD}
    )
    read = ours.norm(x) if norm == "pre" else x
    expected = x + torchs(read, read, read)[0]
    torch.testing.assert_close(
        ours(x), expected if norm == "pre" else ours.norm(expected), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", [name for name in FUSIONS if takes(name, "dropout")])
@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan"), "0.3"])
def test_a_dropout_outside_its_range_is_refused_in_one_line(name: str, dropout: object) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: dropout is [^\n]*\Z"):
        built(name, dropout=dropout)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, o)
        for name in FUSIONS
        for o in ("align_dim", "conv1", "dense1", "dense", "width", "heads", "iterations")
        if takes(name, o)
    ],
)
@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_size_that_is_no_positive_whole_number_is_refused_in_one_line(
    name: str, option: str, size: object
) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: {option} is [^\n]*\Z"):
        built(name, **{option: size})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reno", {"heads": 3}),
        ("reno", {"align_dim": 255}),
        ("reno", {"conv2": 33}),
        ("cross-attention", {"heads": 3}),
        ("mata", {"heads": 7}),
    ],
)
def test_heads_that_do_not_divide_a_token_are_refused_in_one_line(
    name: str, options: dict[str, int]
) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: heads=\d does not divide [^\n]*\Z"):
        built(name, **options)


@pytest.mark.parametrize(
    "name", [name for name in FUSIONS if takes(name, "conv1") and name != "late"]
)
def test_features_too_few_for_two_pools_are_refused(name: str) -> None:
    with pytest.raises(PartError, match="at least 4 features"):
        FUSIONS[name].build((3,) * FUSIONS[name].arity[0], 6)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        *((name, "transport", "bnak") for name in TRANSPORTING),
        *(
            (name, "epsilon", value)
            for name in TRANSPORTING
            for value in (0.0, -1.0, float("nan"), float("inf"))
        ),
        *((name, "norm", "middle") for name in ("reno", "mata")),
        ("late", "head", "linear"),
    ],
)
def test_an_unknown_choice_or_a_number_out_of_range_is_refused_in_one_line(
    name: str, option: str, value: object
) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: {option} is [^\n]*; expected [^\n]*\Z"):
        built(name, **{option: value})
