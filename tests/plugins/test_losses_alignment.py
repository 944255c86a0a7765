"""Laws of the losses for RENO's slot: mixture with cross-entropy, equality, bounds, symmetry,
extremes, any number of views.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import nverbench_losses
from nverbench import UNSCORED, Losses, Output, PartError, UsageError
from nverbench_losses.alignment import Mmd, cosine, jensen_shannon, kl
from nverbench_losses.renyi import at_equality, gap_bound, renyi_divergence

LOSSES = {loss.name: loss for loss in nverbench_losses.nverbench_losses() if loss.needs == "views"}
RIVALS = {"kl": kl, "jensen-shannon": jensen_shannon, "mmd": Mmd(0.0), "cosine": cosine}
AT_EQUALITY = dict.fromkeys(RIVALS, 0.0) | {"renyi": at_equality(16, 2.0, 0.2)}
HIGHEST = {
    "kl": math.inf,
    "jensen-shannon": math.log(2),
    "mmd": 2.0,
    "cosine": 2.0,
    "renyi": at_equality(16, 2.0, 0.2) + gap_bound(16, 2.0, 0.2),
}
TARGET = torch.tensor([0, 1, 2, 1])
every = pytest.mark.parametrize("name", LOSSES)
rivals = pytest.mark.parametrize("name", RIVALS)
seeds = st.integers(0, 2**31)
scales = st.sampled_from([1e-3, 1.0, 30.0, 1e4])


def output(
    seed: int = 0, scale: float = 1.0, streams: int = 2, dtype: torch.dtype = torch.float64
) -> Output:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, generator=generator, dtype=dtype)
    return Output(
        logits, tuple(scale * torch.randn(streams, 4, 16, generator=generator, dtype=dtype))
    )


def losses(name: str, out: Output, target: Tensor = TARGET, **options: object) -> Losses:
    return LOSSES[name].build(3, (8, 4, 4), **options)(out, target)


def alignment(name: str, out: Output) -> Tensor:
    """The term as if lam were 0."""
    return losses(name, out, lam=0.0).terms[name.replace("-", "_")]


@every
def test_lam_one_is_cross_entropy_exactly(name: str) -> None:
    terms = losses(name, output(), lam=1.0).terms
    assert torch.equal(sum(terms.values()), F.cross_entropy(output().logits, TARGET))


@every
@pytest.mark.parametrize("lam", [0.0, 0.4, 0.75])
def test_the_terms_are_lam_ce_and_one_minus_lam_alignment(name: str, lam: float) -> None:
    terms = losses(name, output(), lam=lam).terms
    assert list(terms) == ["cross_entropy", name.replace("-", "_")]
    torch.testing.assert_close(
        terms["cross_entropy"], lam * F.cross_entropy(output().logits, TARGET)
    )
    torch.testing.assert_close(terms[name.replace("-", "_")], (1 - lam) * alignment(name, output()))


@every
def test_a_row_that_is_heard_but_not_scored_leaves_cross_entropy_alone(name: str) -> None:
    out = output()
    actual = losses(name, out, torch.tensor([0, UNSCORED, 2, UNSCORED])).terms["cross_entropy"]
    torch.testing.assert_close(actual, 0.4 * F.cross_entropy(out.logits[::2], TARGET[::2]))


@every
@given(seed=seeds, scale=scales)
def test_at_equality_a_loss_measures_what_its_table_says(
    name: str, seed: int, scale: float
) -> None:
    out = output(seed, scale)
    same = alignment(name, Output(out.logits, (out.views[0], out.views[0])))
    assert same.item() == pytest.approx(AT_EQUALITY[name], abs=1e-9)


@every
@given(seed=seeds, scale=scales)
def test_an_alignment_lies_between_its_value_at_equality_and_its_bound(
    name: str, seed: int, scale: float
) -> None:
    measured = alignment(name, output(seed, scale)).item()
    assert AT_EQUALITY[name] - 1e-9 <= measured <= HIGHEST[name] + 1e-9


@rivals
@given(seed=seeds, scale=scales)
def test_only_kl_and_renyi_mind_the_order_of_the_views(name: str, seed: int, scale: float) -> None:
    out = output(seed, scale)
    there, back = (
        alignment(name, out).item(),
        alignment(name, Output(out.logits, out.views[::-1])).item(),
    )
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12) or name == "kl"


@pytest.mark.parametrize(
    "measure",
    [kl, lambda x, y: renyi_divergence(x.softmax(1), y.softmax(1), 2.0, 0.2)],
    ids=["kl", "renyi"],
)
def test_kl_and_renyi_are_not_symmetric(measure: object) -> None:
    x, y = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.5, 1.0, 0.0]])
    assert measure(x, y).item() != pytest.approx(measure(y, x).item(), rel=1e-3)


@pytest.mark.parametrize("name", ["kl", "jensen-shannon"])
def test_divergences_are_torchs_of_the_softmaxes(name: str) -> None:
    x, y = (view.log_softmax(1) for view in output().views)
    middle = ((x.exp() + y.exp()) / 2).log()
    both = (
        F.kl_div(q, p, reduction="none", log_target=True).sum(1)
        for p, q in ((x, middle), (y, middle))
    )
    expected = (
        F.kl_div(y, x, reduction="none", log_target=True).sum(1) if name == "kl" else sum(both) / 2
    )
    torch.testing.assert_close(RIVALS[name](*output().views), expected)


def test_jensen_shannon_reaches_log_two_where_nothing_is_shared() -> None:
    x, y = (100 * row[None] for row in torch.eye(3, dtype=torch.float64)[:2])
    assert jensen_shannon(x, y).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("y", "expected"), [([2.0, 0.0], 0.0), ([0.0, 3.0], 1.0), ([-1.0, 0.0], 2.0), ([0.0, 0.0], 1.0)]
)
def test_cosine_measures_directions(y: list[float], expected: float) -> None:
    assert cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([y])).item() == pytest.approx(expected)


@pytest.mark.parametrize("bandwidth", [0.0, 0.5, 3.0])
def test_mmd_is_the_double_sum_of_its_paper(bandwidth: float) -> None:
    x, y = output().views
    points = torch.cat([x, y])
    distances = torch.stack([(points[i] - points[j]).norm() for i in range(8) for j in range(i)])
    sigma = bandwidth or distances.median()

    def mean_kernel(left: Tensor, right: Tensor) -> Tensor:
        return torch.stack(
            [(-(u - v).square().sum() / (2 * sigma**2)).exp() for u in left for v in right]
        ).mean()

    torch.testing.assert_close(
        Mmd(bandwidth)(x, y), mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)
    )


def test_mmd_does_not_know_which_clip_is_which() -> None:
    x, y = output().views
    torch.testing.assert_close(Mmd(0.0)(x, y[[2, 0, 3, 1]]), Mmd(0.0)(x, y))
    assert abs(Mmd(0.0)(x, x.flip(0)).item()) < 1e-12


def test_the_median_heuristic_makes_mmd_free_of_units_and_a_bandwidth_does_not() -> None:
    x, y = output().views
    torch.testing.assert_close(Mmd(0.0)(1000 * x, 1000 * y), Mmd(0.0)(x, y))
    assert abs(Mmd(5.0)(1000 * x, 1000 * y) - Mmd(5.0)(x, y)) > 0.1


@every
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_extreme_views_and_logits_give_finite_losses_and_gradients(
    name: str, scale: float, dtype: torch.dtype
) -> None:
    out = output(scale=scale, dtype=dtype)
    leaves = [scale * out.logits, *out.views]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    given_back = losses(name, Output(leaves[0], tuple(leaves[1:])))
    gradients = torch.autograd.grad(sum(given_back.terms.values()), leaves)
    everything = [*given_back.terms.values(), *given_back.diagnostics.values(), *gradients]
    assert all(value.isfinite().all() for value in everything)
    assert all(value.dtype == dtype for value in everything)


@every
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    out = output()
    views = [view.requires_grad_() for view in out.views]
    # A fixed bandwidth: through the median no gradient is meant to flow.
    options = {"bandwidth": 3.0} if name == "mmd" else {}
    assert torch.autograd.gradcheck(
        lambda x, y: sum(losses(name, Output(out.logits, (x, y)), **options).terms.values()), views
    )


@every
def test_more_than_two_views_give_the_mean_over_pairs_the_earlier_stream_first(name: str) -> None:
    out = output(streams=3)
    x, y, z = out.views
    pairs = [alignment(name, Output(out.logits, pair)) for pair in ((x, y), (x, z), (y, z))]
    torch.testing.assert_close(alignment(name, out), torch.stack(pairs).mean())


@rivals
def test_what_is_measured_is_logged_before_its_weight_and_without_gradient(name: str) -> None:
    given_back = losses(name, output(), lam=0.9)
    (measured,) = given_back.diagnostics.values()
    assert list(given_back.diagnostics) == [name.replace("-", "_") + "_measured"]
    torch.testing.assert_close(measured, alignment(name, output()))
    assert not measured.requires_grad


@every
@pytest.mark.parametrize("widths", [(), (4,), (4, 5), (4, 4, 5)])
def test_anything_but_views_of_one_shape_is_refused_in_one_line(
    name: str, widths: tuple[int, ...]
) -> None:
    views = tuple(torch.ones(4, width) for width in widths)
    with pytest.raises(
        PartError, match=rf"\A{name}: expected two views or more of one shape [^\n]*\Z"
    ):
        losses(name, Output(output().logits, views))


@every
@pytest.mark.parametrize("lam", [-0.1, 1.1, math.nan])
def test_a_lam_out_of_range_is_refused_in_one_line(name: str, lam: float) -> None:
    with pytest.raises(UsageError, match=rf"\A{name}: lam is [^\n]*\Z"):
        losses(name, output(), lam=lam)


@pytest.mark.parametrize("bandwidth", [-1.0, math.inf, math.nan])
def test_a_bandwidth_out_of_range_is_refused_in_one_line(bandwidth: float) -> None:
    with pytest.raises(UsageError, match=r"\Ammd: bandwidth is [^\n]*\Z"):
        losses("mmd", output(), bandwidth=bandwidth)


@rivals
def test_views_in_bfloat16_are_compared_in_float32(name: str) -> None:
    out = output(dtype=torch.float32)
    given_back = losses(name, Output(out.logits, tuple(view.bfloat16() for view in out.views)))
    assert all(
        value.dtype == torch.float32
        for value in (*given_back.terms.values(), *given_back.diagnostics.values())
    )
