"""Laws of transport between clips: the bank keeps a prediction to its own clip, the batch does not,
and what rows become.
"""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nverbench import Batch, Recipe
from nverbench.training.folds import fit_fold
from nverbench_fusions.parrot import hadamard
from nverbench_fusions.sinkhorn import sinkhorn
from nverbench_fusions.transport import BANK, CHUNK, Plan, Transport, exchanged, received, with_bank
from support.fusion_cases import FUSIONS, SMALL, TRANSPORTING, built, clips, prepared, takes
from support.training import FOLD, data, garbage, training

DIMS = (20, 13)
every = pytest.mark.parametrize("name", TRANSPORTING)


def module_of(name: str, **options: object) -> nn.Module:
    return prepared(built(name, DIMS, small=True, **options).double(), DIMS)


def batch_of(rows: int, seed: int = 1) -> Batch:
    return clips(DIMS, rows=rows, dtype=torch.float64, seed=seed)


def mixed(batch: Batch, rows: list[int]) -> Batch:
    return Batch(tuple(stream[rows] for stream in batch.streams))


def views(*shape: int) -> tuple[Tensor, Tensor]:
    p, q = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return p, q


@every
@pytest.mark.parametrize("others", [[3], [3, 4, 5, 6, 7], [3, 3, 3], [9, 8, 3]], ids=str)
def test_with_a_bank_a_prediction_depends_on_its_own_clip_only(
    name: str, others: list[int]
) -> None:
    module, batch = module_of(name), batch_of(10)
    actual = module(mixed(batch, others)).logits[others.index(3)]
    torch.testing.assert_close(actual, module(batch).logits[3], rtol=1e-12, atol=1e-12)


@every
@pytest.mark.parametrize("reading", ["batch", "literal"])
def test_within_the_batch_a_prediction_depends_on_the_other_clips(name: str, reading: str) -> None:
    module, batch = module_of(name, transport=reading), batch_of(10)
    few, many = module(mixed(batch, [3, 4])).logits[0], module(batch).logits[3]
    assert (few - many).abs().max() > 1e-3


@every
@pytest.mark.parametrize("reading", ["bank", "batch"])
def test_trained_by_the_harness_other_test_clips_matter_within_the_batch_only(
    name: str, reading: str
) -> None:
    options = {key: value for key, value in SMALL.items() if takes(name, key)} | {
        "transport": reading
    }
    plan = dataclasses.replace(
        training(dataclasses.replace(FUSIONS[name], recipe=Recipe()), scaling="none"),
        fusion_options=options,
    )
    (first, target), (second, _) = data(), data(seed=1)
    kept, *changed = FOLD.test
    same, other = (
        fit_fold(plan, [first, second], target, FOLD, 0),
        fit_fold(
            plan, [garbage(first, tuple(changed)), garbage(second, tuple(changed))], target, FOLD, 0
        ),
    )
    row = FOLD.test.index(kept)
    assert same.curves == other.curves
    assert np.array_equal(same.probabilities[row], other.probabilities[row]) == (reading == "bank")


@every
def test_a_clip_with_its_bank_is_transported_as_in_a_batch_of_thirty_two(name: str) -> None:
    bank = module_of(name)
    plain = built(name, DIMS, small=True, transport="batch").double().eval()
    remembered = [buffer for key, buffer in bank.named_buffers() if "bank_" in key]
    plain.load_state_dict(
        {key: value for key, value in bank.state_dict().items() if "bank_" not in key}
    )
    batch = batch_of(3)
    together = Batch(
        tuple(
            torch.cat([stream[2:], kept])
            for stream, kept in zip(batch.streams, remembered, strict=True)
        )
    )
    assert len(together.streams[0]) == 32
    torch.testing.assert_close(
        bank(batch).logits[2], plain(together).logits[0], rtol=1e-10, atol=1e-10
    )


@every
def test_more_clips_than_a_chunk_get_what_they_get_in_chunks(name: str) -> None:
    module, batch = module_of(name), batch_of(CHUNK + 3)
    expected = torch.cat(
        [
            module(mixed(batch, rows)).logits
            for rows in (list(range(200)), list(range(200, CHUNK + 3)))
        ]
    )
    torch.testing.assert_close(module(batch).logits, expected, rtol=1e-10, atol=1e-10)


@every
def test_who_predicts_before_remembering_gets_no_number(name: str) -> None:
    assert built(name, DIMS, small=True).double().eval()(batch_of(2)).logits.isnan().all()


@every
def test_the_bank_is_not_used_in_training(name: str) -> None:
    module, batch = built(name, DIMS, small=True, dropout=0.0).double(), batch_of(8)
    before = module(batch).logits
    assert before.isfinite().all()
    assert torch.equal(prepared(module, DIMS).train()(batch).logits, before)


