"""What loading and running a backbone may not touch: its own weights, the process around it, and
the bits of a second run.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from typing import Any

import numpy as np
import torch
from torch import nn

from nverbench.testing import process_report
from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.side_effects import no_side_effects

SEED, OTHER_SEED = 11, 12


def determinism(subject: Subject) -> Pass | Skip:
    """The same clip twice, two loads of one seed, and a load of another."""
    wave = subject.wave(0.7)
    one = subject.load(seed=SEED)
    encoders = one, one, subject.load(seed=SEED), subject.load(seed=OTHER_SEED)
    first, again, reloaded, other = (subject.frames([wave], encoder)[0] for encoder in encoders)
    if not np.array_equal(first, again):
        do = "draw no random numbers in the encoder (dropout on? a layer that keeps state?)"
        raise violation(
            subject,
            expected="the same bits when a clip comes twice",
            got=f"up to {np.abs(first - again).max():.1e} apart",
            do=do,
        )
    if not np.array_equal(first, reloaded):
        do = "draw weights inside `with ctx.seeded():` only"
        raise violation(
            subject, expected=f"the same bits from two loads with seed {SEED}", got="others", do=do
        )
    if subject.seeded and np.array_equal(first, other):
        do = "draw untrained weights inside `with ctx.seeded():`"
        raise violation(
            subject, expected=f"other numbers with seed {OTHER_SEED}", got="the same bits", do=do
        )
    if not subject.seeded and not np.array_equal(first, other):
        raise violation(
            subject,
            expected="the same bits whatever the seed",
            got="others",
            do="leave no weight random beside the ones that are read",
        )
    return Pass("the same bits")


def frozen(subject: Subject) -> Pass | Skip:
    """Eval mode, no gradients, and weights that a forward pass leaves alone, as the plugin gives
    them.
    """
    encoder = subject.load()
    modules = modules_of(encoder)
    if any(module.training for root in modules for module in root.modules()):
        raise violation(
            subject,
            expected="a network in eval mode",
            got="training mode",
            do="call .eval() on it in load",
        )
    if any(parameter.requires_grad for root in modules for parameter in root.parameters()):
        raise violation(
            subject,
            expected="no parameter that requires a gradient",
            got="some",
            do="call .requires_grad_(False) on the network in load",
        )
    before = _digest(modules)
    with torch.enable_grad():
        given = subject.answer([subject.wave(0.7)], encoder)
    if any(tensor is not None and tensor.requires_grad for tensor in (given.frames, given.layers)):
        raise violation(
            subject,
            expected="frames without a gradient graph",
            got="a graph",
            do="run the network under torch.no_grad()",
        )
    if _digest(modules) != before:
        do = "update no parameter or buffer in forward"
        raise violation(
            subject,
            expected="the same weights and buffers after a forward pass",
            got="others",
            do=do,
        )
    return Pass(f"{sum(p.numel() for root in modules for p in root.parameters())} parameters")


def modules_of(encoder: Any) -> list[nn.Module]:
    """The networks an encoder holds: itself, or those its closure, its arguments, its object or its
    fields bring along.
    """
    if isinstance(encoder, nn.Module):
        return [encoder]
    encoder = (
        inspect.unwrap(encoder) if inspect.isfunction(encoder) else encoder
    )  # @torch.no_grad() and its like
    held = (
        [encoder.func, *encoder.args, *encoder.keywords.values()]
        if isinstance(encoder, functools.partial)
        else []
    )
    held += [encoder.__self__] if inspect.ismethod(encoder) else []
    held += (
        inspect.getclosurevars(encoder).nonlocals.values() if inspect.isfunction(encoder) else []
    )
    held += getattr(encoder, "__dict__", {}).values()
    return [
        module
        for thing in held
        if thing is not encoder
        for module in ([thing] if isinstance(thing, nn.Module) else _fields(thing))
    ]


def _fields(thing: Any) -> list[nn.Module]:
    return [
        value for value in getattr(thing, "__dict__", {}).values() if isinstance(value, nn.Module)
    ]


def _digest(modules: list[nn.Module]) -> str:
    """Digest of all parameters and buffers."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            digest.update(
                name.encode()
                + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
    return digest.hexdigest()


def no_global_state(subject: Subject) -> Pass | Skip:
    """The process around the backbone is as it was, and has seen nothing of it."""
    wave = subject.wave(0.7)
    with no_side_effects(
        subject, "load", process_report.random_states(subject.device), also=subject.changed
    ):
        encoder = subject.load()
    with no_side_effects(
        subject,
        "a forward pass",
        process_report.random_states(subject.device),
        also=subject.changed,
    ):
        subject.answer([wave], encoder)
    return Pass()


CHECKS = (
    Check(
        "determinism",
        "The same clip twice, and two loads with one seed, give the same bits; another seed gives"
        " others.",
        determinism,
    ),
    Check(
        "frozen",
        "The network is in eval mode, needs no gradient, leaves no graph, and a forward pass"
        " changes none of its numbers.",
        frozen,
    ),
    Check(
        "no-global-state",
        "Loading and running change no random state or setting of the process, print nothing and"
        " never warn.",
        no_global_state,
    ),
)
