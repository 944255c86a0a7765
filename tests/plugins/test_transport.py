"""Laws of Sinkhorn in the log domain: marginals, cost, gradient, the exact limit, invariances,
extremes; and POT's numbers.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nverbench_fusions.sinkhorn import sinkhorn

COST = [[0.10, 0.90, 0.40, 0.70], [0.60, 0.20, 1.00, 0.30], [0.80, 0.50, 0.15, 0.95]]
A, B = [0.5, 0.2, 0.3], [0.1, 0.4, 0.3, 0.2]
POT = {
    0.05: [
        [0.099999999628, 0.016202700356, 0.189573578042, 0.194223721974],
        [0.000000000045, 0.194228858244, 0.000000000012, 0.005771141699],
        [0.000000000326, 0.1895684414, 0.110426421947, 0.000005136327],
    ],
    0.5: [
        [0.083794039752, 0.137419179414, 0.165968409986, 0.112818370848],
        [0.006933766654, 0.125345919621, 0.011244046437, 0.056476267288],
        [0.009272193594, 0.137234900965, 0.122787543577, 0.030705361864],
    ],
}
"""ot.sinkhorn(A, B, COST, epsilon, method="sinkhorn_log", numItermax=100000, stopThr=1e-15) of POT
0.9.7.
"""
POT_UNIFORM = [
    [0.249999952368, 0.000165947067, 0.008742371257, 0.074425062641],
    [0.000000008977, 0.157851632093, 0.000000000042, 0.17548169222],
    [0.000000038654, 0.09198242084, 0.241257628701, 0.000093245139],
]
EXACT = 0.385
"""ot.emd2(A, B, COST)."""
seeds = st.integers(0, 2**31)
sizes = st.integers(1, 7)
epsilons = st.sampled_from([0.05, 0.2, 1.0])
dtypes = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


def costs(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def doubles(*rows: object) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(row, dtype=torch.float64) for row in rows)


@pytest.mark.parametrize("epsilon", POT)
def test_plans_are_those_of_pot(epsilon: float) -> None:
    cost, a, b, expected = doubles(COST, A, B, POT[epsilon])
    torch.testing.assert_close(sinkhorn(cost, epsilon, 2000, a, b), expected, rtol=1e-7, atol=1e-11)


def test_without_marginals_they_are_uniform_as_pots() -> None:
    cost, expected = doubles(COST, POT_UNIFORM)
    torch.testing.assert_close(sinkhorn(cost, 0.05, 2000), expected, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("epsilon", [0.02, 0.05, 1.0])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 8), (32, 32)])
def test_plans_are_those_of_an_installed_pot(epsilon: float, n: int, m: int) -> None:
    ot = pytest.importorskip("ot")
    cost, a, b = (
        costs(1, n, m),
        *(weights / weights.sum() for weights in (costs(2, n) + 0.1, costs(3, m) + 0.1)),
    )
    expected = ot.sinkhorn(
        a.numpy(),
        b.numpy(),
        cost.numpy(),
        epsilon,
        method="sinkhorn_log",
        numItermax=100_000,
        stopThr=1e-14,
    )
    torch.testing.assert_close(
        sinkhorn(cost, epsilon, 5000, a, b), torch.from_numpy(expected), rtol=1e-6, atol=1e-10
    )


@dtypes
@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (1, 5), (2, 3, 4, 6)], ids=str)
def test_columns_carry_their_mass_always_and_rows_theirs_in_the_end(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    *problems, n, m = shape
    a, b = (
        torch.softmax(costs(seed, *problems, size, dtype=dtype), dim=-1)
        for seed, size in ((1, n), (2, m))
    )
    early, late = (
        sinkhorn(costs(0, *shape, dtype=dtype), 0.3, iterations, a, b) for iterations in (1, 500)
    )
    assert (early.dtype, early.shape) == (dtype, shape)
    torch.testing.assert_close(early.sum(-2), b)
    torch.testing.assert_close(late.sum(-2), b)
    torch.testing.assert_close(late.sum(-1), a)


@given(n=sizes, m=sizes, seed=seeds, epsilon=epsilons)
def test_a_plan_is_no_cheaper_than_the_exact_one_and_no_dearer_than_independence(
    n: int, m: int, seed: int, epsilon: float
) -> None:
    cost = costs(seed, n, m)
    price = (sinkhorn(cost, epsilon, 500) * cost).sum()
    assert cost.min() - 1e-9 <= price <= cost.mean() + 1e-3


def test_the_price_falls_to_the_exact_one_as_epsilon_falls() -> None:
    cost, a, b = doubles(COST, A, B)
    prices = [
        (sinkhorn(cost, epsilon, 5000, a, b) * cost).sum().item()
        for epsilon in (1.0, 0.3, 0.1, 0.03, 0.01)
    ]
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == pytest.approx(EXACT, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_with_a_small_epsilon_the_plan_is_the_best_assignment(seed: int) -> None:
    cost = costs(seed, 5, 5)
    best = min(
        itertools.permutations(range(5)),
        key=lambda order: sum(cost[i, j] for i, j in enumerate(order)),
    )
    plan = sinkhorn(cost, 0.002, 5000)
    assert plan.argmax(dim=1).tolist() == list(best)
    assert (plan * cost).sum().item() == pytest.approx(
        sum(cost[i, j].item() for i, j in enumerate(best)) / 5, abs=2e-3
    )


@given(seed=seeds, epsilon=epsilons)
def test_permuting_rows_and_columns_permutes_the_plan(seed: int, epsilon: float) -> None:
    cost, rows, columns = costs(seed, 4, 6), torch.randperm(4), torch.randperm(6)
    torch.testing.assert_close(
        sinkhorn(cost[rows][:, columns], epsilon, 30), sinkhorn(cost, epsilon, 30)[rows][:, columns]
    )


@given(seed=seeds, epsilon=epsilons, iterations=st.integers(1, 50))
def test_a_constant_added_to_a_row_changes_nothing(
    seed: int, epsilon: float, iterations: int
) -> None:
    cost, expected = costs(seed, 4, 4), sinkhorn(costs(seed, 4, 4), epsilon, iterations)
    torch.testing.assert_close(
        sinkhorn(cost + 3 * costs(seed + 1, 4, 1), epsilon, iterations),
        expected,
        rtol=1e-6,
        atol=1e-9,
    )


@given(seed=seeds)
def test_a_constant_added_to_a_column_changes_nothing_in_the_end(seed: int) -> None:
    cost, expected = costs(seed, 4, 4), sinkhorn(costs(seed, 4, 4), 1.0, 200)
    torch.testing.assert_close(
        sinkhorn(cost + 3 * costs(seed + 1, 1, 4), 1.0, 200), expected, rtol=1e-6, atol=1e-9
    )


def test_a_transposed_problem_has_the_transposed_plan() -> None:
    cost, a, b = doubles(COST, A, B)
    torch.testing.assert_close(sinkhorn(cost.T, 0.1, 2000, b, a), sinkhorn(cost, 0.1, 2000, a, b).T)


def test_a_problem_is_solved_alike_alone_and_among_others() -> None:
    cost = costs(0, 7, 5, 6)
    torch.testing.assert_close(
        sinkhorn(cost, 0.1, 30)[3], sinkhorn(cost[3], 0.1, 30), rtol=1e-12, atol=1e-15
    )


@dtypes
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e6, 1e30])
def test_extreme_costs_stay_finite_and_columns_keep_their_mass(
    dtype: torch.dtype, scale: float
) -> None:
    cost = (scale * costs(0, 6, 6, dtype=dtype)).requires_grad_()
    plan = sinkhorn(cost, 0.05, 50)
    (gradient,) = torch.autograd.grad((plan * costs(1, 6, 6, dtype=dtype)).sum(), cost)
    assert plan.isfinite().all()
    assert gradient.isfinite().all()
    assert (plan.sum(-2) <= 1).all()


def test_a_source_without_mass_sends_none() -> None:
    plan = sinkhorn(costs(0, 3, 3), 0.1, 100, torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64))
    assert plan.isfinite().all()
    assert plan[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("iterations", [1, 10])
def test_the_gradient_is_that_of_finite_differences(iterations: int) -> None:
    cost, weight = costs(0, 2, 3, 4).requires_grad_(), costs(1, 2, 3, 4)
    a, b = (costs(2, 2, 3) + 0.5).requires_grad_(), (costs(3, 2, 4) + 0.5).requires_grad_()

    def price(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return (
            sinkhorn(
                cost, 0.2, iterations, a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
            )
            * weight
        ).sum()

    assert torch.autograd.gradcheck(price, (cost, a, b))
