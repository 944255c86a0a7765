"""What of a result names files, clips or people of this machine, and what stands there when it is
published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Names(BaseModel):
    """Private names -> published ones. A result carries them here, where it was made, so that its
    digest is that of the published form.
    """

    model_config = ConfigDict(extra="forbid")

    texts: dict[str, str]
    """Anywhere in the result: references that hold a file's name, ``holdout=GROUP``, reasons that
    quote a path.
    """
    clips: dict[str, str]
    """Clips that were left out."""
    groups: dict[str, str]
    folds: dict[str, str]
    """Empty where folds are numbered."""

    def apply(self, content: dict[str, Any]) -> dict[str, Any]:
        """The JSON content of a result without private names. Lists and keys that followed the
        order of names follow the published ones.

        Raises:
            ValueError: the result holds a group or a clip that these names do not cover.
        """
        left_out = content["counts"]["left_out"]
        hidden = {
            **content,
            "counts": {
                **content["counts"],
                "left_out": dict(
                    sorted((_known(self.clips, clip), why) for clip, why in left_out.items())
                ),
            },
            "per_group_accuracy": dict(
                sorted(
                    (_known(self.groups, group), value)
                    for group, value in content["per_group_accuracy"].items()
                )
            ),
        }
        if self.folds:
            scores = [
                {**fold, "fold": _known(self.folds, fold["fold"])} for fold in content["per_fold"]
            ]
            hidden["per_fold"] = sorted(scores, key=lambda fold: (fold["replicate"], fold["fold"]))
        if not self.texts:
            return hidden
        words = re.compile(
            "|".join(re.escape(text) for text in sorted(self.texts, key=len, reverse=True))
        )
        return dict(_replaced(hidden, words, self.texts))


def numbered(word: str, items: Iterable[str]) -> dict[str, str]:
    """Item -> ``word 01``, ``word 02``, ... in the order given; zero-padded, so that sorting keeps
    it.
    """
    unique = list(dict.fromkeys(items))
    width = max(2, len(str(len(unique))))
    return {item: f"{word} {number:0{width}d}" for number, item in enumerate(unique, 1)}


def _known(names: dict[str, str], name: str) -> str:
    if name not in names:
        raise ValueError("it holds a clip, a group or a fold that its names do not cover")
    return names[name]


def _replaced(thing: Any, words: re.Pattern[str], texts: dict[str, str]) -> Any:
    """Every text, and every key of a dict, with private words replaced."""
    if isinstance(thing, str):
        return words.sub(lambda found: texts[found[0]], thing)
    if isinstance(thing, dict):
        return {
            _replaced(key, words, texts): _replaced(value, words, texts)
            for key, value in thing.items()
        }
    return [_replaced(item, words, texts) for item in thing] if isinstance(thing, list) else thing
