"""The line that a run prints where a fact of the recordings alone predicts the label."""

from __future__ import annotations

from collections.abc import Iterator

from nverbench.data import clip_facts
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet

MOST = 60_000
"""Clips times folds: above, the trees would take seconds (leave-one-group-out of many groups)."""


def confound_lines(corpus: Corpus, cut: FoldSet) -> Iterator[str]:
    """The sentence for a corpus and its folds, where this machine has decoded every clip. A corpus
    that a plugin makes gets none: its author knows its sounds.
    """
    made = corpus.dataset.make is not None
    if made or corpus.sides or len(corpus.clips) * len(cut.folds) > MOST:
        return
    facts = clip_facts.remembered(corpus.clips, corpus.sha256)
    if len(facts) < len(corpus.clips) or any(f.reason is not None for f in facts.values()):
        return
    from nverbench.data.audit.confounds import strongest_fact

    found = strongest_fact(corpus.clips, facts, cut)
    if found is not None:
        yield (
            f"{corpus.reference}, {cut.kind} folds: {found.feature} alone predicts the label with"
            f" {found.accuracy:.1%} accuracy (chance {found.null_mean or 0:.1%}): a model may score"
            " this without hearing the voice; nverbench data audit"
            f" {corpus.reference} says more"
        )
