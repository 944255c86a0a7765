"""Which parts go together, and which this version can train: the reasons behind a skip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nverbench.artifacts import Planned
from nverbench.parts import Fusion, Loss

HONOURED = {"optimizer": "adam", "select": "cross-entropy", "unit": "clip"}
"""What this version trains with; a recipe that asks for anything else is skipped, never trained in another way than its paper's."""


def unfit(fusion: Fusion, options: Mapping[str, Any], loss: Loss, backbones: tuple[Planned, ...]) -> list[str]:
    """Why these parts do not go together, or cannot be trained by this version; empty when they can."""
    asked = {name: getattr(fusion.recipe_for(options), name) for name in HONOURED}
    reasons = [
        f"fusion {fusion.name} trains with {name}={value}, which this version does not offer (only {HONOURED[name]})"
        for name, value in asked.items()
        if value not in (None, HONOURED[name])
    ]
    if loss.needs == "views" and not fusion.views:
        reasons.append(f"loss {loss.name} needs aligned views, and fusion {fusion.name} gives none; use cross-entropy")
    if fusion.wants == "frames":
        reasons += [
            f"fusion {fusion.name} uses time, and the frames of {b} are not local in time; {b.part.time_local_hint or 'use another backbone'}"
            for b in backbones
            if not b.part.is_time_local(b.reference.full)
        ]
        reasons.append(f"fusion {fusion.name} wants frames, which this version does not train on yet")
    return reasons
