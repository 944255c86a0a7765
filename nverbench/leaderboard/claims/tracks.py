"""The verdict over tracks: two protocols that differ in how heads are trained, over the same clips
and folds. A claim holds or fails on a corpus only if it does so on every track that was measured;
where tracks disagree, the verdict is "depends on the recipe".

Rows of other protocols, such as nver-1, keep verdicts of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nverbench.leaderboard.claims.records import ClaimVerdict, MetricVerdict
from nverbench.leaderboard.claims.spec import DEPENDS, NOT_MEASURED
from nverbench.leaderboard.rows import Field

TRACKS = ("nver-2", "paper-recipe")
"""The protocols whose verdicts must agree."""
NAMES = [
    *("claim", "paper", "sentence", "contrast", "control", "corpus", "folds", "selection"),
    *("metric", "published"),
]
"""Fields that verdicts on different tracks share."""


@dataclass(frozen=True)
class Measured:
    """A contrast that was measured in one field."""

    field: Field
    verdict: ClaimVerdict
    systems: frozenset[tuple[tuple[str, ...], str, str]]
    """The systems that were compared."""

    @property
    def place(self) -> tuple[str, str, str]:
        """The field without its protocol: dataset digest, fold digest and selection."""
        dataset, folds, _, selection = self.field
        return dataset, folds, selection


def agreed(verdicts: Iterable[str]) -> str:
    """The verdict that several tracks agree on, in any order; "depends on the recipe" where they
    disagree, "not measured" where none was measured.
    """
    words = set(verdicts) - {NOT_MEASURED}
    return DEPENDS if len(words) > 1 else next(iter(words), NOT_MEASURED)


def with_tracks(measured: Sequence[Measured]) -> list[ClaimVerdict]:
    """The verdicts of one contrast, those over the same clips and folds together: first the one
    over tracks, if a track was measured, then the tracks, then other protocols.
    """
    places: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
    for one in measured:
        places[one.place].append(one)
    found: list[ClaimVerdict] = []
    for members in places.values():
        by_protocol = {one.verdict.protocol: one for one in members}
        tracks = {name: by_protocol[name] for name in TRACKS if name in by_protocol}
        found += [_over(tracks)] if tracks else []
        found += [one.verdict for one in tracks.values()]
        found += [one.verdict for one in members if one.verdict.protocol not in tracks]
    return found


def _over(tracks: Mapping[str, Measured]) -> ClaimVerdict:
    """The verdict over the tracks that were measured."""
    verdicts = {name: one.verdict for name, one in tracks.items()}
    first = next(iter(verdicts.values()))
    word = agreed(one.verdict for one in verdicts.values())
    by_accuracy = [one.accuracy for one in verdicts.values() if one.accuracy is not None]
    return ClaimVerdict(
        **{name: getattr(first, name) for name in NAMES},
        tracks=tuple(verdicts),
        verdict=word,
        accuracy=MetricVerdict(by_accuracy[0].metric, agreed(one.verdict for one in by_accuracy))
        if by_accuracy
        else None,
        note="; ".join(_notes(tracks, word)),
    )


def _notes(tracks: Mapping[str, Measured], word: str) -> list[str]:
    if len(tracks) == 1:
        return [f"one track only ({next(iter(tracks))})"]
    each = [f"{name}: {one.verdict.verdict}" for name, one in tracks.items()]
    differ = len({one.systems for one in tracks.values()}) > 1
    return [*(each if word == DEPENDS else []), *(["the tracks compare different rows"] * differ)]
