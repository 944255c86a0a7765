"""What the kit looks at in the process a plugin runs in: settings of torch and every global random
state (``nverbench/plugin/process_state.py``).
"""

from __future__ import annotations

import random

import numpy as np
import torch

from nverbench.plugin.process_state import (
    Shared,
    as_state,
    numpy_settings,
    python_settings,
    torch_random,
    torch_settings,
)

SETTINGS: Shared = torch_settings()


def random_states(device: str) -> Shared:
    """The global random states of torch (on the processor and on ``device``), numpy and python."""
    on_gpu: Shared = {
        f"random state of {device}": (
            lambda: torch.cuda.get_rng_state(device).numpy().tobytes(),
            lambda value: torch.cuda.set_rng_state(as_state(value), device),
        )
    }
    everywhere = {**torch_random(), **numpy_settings(), **python_settings()}
    chosen = {
        f"random state of {library}": everywhere[f"random state of {library}"]
        for library in ("torch", "numpy", "python")
    }
    return {**chosen, **(on_gpu if device.startswith("cuda") else {})}


def draw_one() -> None:
    """Moves every global random state by one number: no seed gives the state that it is in now, so
    that seeding it shows.
    """
    torch.rand(())
    np.random.random()
    random.random()
