"""The selective scan, engine by engine, against its equations in float64."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from nverbench import UsageError
from nverbench.ssm import causal_conv, compiled, engines, library, reference, selective_scan
from support.scan_problems import E, L, N, arguments, relative, written_out

needs_compiler = pytest.mark.skipif(
    library.compiler() is None, reason="no C compiler on this machine"
)
SHAPES = {
    "audio-mamba": {"b": 1, "length": 251, "e": 96, "n": 24},
    "one step": {"length": 1},
    "odd sizes": {"b": 2, "length": 65, "e": 193, "n": 5},
    "a chunk exactly": {"length": 64, "e": 192, "n": 16},
    "one channel": {"e": 1, "n": 1},
}


@pytest.fixture
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(engines.VARIABLE, request.param)
    return str(request.param)


every_engine = pytest.mark.parametrize(
    "engine", [engines.LOOP, pytest.param(engines.COMPILED, marks=needs_compiler)], indirect=True
)
every_precision = pytest.mark.parametrize(
    ("dtype", "forward", "backward"),
    [(torch.float32, 1e-5, 1e-4), (torch.float64, 1e-12, 1e-11)],
    ids=str,
)


@every_engine
def test_the_scan_equals_the_recurrence_written_out_number_by_number(engine: str) -> None:
    given = arguments(torch.float64)
    torch.testing.assert_close(
        selective_scan(**given), written_out(**given), rtol=1e-12, atol=1e-12
    )


@every_engine
@every_precision
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_forward_is_that_of_the_float64_reference(
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    dtype: torch.dtype,
    forward: float,
    backward: float,
    shape: dict[str, int],
) -> None:
    given = arguments(dtype, **shape)
    assert engines.choose(given["x"], given["A"]) == engine
    got = selective_scan(**given)
    monkeypatch.setenv(engines.VARIABLE, engines.LOOP)
    assert (
        relative(got, selective_scan(**{key: value.double() for key, value in given.items()}))
        < forward
    )


@every_engine
@every_precision
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_backward_is_that_of_the_float64_reference(
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    dtype: torch.dtype,
    forward: float,
    backward: float,
    shape: dict[str, int],
) -> None:
    given = arguments(dtype, **shape)
    given |= {
        "delta": given["delta"].log(),
        "delta_bias": torch.linspace(-1, 1, shape.get("e", E), dtype=dtype),
    }
    got = gradients_of(given)
    monkeypatch.setenv(engines.VARIABLE, engines.LOOP)
    exact = gradients_of({key: value.double() for key, value in given.items()})
    assert {
        key: relative(g, exact[key])
        for key, g in got.items()
        if not relative(g, exact[key]) < backward
    } == {}


def gradients_of(given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a sum in which every output counts otherwise."""
    leaves = {key: value.detach().clone().requires_grad_() for key, value in given.items()}
    y = selective_scan(**leaves, delta_softplus=True)
    (y * torch.arange(y.numel(), dtype=torch.float64).sin().to(y).view(y.shape)).sum().backward()
    return {key: value.grad for key, value in leaves.items() if value.grad is not None}


@every_engine
def test_every_engine_is_differentiable_in_every_argument(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "CHUNK", 2)  # several chunks
    given = arguments(torch.float64, length=5) | {
        "delta_bias": torch.linspace(-1, 1, E, dtype=torch.float64)
    }
    names, values = list(given), [value.requires_grad_() for value in given.values()]
    assert torch.autograd.gradcheck(
        lambda *v: selective_scan(**dict(zip(names, v, strict=True)), delta_softplus=True), values
    )


@every_engine
def test_with_and_without_gradients_the_scan_gives_the_same_numbers(engine: str) -> None:
    given = arguments(length=300)
    without = selective_scan(**given)
    given["x"].requires_grad_()
    torch.testing.assert_close(selective_scan(**given).detach(), without, rtol=1e-5, atol=1e-6)


@every_engine
def test_a_sequence_of_a_batch_is_that_sequence_alone(engine: str) -> None:
    given = arguments(b=4, length=70, e=200)
    together = selective_scan(**given)
    alone = [
        selective_scan(**{k: v[i : i + 1] if v.ndim == 3 else v for k, v in given.items()})
        for i in range(4)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-6, atol=1e-6)


@every_engine
def test_a_step_sees_no_later_step(engine: str) -> None:
    given = arguments(length=90)
    changed = {
        k: torch.cat([v[:, :50], v[:, 50:].flip(1)], dim=1) if v.ndim == 3 else v
        for k, v in given.items()
    }
    assert torch.equal(selective_scan(**given)[:, :50], selective_scan(**changed)[:, :50])


@every_engine
def test_bias_and_softplus_are_those_of_the_step_sizes(engine: str) -> None:
    given = arguments() | {"delta": torch.linspace(-30, 30, 3 * L * E).view(3, L, E)}
    bias = torch.linspace(-1, 1, E)
    outside = given | {"delta": torch.nn.functional.softplus(given["delta"] + bias)}
    torch.testing.assert_close(
        selective_scan(**given, delta_bias=bias, delta_softplus=True),
        selective_scan(**outside),
        rtol=1e-5,
        atol=1e-5,
    )


