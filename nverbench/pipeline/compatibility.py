"""Which parts fit together, and which this version can train: the reasons of a skip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nverbench.data.corpus import Corpus
from nverbench.embedding.weights import PlannedBackbone
from nverbench.plugin.records import Fusion, Loss
from nverbench.training import early_stopping

HONOURED = {
    "optimizer": ("adam", "radam-schedule-free"),
    "select": tuple(early_stopping.WATCHED),
    "unit": ("clip", "conversation"),
}
"""The values that this version can train with. A recipe that demands another one is skipped, never
trained in a way that its paper does not describe.
"""


def incompatibilities(
    fusion: Fusion,
    options: Mapping[str, Any],
    loss: Loss,
    backbones: tuple[PlannedBackbone, ...],
    *,
    shuffle: str = "none",
    searches: bool = False,
) -> list[str]:
    """Why these parts do not fit together, or this version cannot train them; empty: it can.
    ``searches``: whether the protocol searches for a learning rate.
    """
    recipe = fusion.recipe_for(options)
    reasons = [
        f"fusion {fusion.name} trains with {name}={value}, which this version does not offer (only"
        f" {' and '.join(offered)})"
        for name, offered in HONOURED.items()
        if (value := getattr(recipe, name)) not in (None, *offered)
    ]
    if loss.needs == "views" and not fusion.views:
        reasons.append(
            f"loss {loss.name} needs aligned views, and fusion {fusion.name} gives none; use"
            " cross-entropy"
        )
    if fusion.wants == "frames":
        if searches:
            reasons.append(
                f"fusion {fusion.name} trains on frames with the recipe of its paper, and this"
                " protocol searches for a learning rate on pooled embeddings; take --protocol"
                " nver-1 or paper-recipe"
            )
        reasons += [reason for b in backbones for reason in _without_frames(fusion, b)]
    elif recipe.unit == "conversation":
        reasons.append(
            f"fusion {fusion.name} trains on whole conversations, and so must want frames; its"
            " author must fix it"
        )
    if shuffle != "none" and recipe.unit != "conversation":
        reasons.append(
            f"fusion {fusion.name} trains on single clips: there is no order of turns to shuffle"
        )
    return reasons


def corpus_incompatibilities(
    fusion: Fusion, options: Mapping[str, Any], corpus: Corpus
) -> list[str]:
    """Why a fusion cannot be trained on a corpus."""
    if fusion.recipe_for(options).unit == "conversation" and not corpus.heard:
        return [
            f"fusion {fusion.name} trains on whole conversations, and dataset {corpus.reference}"
            " has single clips"
        ]
    if fusion.wants == "frames" and corpus.sides:
        return [f"fusion {fusion.name} wants frames, which are not crossed between corpora yet"]
    return []


def _without_frames(fusion: Fusion, backbone: PlannedBackbone) -> list[str]:
    """Why a fusion cannot use the frames of a backbone."""
    part, reference = backbone.part, backbone.reference
    if part.lookup is not None:
        return [
            f"fusion {fusion.name} wants frames, and {backbone} holds one stored vector per clip"
        ]
    if not part.is_time_local(reference.full):
        hint = part.time_local_hint or "use another backbone"
        return [
            f"fusion {fusion.name} uses time, and the frames of {backbone} are not local in time;"
            f" {hint}"
        ]
    if reference.read_out().keys() - {"layer"}:
        return [
            f"fusion {fusion.name} wants frames, which are those of one layer as they are; leave"
            f" layers=weighted, segments, blocks and project out of {backbone}"
        ]
    return []
