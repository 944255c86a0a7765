"""Checks that the process around a plugin is left as it was: random states, settings, printed text
and warnings (see :mod:`nverbench.plugin.process_state`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from nverbench.plugin.process_state import (
    Shared,
    as_state,
    captured_output,
    numpy_settings,
    python_settings,
    read,
    restore,
    torch_random,
    torch_settings,
)
from nverbench.testing.check import violation

SETTINGS: Shared = torch_settings()
SEEDED = (
    "use `with ctx.seeded():` for random weights, generators of your own elsewhere, and put"
    " settings back"
)
OWN = "draw from generators of your own, seed nothing that others share, and put settings back"


def random_states(device: str) -> Shared:
    """The global random states of torch (on the CPU and on ``device``), numpy and Python."""
    everywhere = {**torch_random(), **numpy_settings(), **python_settings()}
    names = [f"random state of {library}" for library in ("torch", "numpy", "python")]
    chosen = {name: everywhere[name] for name in names}
    if device.startswith("cuda"):
        chosen[f"random state of {device}"] = (
            lambda: torch.cuda.get_rng_state(device).numpy().tobytes(),
            lambda value: torch.cuda.set_rng_state(as_state(value), device),
        )
    return chosen


@contextmanager
def no_side_effects(
    subject: object,
    during: str,
    states: Shared,
    *,
    also: Collection[str] = (),
    may: Collection[str] = (),
    do: str = SEEDED,
) -> Iterator[None]:
    """Raises ConformanceError when the code inside left ``states`` changed, printed or warned; the
    states are restored in every case.

    Args:
        subject: the part that the message names.
        during: the action that ran inside, in words.
        states: the states that must not change.
        also: other settings that were found changed; read after the code inside has run.
        may: names of states that may change.
        do: what the author of the part can do about a change.
    """
    kept = read(states)
    _draw_one()
    before = read(states)
    try:
        with captured_output() as captured:
            yield
        changed = [name for name in restore(states, before) if name not in may] + sorted(also)
    finally:
        restore(states, kept)
    if changed:
        expected = f"the process as it was before {during}"
        raise violation(subject, expected, f"another {', '.join(changed)}", do)
    if captured.text:
        do = "silence the library that prints it"
        raise violation(subject, f"nothing printed during {during}", repr(captured.text[:80]), do)
    if captured.warnings:
        got = repr(captured.warnings[0][:120])
        do = "fix the cause, or catch the warning where it is known to be harmless"
        raise violation(subject, f"no warning during {during}", got, do)


def _draw_one() -> None:
    """Draw one number from every global generator, so that no seed gives the present state and a
    new seed is noticed.
    """
    torch.rand(())
    np.random.random()
    random.random()
