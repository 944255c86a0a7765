"""Rules about state: loading and running a backbone change neither its weights nor the process,
and a second run gives the same bits.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from typing import Any

import numpy as np
import torch
from torch import nn

from nverbench.testing.backbones.subject import Subject
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.process_state import no_side_effects, random_states

SEED, OTHER_SEED = 11, 12


@rule(
    "determinism",
    "The same clip twice, and two loads with one seed, give the same bits; another seed gives"
    " others.",
)
def determinism(subject: Subject) -> Pass | Skip:
    wave = subject.wave(0.7)
    one = subject.load(seed=SEED)
    encoders = one, one, subject.load(seed=SEED), subject.load(seed=OTHER_SEED)
    first, again, reloaded, other = (subject.frames([wave], encoder)[0] for encoder in encoders)
    if not np.array_equal(first, again):
        do = "draw no random numbers in the encoder (dropout on? a layer that keeps state?)"
        expected = "the same bits when a clip comes twice"
        raise violation(subject, expected, f"up to {np.abs(first - again).max():.1e} apart", do)
    if not np.array_equal(first, reloaded):
        do = "draw weights inside `with ctx.seeded():` only"
        raise violation(subject, f"the same bits from two loads with seed {SEED}", "others", do)
    if subject.seeded and np.array_equal(first, other):
        do = "draw untrained weights inside `with ctx.seeded():`"
        raise violation(subject, f"other numbers with seed {OTHER_SEED}", "the same bits", do)
    if not subject.seeded and not np.array_equal(first, other):
        do = "leave no weight random: every weight comes from the file"
        raise violation(subject, "the same bits whatever the seed", "others", do)
    return Pass("the same bits")


@rule(
    "frozen",
    "The network is in eval mode, needs no gradient, leaves no graph, and a forward pass"
    " changes none of its numbers.",
)
def frozen(subject: Subject) -> Pass | Skip:
    encoder = subject.load()
    modules = modules_of(encoder)
    if any(module.training for root in modules for module in root.modules()):
        do = "call .eval() on it in load"
        raise violation(subject, "a network in eval mode", "training mode", do)
    if any(parameter.requires_grad for root in modules for parameter in root.parameters()):
        do = "call .requires_grad_(False) on the network in load"
        raise violation(subject, "no parameter that requires a gradient", "some", do)
    before = _digest(modules)
    with torch.enable_grad():
        given = subject.answer([subject.wave(0.7)], encoder)
    if any(tensor is not None and tensor.requires_grad for tensor in (given.frames, given.layers)):
        do = "run the network under torch.no_grad()"
        raise violation(subject, "frames without a gradient graph", "a graph", do)
    if _digest(modules) != before:
        do = "update no parameter or buffer in forward"
        raise violation(subject, "the same weights and buffers after a forward pass", "others", do)
    return Pass(f"{sum(p.numel() for root in modules for p in root.parameters())} parameters")


def modules_of(encoder: Any) -> list[nn.Module]:
    """The networks of an encoder: the encoder itself, or those in its closure, bound arguments,
    object or fields.
    """
    if isinstance(encoder, nn.Module):
        return [encoder]
    encoder = (
        inspect.unwrap(encoder) if inspect.isfunction(encoder) else encoder
    )  # decorators such as @torch.no_grad()
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


@rule(
    "no-global-state",
    "Loading and running change no random state or setting of the process, print nothing and"
    " never warn.",
)
def no_global_state(subject: Subject) -> Pass | Skip:
    wave = subject.wave(0.7)
    with no_side_effects(subject, "load", random_states(subject.device), also=subject.changed):
        encoder = subject.load()
    with no_side_effects(
        subject, "a forward pass", random_states(subject.device), also=subject.changed
    ):
        subject.answer([wave], encoder)
    return Pass()


CHECKS = (determinism, frozen, no_global_state)
