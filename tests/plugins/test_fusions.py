"""Laws of the first-party heads and fusions: linear, fcn, cnn, concat, reno."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

import nverbench_fusions
from nverbench import Batch, Output, PartError, UsageError
from nverbench_fusions.conv import stage
from nverbench_fusions.reno import SelfAttention

FUSIONS = {fusion.name: fusion for fusion in nverbench_fusions.nverbench_fusions()}
DIMS = {1: (48,), 2: (48, 26)}
MULTIHEAD = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias", "out.weight": "out_proj.weight", "out.bias": "out_proj.bias"}
every_fusion = pytest.mark.parametrize("name", FUSIONS)
pairs = pytest.mark.parametrize("name", ["concat", "reno"])


def built(name: str, *, seed: int = 0, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    return FUSIONS[name].build(dims_of(name), 6, **options)


def dims_of(name: str) -> tuple[int, ...]:
    return DIMS[FUSIONS[name].arity[0]]


def clips(name: str, rows: int = 5, dtype: torch.dtype = torch.float32) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(tuple(torch.randn(rows, dim, generator=generator, dtype=dtype) for dim in dims_of(name)))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_importing_the_plugins_does_not_import_torch() -> None:
    code = "import sys, nverbench_fusions, nverbench_losses; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@pytest.mark.parametrize(("name", "streams"), [("linear", 1), ("fcn", 1), ("cnn", 1), ("concat", 2), ("reno", 2)])
def test_a_fusion_declares_how_many_backbones_it_takes_and_refuses_another_number(name: str, streams: int) -> None:
    assert FUSIONS[name].arity == (streams, streams)
    with pytest.raises(PartError, match=f"{name}: expected {streams} stream"):
        FUSIONS[name].build((48,) * (streams + 1), 6)


@every_fusion
def test_every_option_is_keyword_only_and_has_a_default(name: str) -> None:
    options = list(inspect.signature(FUSIONS[name].build).parameters.values())[2:]
    assert all(option.kind is option.KEYWORD_ONLY and option.default is not option.empty for option in options)


@every_fusion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_logits_are_clips_by_classes_in_the_type_of_the_features(name: str, dtype: torch.dtype) -> None:
    logits = built(name).to(dtype)(clips(name, dtype=dtype)).logits
    assert (logits.shape, logits.dtype) == ((5, 6), dtype)


@every_fusion
def test_every_parameter_gets_a_gradient(name: str) -> None:
    module = built(name, dropout=0.0) if name != "linear" else built(name)
    module(clips(name)).logits.square().sum().backward()
    assert [key for key, parameter in module.named_parameters() if parameter.grad is None or not parameter.grad.any()] == []


@every_fusion
@pytest.mark.parametrize("row", [0, 4])
def test_a_clip_alone_gets_what_it_gets_in_a_batch(name: str, row: int) -> None:
    module, batch = built(name).eval(), clips(name)
    alone = module(Batch(tuple(stream[row : row + 1] for stream in batch.streams)))
    torch.testing.assert_close(alone.logits, module(batch).logits[row : row + 1], rtol=1e-5, atol=1e-5)


@every_fusion
def test_one_seed_gives_one_module(name: str) -> None:
    assert torch.equal(built(name, seed=3)(clips(name)).logits, built(name, seed=3)(clips(name)).logits)


@pytest.mark.parametrize("name", ["linear", "fcn", "cnn"])
def test_a_head_gives_no_views(name: str) -> None:
    assert built(name)(clips(name)).views == ()


@pairs
def test_a_pair_gives_one_aligned_view_per_backbone(name: str) -> None:
    views = built(name, align_dim=10)(clips(name)).views
    assert [tuple(view.shape) for view in views] == [(5, 10), (5, 10)]


@pairs
def test_views_reach_the_whole_of_their_branch_with_a_gradient(name: str) -> None:
    module = built(name)
    sum(view.square().sum() for view in module(clips(name)).views).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in module.branches.parameters())


@pairs
def test_swapping_the_streams_with_their_branches_changes_nothing(name: str) -> None:
    module, batch = built(name).eval(), clips(name)
    expected = module(batch)
    actual = swapped(module)(Batch(batch.streams[::-1]))
    torch.testing.assert_close(actual.logits, expected.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(actual.views, expected.views[::-1])


def swapped(module: nn.Module) -> nn.Module:
    module.branches = module.branches[::-1]
    first = module.dense[0].weight
    first.data = torch.cat(first.data.chunk(2, dim=1)[::-1], dim=1)
    return module


def test_concat_is_reno_without_its_attention() -> None:
    attention = {key for key in built("reno").state_dict() if "attention" in key}
    assert set(built("concat").state_dict()) == set(built("reno").state_dict()) - attention
    assert len(attention) == 3 * 6


@pytest.mark.parametrize(("dim", "expected"), [(768, 460_166), (960, 558_470), (1920, 1_049_990), (3840, 2_033_030)])
def test_fcn_has_the_parameters_its_layers_imply(dim: int, expected: int) -> None:
    assert parameters(FUSIONS["fcn"].build((dim,), 6)) == expected


@pytest.mark.parametrize(("dim", "expected"), [(768, 6_364_742), (960, 7_937_606), (1920, 15_801_926), (3840, 31_530_566)])
def test_cnn_has_the_parameters_its_layers_imply(dim: int, expected: int) -> None:
    with torch.device("meta"):
        assert parameters(FUSIONS["cnn"].build((dim,), 6)) == expected


@pytest.mark.parametrize(("name", "expected"), [("concat", 19_216_646), ("reno", 19_513_862)])
def test_a_pair_has_the_parameters_its_layers_imply(name: str, expected: int) -> None:
    with torch.device("meta"):
        assert parameters(FUSIONS[name].build((3840, 768), 6)) == expected


@pytest.mark.parametrize("positions", [6, 7])
def test_a_conv_stage_is_torch_convolution_then_relu_then_pooling(positions: int) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv1d(3, 5, 3, padding=1).double(), torch.randn(2, positions, 3, dtype=torch.float64)
    expected = nn.functional.max_pool1d(conv(x.transpose(1, 2)).relu(), 2).transpose(1, 2)
    torch.testing.assert_close(stage(x, conv), expected)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_self_attention_is_torch_multihead_attention_with_residual_and_norm(norm: str) -> None:
    torch.manual_seed(0)
    ours, torchs, x = SelfAttention(8, heads=2, norm=norm), nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(3, 5, 8)
    torchs.load_state_dict({MULTIHEAD[key]: value for key, value in ours.state_dict().items() if key in MULTIHEAD})
    read = ours.norm(x) if norm == "pre" else x
    expected = x + torchs(read, read, read)[0]
    torch.testing.assert_close(ours(x), expected if norm == "pre" else ours.norm(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["fcn", "cnn", "concat", "reno"])
@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan"), "0.3"])
def test_a_dropout_outside_its_range_is_refused_in_one_line(name: str, dropout: object) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: dropout is [^\n]*\Z"):
        built(name, dropout=dropout)


@pytest.mark.parametrize(
    ("name", "options"),
    [("fcn", {"dense1": 0}), ("fcn", {"dense2": 1.5}), ("cnn", {"conv1": -1}), ("concat", {"align_dim": True}), ("reno", {"heads": 0})],
)
def test_a_size_that_is_no_positive_whole_number_is_refused_in_one_line(name: str, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: {next(iter(options))} is [^\n]*\Z"):
        built(name, **options)


@pytest.mark.parametrize("options", [{"heads": 3}, {"align_dim": 255}, {"conv2": 33}])
def test_heads_that_do_not_divide_a_token_are_refused_in_one_line(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"\Areno: heads=\d does not divide [^\n]*\Z"):
        built("reno", **options)


@pytest.mark.parametrize("name", ["cnn", "concat", "reno"])
def test_features_too_few_for_two_pools_are_refused(name: str) -> None:
    with pytest.raises(PartError, match="at least 4 features"):
        FUSIONS[name].build((3,) * FUSIONS[name].arity[0], 6)


@every_fusion
def test_a_fusion_gives_an_output_record(name: str) -> None:
    assert isinstance(built(name)(clips(name)), Output)


def test_an_unknown_order_of_norm_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"\Areno: norm is 'middle'; expected post [^\n]*\Z"):
        built("reno", norm="middle")