@every
def test_the_bank_is_thirty_one_different_training_rows_of_the_generators_choice(name: str) -> None:
    module, training = built(name, DIMS, small=True).double(), batch_of(40)
    kept = []
    for seed in (5, 5, 6):
        module.remember(training, torch.Generator().manual_seed(seed))
        kept.append([buffer.clone() for key, buffer in module.named_buffers() if "bank_" in key])
    rows = [
        [int((stream == row).all(1).nonzero()) for row in bank]
        for stream, bank in zip(training.streams, kept[0], strict=True)
    ]
    assert rows[0] == rows[1]
    assert len(set(rows[0])) == len(rows[0]) == BANK
    assert torch.equal(kept[0][0], kept[1][0])
    assert not torch.equal(kept[0][0], kept[2][0])


@pytest.mark.parametrize("rows", [1, 7, 31])
def test_a_training_part_smaller_than_the_bank_is_repeated_evenly(rows: int) -> None:
    module, training = (
        Transport(DIMS, 8, 4, 6, Plan("bank", 0.05, 5, False)).double(),
        batch_of(rows),
    )
    module.remember(training, torch.Generator().manual_seed(0))
    times = [(module.bank_0 == row).all(1).sum().item() for row in training.streams[0]]
    assert sum(times) == BANK
    assert max(times) - min(times) <= 1


@every
def test_a_saved_module_predicts_without_remembering_anew(name: str) -> None:
    module, batch = module_of(name), batch_of(4)
    restored = built(name, DIMS, small=True, seed=8).double().eval()
    restored.load_state_dict(copy.deepcopy(module.state_dict()))
    assert torch.equal(restored(batch).logits, module(batch).logits)


def test_each_row_becomes_a_weighted_mean_of_the_other_streams_rows() -> None:
    p, q = views(9, 4)
    q = q.abs()
    to_p, _ = exchanged(p, q, Plan("batch", 0.05, 500, False))
    assert (to_p >= q.amin(0) - 1e-6).all()
    assert (to_p <= q.amax(0) + 1e-6).all()


def test_literal_transport_is_the_papers_letters_and_smaller_by_the_number_of_rows() -> None:
    p, q = views(9, 4)
    cost = torch.cdist(p, q) / torch.cdist(p, q).max()
    gamma = sinkhorn(cost, 0.05, 50)
    to_p, to_q = exchanged(p, q, Plan("literal", 0.05, 50, False))
    torch.testing.assert_close((to_p, to_q), (gamma.T @ q, gamma @ p))
    scaled, _ = exchanged(p, q, Plan("batch", 0.05, 50, False))
    torch.testing.assert_close(scaled, 9 * gamma @ q)


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e6])
def test_rows_that_coincide_or_lie_far_apart_stay_finite(scale: float) -> None:
    p = (scale * views(6, 4)[0]).requires_grad_()
    to_p, to_q = exchanged(p, p, Plan("batch", 0.05, 50, True))
    (gradient,) = torch.autograd.grad((to_p + to_q).square().sum(), p)
    assert to_p.isfinite().all()
    assert gradient.isfinite().all()


def test_the_plan_carries_a_gradient_only_where_asked() -> None:
    p, q = (view.requires_grad_() for view in views(6, 4))
    plans = [Plan("batch", 0.05, 20, gradient) for gradient in (False, True)]
    without, asked = (
        torch.autograd.grad(exchanged(p, q, plan)[0].sum(), (p, q), allow_unused=True)
        for plan in plans
    )
    assert without[0] is None  # the barycentre of q's rows reads p through the plan alone
    assert without[1].any()
    assert asked[0].any()
    assert not torch.equal(without[1], asked[1])


def test_a_third_stream_adds_what_it_sends() -> None:
    p, q = views(6, 4)
    r, plan = p.flip(0) + q, Plan("batch", 0.05, 20, False)
    to_p, to_q, to_r = received([p, q, r], plan)
    torch.testing.assert_close(to_p, exchanged(p, q, plan)[0] + exchanged(p, r, plan)[0])
    torch.testing.assert_close(to_q, exchanged(p, q, plan)[1] + exchanged(q, r, plan)[0])
    torch.testing.assert_close(to_r, exchanged(p, r, plan)[1] + exchanged(q, r, plan)[1])


def test_the_hadamard_product_is_summed_over_pairs() -> None:
    p, q = views(6, 4)
    assert torch.equal(hadamard([p, q]), p * q)
    torch.testing.assert_close(hadamard([p, q, p]), 2 * p * q + p * p)


def test_a_clip_stands_first_in_its_own_batch() -> None:
    p, q = views(5, 4)
    (own,) = with_bank([p], [q[:3]])
    assert own.shape == (5, 4, 4)
    assert torch.equal(own[:, 0], p)
    assert torch.equal(own[2, 1:], q[:3])
