"""Long conversations in bounded memory: numbers that are computed twice, groups of like length,
scan engines, rotary positions.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nverbench import Batch
from nverbench.ssm import engines, library, mamba, reference
from nverbench.training.dropout import drawn
from nverbench_fusions import erc_sequences
from nverbench_fusions.erc_blocks import EncoderBlock, angles, rotated
from nverbench_fusions.erc_sequences import BothWays, alike, along
from support.erc_cases import (
    ALONG,
    DIM,
    FUSIONS,
    built,
    clips,
    conversation,
    frames,
    gradients,
    spoken,
)

every_fusion = pytest.mark.parametrize("name", FUSIONS)
SIZES = (40, 3, 17, 1, 25)


@pytest.fixture(params=[0, 10**9], ids=["recomputed", "kept"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(erc_sequences, "KEPT", request.param)
    return int(request.param)


def trained(name: str, batch: Batch, **options: object) -> dict[str, Tensor]:
    """Logits and gradients of a training step as the harness takes it."""
    module = built(name, dropout=0.4, **options).train()
    with drawn(torch.Generator().manual_seed(3)):
        logits = module(batch).logits
        return {"logits": logits.detach(), **gradients(module, batch, logits)}


@every_fusion
@pytest.mark.parametrize("kind", ["conversation", "clips"])
def test_gradients_are_the_same_whether_numbers_are_kept_or_computed_again(
    name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = (conversation if kind == "conversation" else clips)(spoken(SIZES))
    monkeypatch.setattr(erc_sequences, "KEPT", 10**9)
    expected = trained(name, batch)
    monkeypatch.setattr(erc_sequences, "KEPT", 0)
    got = trained(name, batch)
    assert {key: torch.equal(got[key], value) for key, value in expected.items()} == dict.fromkeys(
        expected, True
    )


@every_fusion
def test_a_backward_pass_draws_nothing(name: str, kept: int) -> None:
    module, generator = built(name, dropout=0.4).train(), torch.Generator().manual_seed(3)
    batch = conversation(spoken(SIZES))
    with drawn(generator):
        logits = module(batch).logits
        before = generator.get_state()
        gradients(module, batch, logits)
    assert torch.equal(generator.get_state(), before)


def kept_numbers(name: str, frames_each: int) -> int:
    """Numbers that autograd keeps between the forward and the backward pass, each storage once."""
    module, seen = built(name).train(), {}

    def pack(value: Tensor) -> Tensor:
        seen[value.untyped_storage().data_ptr()] = (
            value.untyped_storage().nbytes() // value.element_size()
        )
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        logits = module(conversation(spoken((frames_each,) * 4))).logits
    return sum(seen.values()) * bool(logits.numel())


@pytest.mark.parametrize("name", ALONG)
def test_what_is_kept_grows_with_the_frames_and_not_with_their_square(name: str, kept: int) -> None:
    small, large = kept_numbers(name, 60), kept_numbers(name, 120)
    assert large < 2.1 * small


@pytest.mark.parametrize("name", ["erc-mamba", "erc-gru"])
def test_computing_again_keeps_less(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {}
    for limit in (0, 10**9):
        monkeypatch.setattr(erc_sequences, "KEPT", limit)
        numbers[limit] = kept_numbers(name, 60)
    assert numbers[0] < 0.5 * numbers[10**9]


@every_fusion
@pytest.mark.parametrize("together", [1, 30, 60])
def test_how_clips_are_grouped_changes_nothing(
    name: str, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(name, clips(spoken(SIZES)))
    monkeypatch.setattr(erc_sequences, "TOGETHER", together)
    torch.testing.assert_close(trained(name, clips(spoken(SIZES))), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "sizes", [(5,), (1, 1, 1), (9, 2, 7, 7, 40, 1), tuple(range(1, 60))], ids=str
)
@pytest.mark.parametrize("together", [1, 16, 100])
def test_groups_hold_every_sequence_once_and_no_more_than_they_may(
    sizes: tuple[int, ...], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erc_sequences, "TOGETHER", together)
    groups = alike(sizes)
    assert sorted(i for group in groups for i in group) == list(range(len(sizes)))
    assert all(
        len(group) == 1 or len(group) * max(sizes[i] for i in group) <= together for group in groups
    )


def test_backward_means_from_the_last_frame_of_each_sequence_to_its_first() -> None:
    x, sizes = frames(12), [5, 1, 6]
    summed = along(lambda padded: padded.cumsum(1), x, sizes, backward=True)
    expected = torch.cat([part.flip(0).cumsum(0).flip(0) for part in x.split(sizes)])
    torch.testing.assert_close(summed, expected)


def test_both_ways_puts_the_forward_features_first() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cumsum(1)

    x = frames(6)
    torch.testing.assert_close(
        BothWays(Sum(), Sum())(x, [6]), torch.cat([x.cumsum(0), x.flip(0).cumsum(0).flip(0)], dim=1)
    )


def naive(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor,
    delta_bias: Tensor,
    delta_softplus: bool,
) -> Tensor:
    """The recurrence of arXiv 2312.00752 written out, step by step."""
    step = nn.functional.softplus(delta + delta_bias) if delta_softplus else delta + delta_bias
    h, outputs = torch.zeros(len(x), *A.shape, dtype=x.dtype), []
    for i in range(x.shape[1]):
        h = (
            torch.exp(step[:, i, :, None] * A) * h
            + (step[:, i] * x[:, i])[..., None] * B[:, i, None, :]
        )
        outputs.append((h * C[:, i, None, :]).sum(-1) + D * x[:, i])
    return torch.stack(outputs, dim=1) * nn.functional.silu(z)


def test_float64_gives_the_numbers_of_the_written_out_recurrence(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = conversation(spoken((reference.CHUNK, 20, 5)))
    got = trained("erc-mamba", batch, layers=1)
    monkeypatch.setattr(mamba, "selective_scan", naive)
    torch.testing.assert_close(got, trained("erc-mamba", batch, layers=1), rtol=1e-9, atol=1e-11)


@pytest.mark.skipif(library.compiler() is None, reason="no C compiler on this machine")
@pytest.mark.parametrize("kind", ["conversation", "clips"])
def test_float32_gives_the_same_by_every_engine_forward_and_backward(
    kind: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = (conversation if kind == "conversation" else clips)(
        spoken((300, 20, 5), dtype=torch.float32)
    )
    got = {}
    for engine in (engines.LOOP, engines.COMPILED):
        monkeypatch.setenv(engines.VARIABLE, engine)
        used: list[str] = []
        before = engines.choose
        monkeypatch.setattr(
            engines,
            "choose",
            lambda *given, before=before, used=used: used.append(before(*given)) or used[-1],
        )
        module = built("erc-mamba", dtype=torch.float32)
        logits = module(batch).logits
        got[engine] = {"logits": logits.detach(), **gradients(module, batch, logits)}
        monkeypatch.setattr(engines, "choose", before)
        assert set(used) == {engine}
    for key, value in got[engines.LOOP].items():
        assert (got[engines.COMPILED][key] - value).abs().max() <= 1e-4 * value.abs().max(), key


def test_rotary_positions_keep_lengths_and_tell_attention_distances_only() -> None:
    turned = angles(50, 8)
    query, key = torch.randn(
        2, 1, 1, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).expand(2, 1, 1, 50, 8)
    q, k = (
        rotated(query, turned)[0, 0],
        rotated(key, turned)[0, 0],
    )  # (50, 8): the same vector at every position
    torch.testing.assert_close(q.norm(dim=1), query[0, 0].norm(dim=1))
    products = q @ k.T
    torch.testing.assert_close(products[:-7, :-7], products[7:, 7:], rtol=1e-10, atol=1e-10)
    assert (products[0, 1:] - products[0, :-1]).abs().min() > 1e-6


def test_attention_is_softmax_over_one_sequence_at_a_time() -> None:
    torch.manual_seed(0)
    block, x, turned = (
        EncoderBlock(DIM + 2, 2, 7, 0.0).double(),
        torch.randn(9, DIM + 2, dtype=torch.float64),
        angles(6, 6),
    )
    expected = []
    for part in x.split([6, 3]):
        query, key, value = (
            block.project(part).unflatten(1, (3, 2, 6)).permute(1, 2, 0, 3)
        )  # 3 x (h, l, c)
        query, key = (rotated(one.unsqueeze(0), turned)[0] for one in (query, key))
        mixed = torch.softmax(query @ key.transpose(1, 2) / 6**0.5, dim=-1) @ value
        part = part + block.out(mixed.transpose(0, 1).flatten(1))
        expected.append(part + block.feed(part))
    torch.testing.assert_close(block(x, [6, 3], turned), torch.cat(expected), rtol=1e-9, atol=1e-11)
