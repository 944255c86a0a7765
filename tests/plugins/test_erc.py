"""Laws of the conversation fusions: who hears whom, in which order, and what padding, length and
silence may change.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from nverbench import Batch
from nverbench.training.dropout import drawn
from support.erc_cases import (
    ALONG,
    CLASSES,
    FUSIONS,
    ORDER_FREE,
    SIZES,
    built,
    clips,
    conversation,
    frames,
    gradients,
    spoken,
    takes,
)

NEAR = {"rtol": 1e-9, "atol": 1e-12}
every_fusion = pytest.mark.parametrize("name", FUSIONS)
along = pytest.mark.parametrize("name", ALONG)
order_free = pytest.mark.parametrize("name", ORDER_FREE)


def moved(turns: list[Tensor], turn: int) -> list[Tensor]:
    """The same turns but for one frame of one of them."""
    turns = [one.clone() for one in turns]
    turns[turn][0] += 0.1
    return turns


@every_fusion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sizes", [(1,), (1, 1), (7,), (2, 1, 30)], ids=str)
def test_every_turn_gets_logits_in_the_type_of_the_features(
    name: str, dtype: torch.dtype, sizes: tuple[int, ...]
) -> None:
    output = built(name, dtype=dtype)(conversation(spoken(sizes, dtype=dtype)))
    assert (output.logits.shape, output.logits.dtype, output.views) == (
        (len(sizes), CLASSES),
        dtype,
        (),
    )
    assert output.logits.isfinite().all()


@every_fusion
@pytest.mark.parametrize("changed", [0, 2, 3])
def test_a_frame_of_any_turn_moves_the_logits_of_every_turn_before_and_after_it(
    name: str, changed: int
) -> None:
    module, turns = built(name), spoken()
    difference = (
        module(conversation(moved(turns, changed))).logits - module(conversation(turns)).logits
    )
    assert (difference.abs().amax(1) > 1e-9).all()


@every_fusion
def test_a_turn_that_is_left_out_changes_the_turns_that_stay(name: str) -> None:
    module, turns = built(name), spoken()
    whole = module(conversation(turns)).logits
    without = module(conversation([turns[0], *turns[2:]])).logits  # the second is heard only, say
    assert ((without - whole[[0, 2, 3]]).abs().amax(1) > 1e-9).all()


@along
@pytest.mark.parametrize("turn", range(len(SIZES)))
def test_a_turn_of_a_conversation_without_context_is_the_clip_alone(name: str, turn: int) -> None:
    module, turns = built(name, context="utterance"), spoken()
    alone = module(clips([turns[turn]])).logits[0]
    torch.testing.assert_close(module(conversation(turns)).logits[turn], alone, **NEAR)
    torch.testing.assert_close(module(clips(turns)).logits[turn], alone, **NEAR)


@along
def test_a_conversation_of_one_turn_is_the_clip(name: str) -> None:
    turn = frames(8)
    expected = built(name, context="utterance")(clips([turn])).logits
    torch.testing.assert_close(built(name)(conversation([turn])).logits, expected, **NEAR)
    torch.testing.assert_close(built(name)(clips([turn])).logits, expected, **NEAR)


@order_free
def test_clips_have_no_context_but_themselves(name: str) -> None:
    module, turns = built(name), spoken()
    expected = torch.cat([module(conversation([turn])).logits for turn in turns])
    torch.testing.assert_close(module(clips(turns)).logits, expected, **NEAR)


@every_fusion
def test_the_order_of_turns_matters_to_those_that_run_along_and_to_no_other(name: str) -> None:
    module, turns, order = built(name), spoken(), [2, 0, 3, 1]
    before = module(conversation(turns)).logits[order]
    after = module(conversation([turns[i] for i in order])).logits
    assert bool((after - before).abs().max() < 1e-12) == (name in ORDER_FREE)


@order_free
def test_without_layers_not_even_the_order_of_frames_matters(name: str) -> None:
    module, turns = built(name, layers=0), spoken()
    torch.testing.assert_close(
        module(conversation([turn.flip(0) for turn in turns])).logits,
        module(conversation(turns)).logits,
        **NEAR,
    )


def test_the_prior_is_the_single_utterance_plus_a_weight_times_the_mean() -> None:
    prior, single, turns = built("erc-prior"), built("erc-mamba", context="utterance"), spoken()
    own = single(conversation(turns)).logits
    for weight, expected in ((0.0, own), (2.0, own + 2 * own.mean(0))):
        prior.load_state_dict({**single.state_dict(), "weight": torch.tensor(weight)})
        torch.testing.assert_close(prior(conversation(turns)).logits, expected, **NEAR)


def mirrored(module: nn.Module) -> nn.Module:
    """A copy whose forward and backward mixers have changed places, with the columns that read
    them.
    """
    module = copy.deepcopy(module)
    body = module.vectors.body
    for layer in body.layers:
        pair = getattr(layer, "pair", layer)
        pair.ahead, pair.back = pair.back, pair.ahead
    swap = (
        [layer.join for layer in body.layers] if hasattr(body.layers[0], "join") else [module.head]
    )
    for reader in swap:
        reader.weight.data = torch.cat(reader.weight.data.chunk(2, dim=1)[::-1], dim=1)
    for layer in [] if hasattr(body.layers[0], "join") else body.layers[1:]:
        for way in (layer.ahead, layer.back):
            way.gru.weight_ih_l0.data = torch.cat(
                way.gru.weight_ih_l0.data.chunk(2, dim=1)[::-1], dim=1
            )
    return module


@pytest.mark.parametrize("name", ["erc-mamba", "erc-gru"])
def test_time_reversed_and_directions_swapped_mirror_the_output(name: str) -> None:
    module, turns = built(name), spoken()
    expected = module(conversation(turns)).logits.flip(0)
    reversed_turns = [turn.flip(0) for turn in reversed(turns)]
    torch.testing.assert_close(
        mirrored(module)(conversation(reversed_turns)).logits, expected, **NEAR
    )
    assert not torch.allclose(module(conversation(reversed_turns)).logits, expected)


@every_fusion
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_padding_changes_nothing_not_even_what_is_dropped(name: str, training: bool) -> None:
    module, turns = built(name, dropout=0.4).train(training), spoken()
    got = []
    for longer, padding in ((0, 0.0), (13, 0.0), (4, float("nan"))):
        with drawn(torch.Generator().manual_seed(5)):
            got.append(module(clips(turns, longer=longer, padding=padding)).logits)
    torch.testing.assert_close(got[1:], [got[0]] * 2, **NEAR)


@every_fusion
def test_frames_past_a_conversations_length_are_not_heard(name: str) -> None:
    module, batch = built(name), conversation(spoken())
    longer = torch.cat([batch.streams[0], torch.full_like(batch.streams[0], float("nan"))], dim=1)
    torch.testing.assert_close(
        module(Batch((longer,), batch.lengths, batch.turns)).logits, module(batch).logits, **NEAR
    )


@along
def test_frames_between_turns_are_heard_and_turns_may_overlap(name: str) -> None:
    module, whole, lengths = built(name), frames(20), (torch.tensor([20]),)
    apart = Batch((whole.unsqueeze(0),), lengths, (torch.tensor([[2, 6], [4, 9], [15, 16]]),))
    quiet = whole.clone()
    quiet[12] += 0.1  # in no turn
    difference = (
        module(Batch((quiet.unsqueeze(0),), lengths, apart.turns)).logits - module(apart).logits
    )
    assert (difference.abs().amax(1) > 1e-9).all()
    single = Batch(apart.streams, lengths, (torch.tensor([[4, 9]]),))
    torch.testing.assert_close(module(single).logits[0], module(apart).logits[1], **NEAR)


@every_fusion
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_every_parameter_gets_a_gradient(name: str, pool: str) -> None:
    module = built(name, pool=pool, **({"norm": "pre"} if takes(name, "norm") else {})).train()
    got = gradients(module, conversation(spoken()))
    assert [
        key
        for key, _ in module.named_parameters()
        if key not in got or not got[key].any() or not got[key].isfinite().all()
    ] == []


@along
def test_every_parameter_gets_a_gradient_from_single_utterances(name: str) -> None:
    module = built(name, context="utterance").train()
    got = gradients(module, clips(spoken((4, 6, 5))))
    assert [
        key for key, _ in module.named_parameters() if key not in got or not got[key].any()
    ] == []


@every_fusion
def test_all_that_is_random_is_dropout_in_training_and_comes_from_the_harness(name: str) -> None:
    module, batch, before = built(name, dropout=0.5), conversation(spoken()), torch.get_rng_state()
    assert torch.equal(module(batch).logits, module(batch).logits)
    module.train()
    logits = []
    for seed in (0, 0, 1):
        with drawn(torch.Generator().manual_seed(seed)):
            logits.append(module(batch).logits)
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    assert torch.equal(torch.get_rng_state(), before)
