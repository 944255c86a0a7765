"""Every fusion may be trained as one batched model (torch.func), and learns what is separable."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from nverbench import Batch, Output
from support.fusion_cases import (
    FUSIONS,
    LOSSES,
    SMALL,
    VIEWS,
    built,
    clips,
    dims_of,
    objective,
    prepared,
    takes,
)

COPIES = 3
TARGET = torch.arange(12) % 6
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def copies(name: str, dropout: float = 0.0, **options: object) -> list[nn.Module]:
    dims = dims_of(name)
    modules = [
        built(name, small=True, seed=i, dropout=dropout, **options).double() for i in range(COPIES)
    ]
    return [prepared(module, dims, seed=i) for i, module in enumerate(modules)]


def joint(
    name: str, modules: list[nn.Module], wanted: Any, randomness: str = "error", alike: bool = False
) -> Any:
    """``wanted(output)`` of every copy, or its gradients, computed as one batched model on clips of
    their own or ``alike``.
    """
    base = copy.deepcopy(modules[0]).to("meta")
    parameters, buffers = stack_module_state(modules)

    def one(own: dict[str, Tensor], kept: dict[str, Tensor], streams: tuple[Tensor, ...]) -> Any:
        return wanted(
            own, lambda weights: functional_call(base, (weights, kept), (Batch(streams),))
        )

    # torch has no batched rule for its fused attention on CPU, and would go copy by copy with a
    # warning; the plain product has one.
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(one, randomness=randomness)(parameters, buffers, data_of(name, alike))


def data_of(name: str, alike: bool = False) -> tuple[Tensor, ...]:
    batches = [
        clips(dims_of(name), rows=12, dtype=torch.float64, seed=0 if alike else i)
        for i in range(COPIES)
    ]
    return tuple(
        torch.stack(stream) for stream in zip(*(batch.streams for batch in batches), strict=True)
    )


@every_fusion
@pytest.mark.parametrize(
    "options", [{}, {"transport": "batch"}, {"plan_gradient": True}, {"permute": True}], ids=str
)
def test_copies_evaluated_jointly_equal_one_by_one(name: str, options: dict[str, object]) -> None:
    modules = copies(name, **options)
    together = joint(
        name, modules, lambda own, call: (lambda out: (out.logits, out.views))(call(own))
    )
    streams = data_of(name)
    for i, module in enumerate(modules):
        alone = module(Batch(tuple(stream[i] for stream in streams)))
        torch.testing.assert_close(
            (together[0][i], tuple(view[i] for view in together[1])),
            (alone.logits, alone.views),
            rtol=1e-10,
            atol=1e-10,
        )


@every_fusion
@pytest.mark.parametrize("options", [{}, {"plan_gradient": True}], ids=str)
def test_gradients_of_the_default_loss_taken_jointly_equal_one_by_one(
    name: str, options: dict[str, object]
) -> None:
    modules = [module.train() for module in copies(name, **options)]
    together = joint(
        name,
        modules,
        lambda own, call: grad(lambda weights: objective(name, call(weights), TARGET))(own),
    )
    streams = data_of(name)
    for i, module in enumerate(modules):
        objective(name, module(Batch(tuple(stream[i] for stream in streams))), TARGET).backward()
        for key, parameter in module.named_parameters():
            torch.testing.assert_close(together[key][i], parameter.grad, rtol=1e-8, atol=1e-10)


@every_fusion
def test_dropout_differs_between_copies_that_train_jointly(name: str) -> None:
    first, *_ = [module.train() for module in copies(name, dropout=0.5)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        logits = joint(
            name,
            [first] * COPIES,
            lambda own, call: call(own).logits,
            randomness="different",
            alike=True,
        )
    assert logits.isfinite().all()
    assert torch.equal(logits[0], logits[1]) != takes(name, "dropout")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_taken_jointly_equals_one_by_one(loss: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(COPIES, 12, 6, dtype=torch.float64, generator=generator)
    views = torch.randn(3, COPIES, 12, 8, dtype=torch.float64, generator=generator)
    measure = LOSSES[loss].build(6, [2] * 6)

    def everything(logits: Tensor, views: Tensor, target: Tensor) -> dict[str, Tensor]:
        losses = measure(Output(logits, views.unbind(0)), target)
        return {**losses.terms, **losses.diagnostics}

    targets = TARGET.repeat(COPIES, 1)
    together = vmap(everything, in_dims=(0, 1, 0))(logits, views, targets)
    alone = [everything(logits[i], views[:, i], targets[i]) for i in range(COPIES)]
    torch.testing.assert_close(
        together,
        {key: torch.stack([one[key] for one in alone]) for key in together},
        rtol=1e-10,
        atol=1e-10,
    )


def separable(name: str, rows: int = 96) -> tuple[Batch, Tensor]:
    """Streams whose class means lie far apart, and the classes."""
    generator = torch.Generator().manual_seed(4)
    target = torch.arange(rows) % 3
    means = [3 * torch.randn(3, dim, generator=generator) for dim in dims_of(name)]
    return (
        Batch(
            tuple(
                mean[target] + 0.3 * torch.randn(rows, mean.shape[1], generator=generator)
                for mean in means
            )
        ),
        target,
    )


def trained(name: str, loss: str, epochs: int = 15) -> float:
    """Accuracy on fresh clips."""
    batch, target = separable(name)
    options = {**SMALL, "conv2": 8, "dense": 16, "dense1": 32, "dense2": 16, "dropout": 0.1}
    module = built(name, small=True, classes=3, **options)
    measure = LOSSES[loss].build(3, [16] * 3)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    order = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(64, generator=order).split(32):
            optimizer.zero_grad()
            output = module(Batch(tuple(stream[rows] for stream in batch.streams)))
            torch.stack(list(measure(output, target[rows]).terms.values())).sum().backward()
            optimizer.step()
    module.eval()
    if hasattr(module, "remember"):
        module.remember(
            Batch(tuple(stream[:64] for stream in batch.streams)), torch.Generator().manual_seed(1)
        )
    logits = module(Batch(tuple(stream[64:] for stream in batch.streams))).logits
    return (logits.argmax(1) == target[64:]).double().mean().item()


@every_fusion
def test_a_fusion_learns_what_is_separable(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert trained(name, FUSIONS[name].default_loss) == 1.0


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if LOSSES[loss].needs == "views"])
def test_every_alignment_loss_reaches_every_branch_of_a_fusion_with_views(
    name: str, loss: str
) -> None:
    module = built(name, small=True, dropout=0.0)
    output = module(clips(dims_of(name), rows=12))
    term = LOSSES[loss].build(6, [2] * 6)(output, TARGET).terms[loss.replace("-", "_")]
    first = [next(iter(branch.parameters())) for branch in leading(module)]
    assert all(
        gradient.isfinite().all() and gradient.any()
        for gradient in torch.autograd.grad(term, first)
    )


def leading(module: nn.Module) -> nn.ModuleList:
    """What each stream enters first."""
    return next(part for part in module.modules() if isinstance(part, nn.ModuleList))
