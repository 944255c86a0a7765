"""Laws of the first-party objectives: cross-entropy and RENO's Renyi mixture."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import nverbench_losses
from nverbench import Output, PartError, UsageError
from nverbench.plugin.types import UNSCORED
from nverbench_losses import build_cross_entropy, build_renyi
from nverbench_losses.cross_entropy import inverse_frequency
from nverbench_losses.renyi import at_equality, gap_bound, renyi_divergence, renyi_gap

COUNTS = (8, 4, 4)
TARGET = torch.tensor([0, 1, 2, 1])
BUILDS = {"cross-entropy": build_cross_entropy, "renyi": build_renyi}
every_loss = pytest.mark.parametrize("name", BUILDS)
sizes = st.integers(2, 400)
deltas = st.floats(0.01, 5.0)
orders = st.one_of(st.floats(0.1, 0.9), st.floats(1.1, 4.0))
seeds = st.integers(0, 2**31)
peaks = st.sampled_from([0.1, 1.0, 10.0, 1000.0])


def output(seed: int = 0, size: int = 16, dtype: torch.dtype = torch.float32) -> Output:
    generator = torch.Generator().manual_seed(seed)
    logits, *views = (
        torch.randn(4, width, generator=generator, dtype=dtype) for width in (3, size, size)
    )
    return Output(logits, tuple(views))


def probabilities(seed: int, size: int, peak: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = (peak * torch.randn(2, 3, size, generator=generator, dtype=torch.float64)).softmax(dim=2)
    return x, y


def objective(name: str, out: Output, target: Tensor = TARGET, **options: object) -> Tensor:
    return sum(BUILDS[name](3, COUNTS, **options)(out, target).terms.values())


def test_the_plugin_brings_cross_entropy_and_alignment_losses_that_need_views() -> None:
    needs = {loss.name: loss.needs for loss in nverbench_losses.nverbench_losses()}
    assert needs.pop("cross-entropy") is None
    assert needs == dict.fromkeys(["renyi", "kl", "jensen-shannon", "mmd", "cosine"], "views")


def test_cross_entropy_is_torch_cross_entropy() -> None:
    out = output()
    assert torch.equal(
        objective("cross-entropy", out, smoothing=0.1),
        F.cross_entropy(out.logits, TARGET, label_smoothing=0.1),
    )


@every_loss
def test_a_row_that_is_heard_but_not_scored_leaves_cross_entropy_alone(name: str) -> None:
    out, target = output(), torch.tensor([0, UNSCORED, 2, UNSCORED])
    actual = BUILDS[name](3, COUNTS)(out, target).terms["cross_entropy"]
    torch.testing.assert_close(
        actual, F.cross_entropy(out.logits[::2], target[::2]) * (0.4 if name == "renyi" else 1.0)
    )


@every_loss
@pytest.mark.parametrize("row", range(4))
def test_the_loss_falls_as_the_true_logit_rises(name: str, row: int) -> None:
    out = output()
    raised = out.logits.clone()
    raised[row, TARGET[row]] += 1
    assert objective(name, Output(raised, out.views)) < objective(name, out)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_terms_and_diagnostics_are_finite_scalars_of_the_type_of_the_logits(
    name: str, dtype: torch.dtype
) -> None:
    losses = BUILDS[name](3, COUNTS)(output(dtype=dtype), TARGET)
    scalars = {**losses.terms, **losses.diagnostics}.values()
    assert all(
        scalar.shape == () and scalar.dtype == dtype and scalar.isfinite() for scalar in scalars
    )


@every_loss
def test_the_same_inputs_give_the_same_bits(name: str) -> None:
    assert torch.equal(objective(name, output(7)), objective(name, output(7)))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((8, 4, 4), [0.6, 1.2, 1.2]), ((5, 0, 5), [1.0, 0.0, 1.0]), ((7, 7, 7), [1.0, 1.0, 1.0])],
)
def test_class_weights_are_inverse_training_frequencies_of_mean_one_and_zero_where_training_has_none(
    counts: tuple[int, ...], expected: list
) -> None:
    assert inverse_frequency(3, counts).tolist() == pytest.approx(expected)


def test_weighted_cross_entropy_uses_the_class_weights() -> None:
    out = output()
    expected = F.cross_entropy(out.logits, TARGET, weight=torch.tensor([0.6, 1.2, 1.2]))
    torch.testing.assert_close(objective("cross-entropy", out, weighted=True), expected)


@pytest.mark.parametrize(
    ("counts", "message"), [((1, 2), "counts of 3 classes"), ((0, 0, 0), "every class has none")]
)
def test_class_weights_refuse_counts_that_do_not_fit(counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(PartError, match=message):
        build_cross_entropy(3, counts, weighted=True)


def test_lam_one_is_cross_entropy() -> None:
    assert torch.equal(objective("renyi", output(), lam=1.0), objective("cross-entropy", output()))


def test_the_two_terms_are_lam_ce_and_one_minus_lam_rd_with_the_first_backbone_first() -> None:
    out = output()
    x, y = (view.softmax(dim=1) for view in out.views)
    rd = ((x + 0.2) ** 2 / (y + 0.2)).sum(dim=1).log().mean()
    expected = {"cross_entropy": 0.4 * F.cross_entropy(out.logits, TARGET), "renyi": 0.6 * rd}
    torch.testing.assert_close(dict(build_renyi(3, COUNTS)(out, TARGET).terms), expected)


def test_the_divergence_reaches_both_views_with_a_gradient() -> None:
    views = tuple(view.requires_grad_() for view in output().views)
    build_renyi(3, COUNTS)(Output(output().logits, views), TARGET).terms["renyi"].backward()
    assert all(view.grad is not None and view.grad.any() for view in views)


@given(size=st.integers(1, 400), delta=deltas, beta=orders, seed=seeds, peak=peaks)
@settings(max_examples=50, deadline=None)
def test_at_equality_the_divergence_is_log_of_one_plus_m_delta_over_beta_minus_one(
    size: int, delta: float, beta: float, seed: int, peak: float
) -> None:
    x, _ = probabilities(seed, size, peak)
    assert at_equality(size, beta, delta) == math.log1p(size * delta) / (beta - 1)
    expected = torch.full((3,), at_equality(size, beta, delta), dtype=torch.float64)
    torch.testing.assert_close(renyi_divergence(x, x, beta, delta), expected)


@given(size=sizes, delta=deltas, beta=orders, seed=seeds, peak=peaks)
@settings(max_examples=100, deadline=None)
def test_the_gap_lies_between_zero_and_its_bound(
    size: int, delta: float, beta: float, seed: int, peak: float
) -> None:
    gap = renyi_gap(*probabilities(seed, size, peak), beta, delta)
    assert (gap >= -1e-12).all()
    assert (gap <= gap_bound(size, beta, delta) + 1e-12).all()


@given(size=sizes, delta=deltas, beta=orders)
@settings(max_examples=50, deadline=None)
def test_two_different_unit_vectors_reach_the_bound(size: int, delta: float, beta: float) -> None:
    x, y = torch.eye(size, dtype=torch.float64)[:2].split(1)
    assert renyi_gap(x, y, beta, delta).item() == pytest.approx(gap_bound(size, beta, delta))


@given(size=sizes, delta=deltas, beta=orders, seed=seeds, peak=peaks)
@settings(max_examples=50, deadline=None)
def test_the_gap_is_the_divergence_less_its_value_at_equality(
    size: int, delta: float, beta: float, seed: int, peak: float
) -> None:
    x, y = probabilities(seed, size, peak)
    expected = renyi_divergence(x, y, beta, delta) - math.log1p(size * delta) / (beta - 1)
    torch.testing.assert_close(renyi_gap(x, y, beta, delta), expected, rtol=1e-6, atol=1e-9)


def test_the_bound_at_the_paper_values_is_the_closed_form() -> None:
    expected = math.log(1.2**2 / 0.2 + 0.2**2 / 1.2 + 254 * 0.2) - math.log(1 + 256 * 0.2)
    assert gap_bound(256, 2.0, 0.2) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "expected"), [(64, 1.35e-2), (256, 1.15e-3), (12288, 5.7e-7)])
def test_between_random_views_the_gap_is_as_small_as_we_say(size: int, expected: float) -> None:
    x, y = torch.randn(2, 200, size, generator=torch.Generator().manual_seed(0)).softmax(dim=2)
    assert renyi_gap(x, y, 2.0, 0.2).mean().item() == pytest.approx(expected, rel=0.1)


def test_the_divergence_is_not_symmetric() -> None:
    x, y = torch.tensor([[0.8, 0.1, 0.1]]), torch.tensor([[0.4, 0.5, 0.1]])
    assert renyi_divergence(x, y, 2.0, 0.2).item() != pytest.approx(
        renyi_divergence(y, x, 2.0, 0.2).item(), rel=1e-3
    )


def test_equal_views_show_no_gap_and_unlike_views_a_share_of_the_bound() -> None:
    out = output()
    same = build_renyi(3, COUNTS)(
        Output(out.logits, (out.views[0], out.views[0])), TARGET
    ).diagnostics
    unlike = build_renyi(3, COUNTS)(out, TARGET).diagnostics
    assert (float(same["renyi_gap"]), float(same["renyi_over_bound"])) == (0.0, 0.0)
    assert 0 < unlike["renyi_over_bound"] < 1


@pytest.mark.parametrize(
    ("normalise", "logged"),
    [
        ("softmax", {"renyi_gap", "renyi_over_bound"}),
        ("l1", {"renyi_gap", "renyi_over_bound"}),
        ("raw", {"renyi_undefined"}),
    ],
)
def test_only_probability_vectors_have_a_gap_to_log(normalise: str, logged: set[str]) -> None:
    assert (
        build_renyi(3, COUNTS, normalise=normalise)(output(), TARGET).diagnostics.keys() == logged
    )


@pytest.mark.parametrize("undefined", [0, 1, 4])
def test_raw_features_can_make_the_divergence_nan_and_the_loss_says_for_which_share_of_clips(
    undefined: int,
) -> None:
    second = torch.ones(4, 2)
    second[:undefined] = -1.0
    losses = build_renyi(3, COUNTS, normalise="raw")(
        Output(output().logits, (torch.ones(4, 2), second)), TARGET
    )
    assert losses.diagnostics["renyi_undefined"].item() == undefined / 4
    assert losses.terms["renyi"].isnan() == (undefined > 0)


def test_views_in_bfloat16_are_compared_in_float32() -> None:
    out = output()
    losses = build_renyi(3, COUNTS)(
        Output(out.logits, tuple(view.bfloat16() for view in out.views)), TARGET
    )
    assert losses.terms["renyi"].dtype == losses.diagnostics["renyi_gap"].dtype == torch.float32


@pytest.mark.parametrize(
    "options",
    [
        *({"beta": beta} for beta in (1.0, 0.0, -2.0, math.inf, math.nan)),
        *({"delta": delta} for delta in (0.0, -0.2, math.inf, math.nan)),
        *({"lam": lam} for lam in (-0.1, 1.1, math.nan)),
        {"normalise": "sotfmax"},
    ],
    ids=str,
)
def test_an_option_out_of_range_is_refused_in_one_line(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=rf"\Arenyi: {next(iter(options))} is [^\n]*\Z"):
        build_renyi(3, COUNTS, **options)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan])
def test_a_smoothing_out_of_range_is_refused_in_one_line(smoothing: float) -> None:
    with pytest.raises(UsageError, match=r"\Across-entropy: smoothing is [^\n]*\Z"):
        build_cross_entropy(3, COUNTS, smoothing=smoothing)
