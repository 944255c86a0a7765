"""A result and the copy of its corpus on this machine -> its predictions, and a fact about the
speaker of each clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.leaderboard.fairness.analysis import GroupedPredictions
from nverbench.leaderboard.fairness.values import fact_of, group_of
from nverbench.leaderboard.local_corpus import local_corpus
from nverbench.leaderboard.rows import Decisions, StoredResult, find_result
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.records import Clip
from nverbench.results.publishing import rejoin

RESULT = "result.json"
"""The result in the folder of a submission."""


def located(text: str, out: Path) -> StoredResult:
    """The result that an id, the beginning of an id, the path of a ``.json`` file, or the folder of
    a submission names.

    Raises:
        UsageError: there is none.
        ResultError: it is damaged.
    """
    folder = Path(text)
    if not (folder / RESULT).is_file():
        return find_result(text, out)
    from nverbench.leaderboard.submissions.read import read

    bundle = read(folder)
    return StoredResult(bundle.result, lambda: bundle.predictions)


def grouped(
    stored: StoredResult, column: str, catalog: Catalog, dataset: str | None = None
) -> GroupedPredictions:
    """The predictions of a result with a fact about each speaker.

    Args:
        stored: the result; of a published form too, which takes labels and speakers from here.
        column: the fact, such as ``sex``.
        catalog: the parts of this machine.
        dataset: the dataset as this machine writes it; None: as the result does.

    Raises:
        UsageError: the corpus says no such thing about its speakers.
        ArtifactError: the corpus is not here, or is another copy than the result's.
        ResultError: the predictions are gone or damaged.
    """
    r, fact = stored.result, fact_of(column)
    corpus = local_corpus(r, catalog, dataset)
    found = stored.predictions()
    by_id = {clip.id: clip for clip in corpus.clips}
    if not set(found.ids) <= by_id.keys():
        found = rejoin(found, corpus)
    clips = [by_id[clip_id] for clip_id in found.ids]
    _check_known(clips, fact, str(corpus.reference))
    decisions = found.decisions(len(r.labels))
    return GroupedPredictions(
        decisions,
        tuple(group_of(fact, clip.speaker_facts.get(fact)) for clip in clips),
        tuple(clip.speaker for clip in clips),
        tuple(r.display.get(label, label) for label in r.labels),
        fact,
        unit_of(decisions, r.unit),
    )


def unit_of(decisions: Decisions, name: str) -> str:
    """The unit of the intervals: clips where no group is known, else the groups of that name."""
    if all(group is None for group in decisions.groups):
        return "clip"
    return name if name != "clip" else "group"


def _check_known(clips: Sequence[Clip], fact: str, dataset: str) -> None:
    if any(fact in clip.speaker_facts for clip in clips):
        return
    known = sorted({name for clip in clips for name in clip.speaker_facts})
    said = f"says {', '.join(known)} only" if known else "says nothing of that kind"
    advice = (
        f"give --by {known[0]}"
        if known
        else "of your own recordings a column sex, age or language says it (docs/fairness.md)"
    )
    raise UsageError(
        escape_control_characters(
            f"--by {fact:.40}: dataset {dataset} {said} about its speakers; {advice}"
        )
    )
