"""What each conversation fusion can learn: from turns before and after, from the conversation as a
whole, from a turn alone.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nverbench import UNSCORED, Batch
from support.erc_cases import ALONG, CLASSES, DIM, ORDER_FREE, built, conversation

pytestmark = pytest.mark.slow

TURNS = 12
STEPS = {"before": 120, "after": 120, "mood": 250}
MEANS = 2 * torch.eye(CLASSES, DIM)
WITH_ORDER = [(name, "conversation") for name in ALONG]
WITHOUT_ORDER = [(name, "conversation") for name in ORDER_FREE]
ALONE = [("erc-mamba", "utterance")]


def talk(task: str, seed: int) -> tuple[Batch, Tensor]:
    """Turns that show a class each. Task ``before``, ``after``: a turn's label is what its
    neighbour shows (at the edge it is not scored); ``mood``: what most of the conversation
    shows.
    """
    generator = torch.Generator().manual_seed(seed)
    mood = int(torch.randint(CLASSES, (), generator=generator))
    shown = torch.randint(CLASSES, (TURNS,), generator=generator)
    if task == "mood":
        shown = torch.where(torch.rand(TURNS, generator=generator) < 0.6, mood, shown)
    sizes = torch.randint(1, 4, (TURNS,), generator=generator).tolist()
    turns = [
        MEANS[shown[i]] + 0.3 * torch.randn(size, DIM, generator=generator)
        for i, size in enumerate(sizes)
    ]
    label = {"before": shown.roll(1), "after": shown.roll(-1), "mood": torch.full((TURNS,), mood)}[
        task
    ].clone()
    if task in ("before", "after"):
        label[0 if task == "before" else -1] = UNSCORED
    return conversation(turns), label


def accuracy(name: str, context: str, task: str) -> float:
    """On fresh conversations."""
    options = {"context": context} if name in ALONG else {}
    module = built(
        name, dtype=torch.float32, dim=16, hidden=16, layers=1, dropout=0.0, **options
    ).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for step in range(STEPS[task]):
        batch, label = talk(task, step)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(batch).logits, label).backward()
        optimizer.step()
    module.eval()
    with torch.no_grad():
        answers = [
            (module(batch).logits.argmax(1), label)
            for batch, label in (talk(task, seed) for seed in range(1000, 1030))
        ]
    return float(
        torch.cat([(guess == label)[label != UNSCORED] for guess, label in answers]).float().mean()
    )


@pytest.mark.parametrize(("name", "context"), WITH_ORDER)
def test_those_that_run_along_learn_from_the_turn_before(name: str, context: str) -> None:
    assert accuracy(name, context, "before") > 0.7


def test_erc_mamba_learns_from_the_turn_after() -> None:
    assert accuracy("erc-mamba", "conversation", "after") > 0.7


@pytest.mark.parametrize(("name", "context"), [*WITHOUT_ORDER, *ALONE])
def test_without_order_or_context_the_turn_before_tells_nothing(name: str, context: str) -> None:
    assert accuracy(name, context, "before") < 0.55


@pytest.mark.parametrize(("name", "context"), [*WITH_ORDER[:1], *WITHOUT_ORDER])
def test_all_that_hear_the_conversation_learn_its_mood(name: str, context: str) -> None:
    assert accuracy(name, context, "mood") > 0.8


@pytest.mark.parametrize(("name", "context"), ALONE)
def test_a_turn_alone_does_not_tell_the_mood(name: str, context: str) -> None:
    assert accuracy(name, context, "mood") < 0.77  # 0.73 of the turns show it
