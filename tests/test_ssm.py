"""The selective scan and the Mamba mixer against their equations, written out step by step in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nverbench.ssm import MambaMixer, scan, selective_scan

B_, L, E, N = 3, 7, 5, 4


def arguments(dtype: torch.dtype = torch.float32, length: int = L) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "x": draw(B_, length, E),
        "delta": functional.softplus(draw(B_, length, E)),
        "A": -torch.exp(draw(E, N)),
        "B": draw(B_, length, N),
        "C": draw(B_, length, N),
        "D": draw(E),
        "z": draw(B_, length, E),
    }


def written_out(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """The recurrence with one number at a time."""
    y = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for e in range(x.shape[2]):
            h = torch.zeros(A.shape[1], dtype=x.dtype)
            for step in range(x.shape[1]):
                h = torch.exp(delta[b, step, e] * A[e]) * h + delta[b, step, e] * B[b, step] * x[b, step, e]
                y[b, step, e] = ((h * C[b, step]).sum() + D[e] * x[b, step, e]) * functional.silu(z[b, step, e])
    return y


def test_the_scan_equals_the_recurrence_written_out_number_by_number() -> None:
    given = arguments(torch.float64)
    torch.testing.assert_close(selective_scan(**given), written_out(**given), rtol=1e-12, atol=1e-12)


def test_with_and_without_gradients_the_scan_gives_the_same_numbers() -> None:
    given = arguments()
    without = selective_scan(**given)
    given["x"].requires_grad_()
    torch.testing.assert_close(selective_scan(**given).detach(), without, rtol=1e-5, atol=1e-6)


def test_the_scan_is_differentiable_in_every_argument() -> None:
    given = arguments(torch.float64, length=3)
    values = [value.requires_grad_() for value in given.values()]
    assert torch.autograd.gradcheck(lambda *v: selective_scan(*v), values)


@pytest.mark.parametrize("tile", [1, E * N, 2 * E * N, 10**6])
def test_how_many_sequences_share_a_tile_changes_nothing(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    given = arguments()
    expected = selective_scan(**given)
    monkeypatch.setattr(scan, "TILE", tile)
    torch.testing.assert_close(selective_scan(**given), expected, rtol=1e-6, atol=1e-6)


def test_the_scan_without_skip_and_gate_is_the_bare_recurrence() -> None:
    given = arguments(torch.float64)
    bare = selective_scan(*(given[key] for key in ("x", "delta", "A", "B", "C")))
    torch.testing.assert_close((bare + given["D"] * given["x"]) * functional.silu(given["z"]), selective_scan(**given))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scanned_in_float32_and_given_back_as_it_came(dtype: torch.dtype) -> None:
    given = {key: value.to(dtype) for key, value in arguments().items()}
    exact = selective_scan(**{key: value.float() for key, value in given.items()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(selective_scan(**given), exact.to(dtype))


@pytest.mark.parametrize("shape", [(0, L), (B_, 0)])
def test_nothing_in_gives_nothing_out(shape: tuple[int, int]) -> None:
    b, length = shape
    x, states = torch.zeros(b, length, E), torch.zeros(b, length, N)
    assert selective_scan(x, x, -torch.ones(E, N), states, states).shape == (b, length, E)


def test_the_mixer_is_causal() -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(16, d_state=4, expand=3).eval()
    u = torch.randn(2, 9, 16)
    changed = u.clone()
    changed[:, 5:] = torch.randn(2, 4, 16)
    with torch.no_grad():
        first, second = mixer(u), mixer(changed)
    torch.testing.assert_close(first[:, :5], second[:, :5])
    assert not torch.allclose(first[:, 5:], second[:, 5:])


def test_the_mixer_equals_its_equations() -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(16, d_state=4, expand=3, dt_rank=2).double()
    u = torch.randn(1, 6, 16, dtype=torch.float64)
    x, z = (u @ mixer.in_proj.weight.T).split(48, dim=-1)
    padded = torch.cat([torch.zeros(1, 3, 48, dtype=torch.float64), x], dim=1)
    kernel = mixer.conv1d.weight[:, 0]  # (e, 4)
    c = functional.silu(mixer.conv1d.bias + sum(kernel[:, j] * padded[:, j : j + 6] for j in range(4)))
    d, b_in, c_out = (c @ mixer.x_proj.weight.T).split([2, 4, 4], dim=-1)
    delta = functional.softplus(d @ mixer.dt_proj.weight.T + mixer.dt_proj.bias)
    y = written_out(c, delta, -mixer.A_log.exp(), b_in, c_out, mixer.D, z)
    torch.testing.assert_close(mixer(u), y @ mixer.out_proj.weight.T)


def test_the_mixer_has_the_official_parameter_names() -> None:
    names = {name for name, _ in MambaMixer(16).named_parameters()}
    linear = {"in_proj.weight", "x_proj.weight", "dt_proj.weight", "dt_proj.bias", "out_proj.weight"}
    assert names == linear | {"conv1d.weight", "conv1d.bias", "A_log", "D"}


def test_step_sizes_start_between_a_thousandth_and_a_tenth() -> None:
    torch.manual_seed(0)
    dt = functional.softplus(MambaMixer(64).dt_proj.bias.detach())
    assert 0.9e-3 < float(dt.min()) < float(dt.max()) < 0.11


def test_training_through_the_mixer_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(16)
    mixer(torch.randn(2, 5, 16)).square().sum().backward()
    assert [name for name, p in mixer.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)] == []
