"""Private names in a result (files, clips and people of this machine) and the pseudonyms that
replace them when it is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Names(BaseModel):
    """Private names -> published ones. The local result carries them, so that its digest can be
    that of the published form.
    """

    model_config = ConfigDict(extra="forbid")

    texts: dict[str, str]
    """Replaced anywhere in the result: references that hold a file's name, ``holdout=GROUP``,
    reasons that quote a path.
    """
    clips: dict[str, str]
    """Clips that were left out."""
    groups: dict[str, str]
    folds: dict[str, str]
    """Empty where folds are numbered."""

    def apply(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON content of a result without private names. Lists and keys that were in
        the order of private names are in the order of the published ones.

        Raises:
            ValueError: the result holds a group or a clip that these names do not cover.
        """
        counts = content["counts"]
        left_out = _renamed(self.clips, counts["left_out"])
        groups = _renamed(self.groups, content["per_group_accuracy"])
        hidden = content | {"counts": counts | {"left_out": left_out}, "per_group_accuracy": groups}
        if self.folds:
            scores = [
                {**fold, "fold": _known(self.folds, fold["fold"])} for fold in content["per_fold"]
            ]
            hidden["per_fold"] = sorted(scores, key=lambda fold: (fold["replicate"], fold["fold"]))
        if not self.texts:
            return hidden
        longest_first = sorted(self.texts, key=len, reverse=True)
        words = re.compile("|".join(map(re.escape, longest_first)))
        return dict(_replaced(hidden, words, self.texts))


def numbered(word: str, items: Iterable[str]) -> dict[str, str]:
    """Map each item to ``word 01``, ``word 02``, ... in the order given; zeros at the front keep
    that order when the names are sorted.
    """
    unique = list(dict.fromkeys(items))
    width = max(2, len(str(len(unique))))
    return {item: f"{word} {number:0{width}d}" for number, item in enumerate(unique, 1)}


def _known(names: dict[str, str], name: str) -> str:
    if name not in names:
        raise ValueError("it holds a clip, a group or a fold that its names do not cover")
    return names[name]


def _renamed(names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """Return values under published names, sorted by them."""
    return dict(sorted((_known(names, name), value) for name, value in values.items()))


def _replaced(thing: Any, words: re.Pattern[str], texts: dict[str, str]) -> Any:
    """Return nested JSON with private words replaced in every text and every key."""
    if isinstance(thing, str):
        return words.sub(lambda found: texts[found[0]], thing)
    if isinstance(thing, dict):
        return {
            _replaced(key, words, texts): _replaced(value, words, texts)
            for key, value in thing.items()
        }
    return [_replaced(item, words, texts) for item in thing] if isinstance(thing, list) else thing
