"""Options that the harness itself gives to every backbone and every dataset."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from typing import Any

from nverbench.errors import UsageError, nearest
from nverbench.plugin.records import NAME, Backbone, Dataset, Part

OF_BACKBONES = ("untrained", "weights", "project")
OF_LAYERS = ("layer", "layers")
"""For backbones that declare layers; another backbone may declare options of these names itself."""
OF_POOLING = ("segments", "blocks")
"""For backbones that do not declare options of these names themselves."""
MOST_SEGMENTS = 100
OF_DATASETS = ("exclude", "test")


def names(part: Part) -> tuple[str, ...]:
    """The options that the harness gives to this part."""
    if isinstance(part, Backbone):
        return OF_BACKBONES + (OF_LAYERS if part.layers else ())
    return OF_DATASETS if isinstance(part, Dataset) else ()


def clip_set(part: Dataset, raw: dict[str, str]) -> dict[str, Any]:
    """The options of every dataset, taken out of ``raw``: ``test=NAME``, and ``exclude=A+B`` (by
    common names if ``test`` is given).

    An excluded label must be one of the declared labels, and at least two must be left.
    """
    test = raw.pop("test", "") or None
    if test is not None and not NAME.fullmatch(test):
        problem = f"test={test}: expected the name of a dataset, without options"
        raise UsageError(f"dataset {part.name}: {problem}")
    words = sorted({word.strip() for word in raw.pop("exclude", "").split("+")} - {""})
    labels = sorted(set(part.common.values())) if test else part.labels
    for word in words:
        if labels and word not in labels:
            kind = "common label" if test else "label"
            hint = nearest(word, labels)
            raise UsageError(f"dataset {part.name} has no {kind} {word!r} to exclude; {hint}")
    left = len(labels) - len(words)
    if words and labels and left < 2:
        problem = f"excluding {', '.join(words)} leaves {left} of its labels; leave two or more"
        raise UsageError(f"dataset {part.name}: {problem}")
    return {"exclude": tuple(words), "test": test}


def read_out(part: Backbone, raw: dict[str, str], declared: Collection[str]) -> dict[str, Any]:
    """The options ``project`` (of every backbone), ``layer`` and ``layers`` (of backbones with
    layers), ``segments`` (of those with frames) and ``blocks`` (of those with blocks), taken out of
    ``raw``; ``declared`` are the part's own options.
    """
    what = f"backbone {part.name}"
    own = () if part.layers else declared
    given = {key: raw.pop(key) for key in (*OF_LAYERS, "project") if key in raw and key not in own}
    if not part.layers and given.keys() & set(OF_LAYERS):
        problem = "gives one set of frames and has no layers to choose from"
        raise UsageError(f"{what} {problem}; leave layer and layers out")
    if len(given) > 1 and "layers" in given:
        problem = "layers=weighted goes with neither layer=N nor project=D; give one"
        raise UsageError(f"{what}: {problem}")
    if given.get("layers", "weighted") != "weighted":
        problem = f"layers={given['layers']}: expected weighted; for a single one write layer=N"
        raise UsageError(f"{what}: {problem}")
    pooled = _pooling(part, raw, declared)
    if pooled["segments"] and given.keys() & set(OF_LAYERS):
        problem = "segments=N cuts the frames of the output, and goes with neither layer nor layers"
        raise UsageError(f"{what}: {problem}; give one")
    dim = part.dim * (pooled["segments"] or 1) // (pooled["blocks"] or 1)
    last, widest = part.layers - 1, dim - 1 if part.dim else sys.maxsize
    layer = _whole(given["layer"], 0, last, f"{what}: layer") if "layer" in given else None
    width = _whole(given["project"], 1, widest, f"{what}: project") if "project" in given else None
    return {
        "layer": None if layer == last else layer,
        "weighted": "layers" in given,
        "project": width,
        **pooled,
    }


def _pooling(part: Backbone, raw: dict[str, str], declared: Collection[str]) -> dict[str, Any]:
    """The options ``segments`` and ``blocks``, taken out of ``raw``."""
    what = f"backbone {part.name}"
    given = {key: raw.pop(key) for key in OF_POOLING if key in raw and key not in declared}
    if "segments" in given and part.load is None:
        problem = "holds one stored vector per clip, which has no segments; leave segments out"
        raise UsageError(f"{what} {problem}")
    if "blocks" in given and part.blocks == 1:
        raise UsageError(f"{what} declares no blocks of its frames; leave blocks out")
    if given.get("blocks", "mean") != "mean":
        raise UsageError(f"{what}: blocks={given['blocks']}: expected mean")
    cut = given.get("segments")
    return {
        "segments": None if cut is None else _whole(cut, 2, MOST_SEGMENTS, f"{what}: segments"),
        "blocks": part.blocks if "blocks" in given else None,
    }


def _whole(text: str, least: int, most: int, what: str) -> int:
    """The whole number that ``text`` is."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise UsageError(f"{what}={text}: expected a whole number from {least} to {most}")
    return int(text)
