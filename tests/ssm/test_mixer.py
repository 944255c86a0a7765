"""The Mamba-1 mixer against its equations, written out step by step in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nverbench.ssm import MambaMixer, engines
from support.scan_problems import relative, written_out


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
    c = functional.silu(
        mixer.conv1d.bias + sum(kernel[:, j] * padded[:, j : j + 6] for j in range(4))
    )
    d, b_in, c_out = (c @ mixer.x_proj.weight.T).split([2, 4, 4], dim=-1)
    delta = functional.softplus(d @ mixer.dt_proj.weight.T + mixer.dt_proj.bias)
    y = written_out(c, delta, -mixer.A_log.exp(), b_in, c_out, mixer.D, z)
    torch.testing.assert_close(mixer(u), y @ mixer.out_proj.weight.T)


def test_the_mixer_has_the_official_parameter_names() -> None:
    names = {name for name, _ in MambaMixer(16).named_parameters()}
    linear = {
        "in_proj.weight",
        "x_proj.weight",
        "dt_proj.weight",
        "dt_proj.bias",
        "out_proj.weight",
    }
    assert names == linear | {"conv1d.weight", "conv1d.bias", "A_log", "D"}


def test_step_sizes_start_between_a_thousandth_and_a_tenth() -> None:
    torch.manual_seed(0)
    dt = functional.softplus(MambaMixer(64).dt_proj.bias.detach())
    assert 0.9e-3 < float(dt.min()) < float(dt.max()) < 0.11


def test_training_through_the_mixer_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    mixer = MambaMixer(16)
    mixer(torch.randn(2, 5, 16)).square().sum().backward()
    assert [
        name
        for name, p in mixer.named_parameters()
        if p.grad is None or not bool(p.grad.abs().sum() > 0)
    ] == []


@pytest.mark.parametrize("engine", [engines.LOOP, None])
@pytest.mark.parametrize("length", [1, 3, 200])
def test_every_engine_gives_the_numbers_of_float64(
    monkeypatch: pytest.MonkeyPatch, engine: str | None, length: int
) -> None:
    if engine:
        monkeypatch.setenv(engines.VARIABLE, engine)
    torch.manual_seed(0)
    mixer, u = MambaMixer(32, d_state=24, expand=3), torch.randn(3, length, 32)
    with torch.no_grad():
        got = mixer(u)
        assert relative(got, mixer.double()(u.double())) < 1e-5
