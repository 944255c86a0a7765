"""Two finished results of conversations -> every turn they were tested on, with the predictions of
both models: the input of ``atmosphere``.

A result holds no conversation: the order of turns comes from the copy of the corpus on this
machine, which must be the one that the results were made on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.errors import UsageError
from nverbench.leaderboard.context.records import ConversationTurns
from nverbench.leaderboard.local_corpus import local_corpus
from nverbench.leaderboard.pairing import paired, refuse_different
from nverbench.leaderboard.rows import StoredResult, field_of
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.types import UNSCORED

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Clip
    from nverbench.results.record import Result

CONTEXT, ALONE = "context", "utterance"
"""The option that makes a fusion of conversations process every turn by itself."""
BASELINE = "erc-mamba:context=utterance"
"""The paper's single-utterance model, for fusions that have no such option."""


def turns(contextual: StoredResult, single: StoredResult, catalog: Catalog) -> ConversationTurns:
    """The turns of every conversation that both models were tested on, unscored ones included.

    Raises:
        UsageError: they are not of conversations, not of one field, the wrong way round, or not
            over the same turns.
        ResultError: the predictions of one are gone, damaged or without labels.
        ArtifactError: the corpus is not here, or is another copy than the results'.
    """
    a, b = contextual.result, single.result
    check_kind(a, catalog, whole=True)
    check_kind(b, catalog, whole=False)
    _check_field(a, b)
    one, two = paired(contextual.predictions(), single.predictions())
    first, second = one.decisions(len(a.labels)), two.decisions(len(b.labels))
    if one.ids != two.ids or not np.array_equal(first.target, second.target):
        sizes = f"{a.counts.clips} and {b.counts.clips} turns"
        message = (
            f"{a.id} and {b.id} differ in turns or labels ({sizes}); run both on the same copy"
        )
        raise UsageError(escape_control_characters(message))
    clips = _turns(a, set(one.ids), catalog)
    known = {clip_id: row for row, clip_id in enumerate(one.ids)}
    rows = np.array([known.get(clip.id, -1) for clip in clips])  # (n,), -1: not scored
    # Predictions of unscored turns are not kept; their class is not read.
    left, right = (np.where(rows >= 0, p.predicted[:, rows], 0) for p in (first, second))
    return ConversationTurns(
        tuple(str(clip.conversation) for clip in clips),
        tuple(int(clip.turn or 0) for clip in clips),
        tuple(clip.unit for clip in clips),
        np.where(rows >= 0, first.target[rows], UNSCORED),
        left,
        right,
        tuple(a.labels),
    )


def check_kind(result: Result, catalog: Catalog, *, whole: bool) -> None:
    """Raise the UsageError that says why a result is not one of a model that sees whole
    conversations (or, ``whole=False``, single utterances).

    A fusion that is not installed here cannot be checked, and is accepted.
    """
    name = result.entry.dataset
    if catalog.dataset(split(name)[0]).task != "conversation":
        message = (
            f"result {result.id} is over single clips ({name}); give one of a dataset that has"
        )
        raise UsageError(escape_control_characters(f"{message} conversations"))
    if split(result.entry.fusion)[0] not in catalog.fusions.parts:
        return
    reference = _fusion(result, catalog)
    sees_all = catalog.fusion(reference.name).recipe_for(reference.full).unit == "conversation"
    if sees_all != whole:
        sees, expected = "whole conversations", "single utterances"
        if whole:
            sees, expected = "single utterances", "conversations"
        message = f"(result {result.id}) sees {sees}; expected a model that sees {expected}"
        raise UsageError(escape_control_characters(f"{reference} {message}"))


def alone(result: Result, catalog: Catalog) -> str:
    """The single-utterance model of a contextual one: the same fusion where it can process turns by
    themselves, else the paper's.
    """
    reference = _fusion(result, catalog)
    if CONTEXT not in reference.full:
        return BASELINE
    return str(replace(reference, options={**reference.options, CONTEXT: ALONE}))


def counterpart(
    contextual: Result, filed: Iterable[StoredResult], catalog: Catalog
) -> StoredResult | None:
    """The single-utterance model of a contextual one among the results of its field, with its
    backbones and loss; first the one with as many replicates.

    A fusion that cannot process turns by themselves is compared with the paper's model, or with the
    only model of single utterances that there is.
    """
    e, expected = contextual.entry, alone(contextual, catalog)
    field = [
        one
        for one in filed
        if field_of(one.result) == field_of(contextual)
        and one.result.entry.backbones == e.backbones
        and one.result.provenance.weights_digests == contextual.provenance.weights_digests
        and one.result.entry.loss == e.loss
    ]
    found = [one for one in field if one.result.entry.fusion == expected]
    if not found and expected == BASELINE:
        found = [one for one in field if _context(one.result) == ALONE]
        found = found if len({one.result.entry.fusion for one in found}) == 1 else []
    best = [(r.seeds == contextual.seeds, r.seeds, r.id) for r in (one.result for one in found)]
    return found[best.index(max(best))] if found else None


def _context(result: Result) -> object:
    fusion = result.provenance.identity.get("fusion", {})
    return fusion.get("options", {}).get(CONTEXT)


def _fusion(result: Result, catalog: Catalog) -> PartRef:
    return resolve(catalog.fusion(split(result.entry.fusion)[0]), result.entry.fusion)


def _check_field(a: Result, b: Result) -> None:
    refuse_different(a, b)
    pairs = {"protocol": (a.protocol, b.protocol), "selection": (a.selection, b.selection)}
    for what, (left, right) in pairs.items():
        if left != right:
            message = f"{a.id} and {b.id} differ in {what}: {left:.60} and {right:.60}"
            raise UsageError(escape_control_characters(f"{message}; give results of one field"))


def _turns(result: Result, scored: set[str], catalog: Catalog) -> list[Clip]:
    """Every turn of the conversations that have scored ones, from the copy of the corpus here."""
    corpus = local_corpus(result, catalog)
    names = {clip.conversation for clip in corpus.heard if clip.id in scored}
    missing = scored - {clip.id for clip in corpus.heard}
    if missing:
        message = (
            f"{len(missing)} turns of result {result.id} are not in the corpus by their names: it"
            " is a published form; give the result of this machine"
        )
        raise UsageError(escape_control_characters(message))
    return [clip for clip in corpus.heard if clip.conversation in names]