@every_engine
def test_rows_that_lie_apart_in_memory_are_read_where_they_are(engine: str) -> None:
    given = arguments(length=20)
    wide = {
        k: torch.cat([v, v], dim=-1)[..., : v.shape[-1]] if v.ndim == 3 else v
        for k, v in given.items()
    }
    assert not wide["x"].is_contiguous()
    torch.testing.assert_close(selective_scan(**wide), selective_scan(**given))
    turned = {
        k: v.transpose(1, 2).contiguous().transpose(1, 2) if v.ndim == 3 else v
        for k, v in given.items()
    }
    torch.testing.assert_close(selective_scan(**turned), selective_scan(**given))


@every_engine
def test_the_scan_without_skip_and_gate_is_the_bare_recurrence(engine: str) -> None:
    given = arguments()
    bare = selective_scan(*(given[key] for key in ("x", "delta", "A", "B", "C")))
    torch.testing.assert_close(
        (bare + given["D"] * given["x"]) * torch.nn.functional.silu(given["z"]),
        selective_scan(**given),
    )


@every_engine
def test_a_number_that_is_not_finite_does_not_get_lost(engine: str) -> None:
    given = arguments(length=20)
    given["x"][0, 5, 0] = float("nan")
    y = selective_scan(**given)
    assert bool(y[0, 5:, 0].isnan().all())
    assert bool(y[1:].isfinite().all())


@every_engine
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scanned_in_float32_and_given_back_as_it_came(
    engine: str, dtype: torch.dtype
) -> None:
    given = {key: value.to(dtype) for key, value in arguments().items()}
    exact = selective_scan(**{key: value.float() for key, value in given.items()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(selective_scan(**given), exact.to(dtype))


@every_engine
@pytest.mark.parametrize("shape", [(0, L), (3, 0)])
def test_nothing_in_gives_nothing_out(engine: str, shape: tuple[int, int]) -> None:
    b, length = shape
    x, states = torch.zeros(b, length, E), torch.zeros(b, length, N)
    assert selective_scan(x, x, -torch.ones(E, N), states, states).shape == (b, length, E)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_how_many_threads_share_the_work_changes_no_bit_of_the_output(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    given = arguments(b=2, length=70, e=400)
    expected = selective_scan(**given)
    monkeypatch.setattr(compiled, "WORTH_SHARING", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(selective_scan(**given), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("tile", [1, E * N, 2 * E * N, 10**6])
def test_how_many_sequences_share_a_tile_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    monkeypatch.setenv(engines.VARIABLE, engines.LOOP)
    given = arguments()
    expected = selective_scan(**given)
    monkeypatch.setattr(reference, "TILE", tile)
    torch.testing.assert_close(selective_scan(**given), expected, rtol=1e-6, atol=1e-6)


@every_engine
def test_the_convolution_is_causal_and_equals_its_sum(engine: str) -> None:
    x, weight, bias = torch.randn(2, 9, 5), torch.randn(5, 1, 4), torch.randn(5)
    padded = torch.cat([torch.zeros(2, 3, 5), x], dim=1)
    expected = torch.nn.functional.silu(
        bias + sum(weight[:, 0, j] * padded[:, j : j + 9] for j in range(4))
    )
    torch.testing.assert_close(causal_conv(x, weight, bias), expected, rtol=1e-5, atol=1e-6)
    wide = torch.cat([x, x], dim=-1).chunk(2, dim=-1)[0]
    torch.testing.assert_close(causal_conv(wide, weight, bias), expected, rtol=1e-5, atol=1e-6)
    with_graph: Tensor = causal_conv(x.clone().requires_grad_(), weight, bias)
    torch.testing.assert_close(with_graph.detach(), expected, rtol=1e-5, atol=1e-6)


def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engines.VARIABLE, "triton")
    with pytest.raises(
        UsageError, match="NVERBENCH_SCAN=triton: expected one of mamba-ssm, compiled, torch"
    ):
        selective_scan(**arguments())


LONG = """
import os, resource, sys, torch
from nverbench.ssm import selective_scan
torch.set_num_threads(1)
l, e, n = 30_000, 512, 16
g = torch.Generator().manual_seed(0)
given = [torch.randn(1, l, e, generator=g), torch.rand(1, l, e, generator=g), -torch.rand(e, n, generator=g),
         torch.randn(1, l, n, generator=g), torch.randn(1, l, n, generator=g)]
[v.requires_grad_() for v in given]
selective_scan(*(v[:, :100] if v.ndim == 3 else v for v in given)).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = selective_scan(*given)
y.sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, bool(y.isfinite().all()))
"""


@pytest.mark.parametrize(
    "engine", [engines.LOOP, pytest.param(engines.COMPILED, marks=needs_compiler)]
)
def test_30000_steps_forward_and_backward_take_less_than_a_gigabyte(engine: str) -> None:
    """The state alone would take 30,000 x 512 x 16 x 4 bytes = 0.98 GB per copy if it were ever
    written out whole.
    """
    done = subprocess.run(
        [sys.executable, "-c", LONG],
        env=os.environ | {engines.VARIABLE: engine},
        capture_output=True,
        text=True,
        check=True,
    )
    megabytes, finite = done.stdout.split()
    assert finite == "True"
    assert float(megabytes) < 900
