"""Two finished results of conversations -> every turn they were tested on, with what both models
said: what ``atmosphere`` analyses.

A result keeps no conversation: which turn is which comes from the copy of the corpus on this
machine, which must be the one the results were made on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nverbench._io.text import escape_control_characters
from nverbench.data import corpus as corpora
from nverbench.errors import ArtifactError, UsageError
from nverbench.leaderboard.context.records import ConversationTurns
from nverbench.leaderboard.pairing import paired, refuse_different
from nverbench.leaderboard.rows import StoredResult, field_of
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.types import UNSCORED

if TYPE_CHECKING:
    from nverbench.plugin.catalog import Catalog
    from nverbench.plugin.records import Clip
    from nverbench.results.record import Result

CONTEXT, ALONE = "context", "utterance"
"""The option by which a fusion that hears conversations is made to hear every turn by itself."""
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
        said = (
            f"{a.id} and {b.id} differ in turns or labels ({a.counts.clips} and {b.counts.clips}"
            " turns); run both on the same copy"
        )
        raise UsageError(escape_control_characters(said))
    heard = _heard(a, set(one.ids), catalog)
    known = {clip_id: row for row, clip_id in enumerate(one.ids)}
    rows = np.array([known.get(clip.id, -1) for clip in heard])  # (n,), -1: heard, not scored
    classes = [
        np.where(rows >= 0, of.predicted[:, rows], 0) for of in (first, second)
    ]  # of unscored turns nothing is kept, and nothing is read
    target = np.where(rows >= 0, first.target[rows], UNSCORED)
    names, places = (
        tuple(str(clip.conversation) for clip in heard),
        tuple(int(clip.turn or 0) for clip in heard),
    )
    return ConversationTurns(
        names,
        places,
        tuple(clip.unit for clip in heard),
        target,
        classes[0],
        classes[1],
        tuple(a.labels),
    )


def check_kind(result: Result, catalog: Catalog, *, whole: bool) -> None:
    """Raise the UsageError that says why a result is not one of a model that hears whole
    conversations (or, ``whole=False``, single utterances).

    Of a fusion that is not installed here nothing is known: whoever names its result is believed.
    """
    name = result.entry.dataset
    if catalog.dataset(split(name)[0]).task != "conversation":
        raise UsageError(
            escape_control_characters(
                f"result {result.id} is over single clips ({name}); give one of a dataset that has"
                " conversations"
            )
        )
    if split(result.entry.fusion)[0] not in catalog.fusions.parts:
        return
    reference = _fusion(result, catalog)
    hears = catalog.fusion(reference.name).recipe_for(reference.full).unit == "conversation"
    if hears != whole:
        hears_what, wanted = (
            ("single utterances", "conversations")
            if whole
            else ("whole conversations", "single utterances")
        )
        raise UsageError(
            escape_control_characters(
                f"{reference} (result {result.id}) hears {hears_what}, and a model that hears"
                f" {wanted} belongs there"
            )
        )


def alone(result: Result, catalog: Catalog) -> str:
    """The single-utterance model of a contextual one: the same fusion where it can hear turns by
    themselves, else the paper's.
    """
    reference = _fusion(result, catalog)
    if CONTEXT not in reference.full:
        return BASELINE
    return str(replace(reference, options={**reference.options, CONTEXT: ALONE}))


def counterpart(
    contextual: Result, filed: Iterable[StoredResult], catalog: Catalog
) -> StoredResult | None:
    """Of results, the single-utterance model of a contextual one, in its field, with its backbones
    and loss; the one with as many replicates first.

    A fusion that cannot hear turns by themselves is held against the paper's model, or against the
    only model of single utterances there is.
    """
    e, wanted = contextual.entry, alone(contextual, catalog)
    field = [
        one
        for one in filed
        if field_of(one.result) == field_of(contextual)
        and one.result.entry.backbones == e.backbones
        and one.result.provenance.weights_digests == contextual.provenance.weights_digests
        and one.result.entry.loss == e.loss
    ]
    found = [one for one in field if one.result.entry.fusion == wanted]
    if not found and wanted == BASELINE:
        found = [
            one
            for one in field
            if one.result.provenance.identity.get("fusion", {}).get("options", {}).get(CONTEXT)
            == ALONE
        ]
        found = found if len({one.result.entry.fusion for one in found}) == 1 else []
    return max(
        found,
        key=lambda one: (one.result.seeds == contextual.seeds, one.result.seeds, one.result.id),
        default=None,
    )


def _fusion(result: Result, catalog: Catalog) -> PartRef:
    return resolve(catalog.fusion(split(result.entry.fusion)[0]), result.entry.fusion)


def _check_field(a: Result, b: Result) -> None:
    refuse_different(a, b)
    for what, left, right in (
        ("protocol", a.protocol, b.protocol),
        ("selection", a.selection, b.selection),
    ):
        if left != right:
            raise UsageError(
                escape_control_characters(
                    f"{a.id} and {b.id} differ in {what}: {left:.60} and {right:.60}; give results"
                    " of one field"
                )
            )


def _heard(result: Result, scored: set[str], catalog: Catalog) -> list[Clip]:
    """Every turn of the conversations that have scored ones, from the copy of the corpus here."""
    dataset = catalog.dataset(split(result.entry.dataset)[0])
    corpus = corpora.load_local(dataset, result.entry.dataset)
    if corpus.digest != result.provenance.dataset_digest:
        said = (
            f"the copy of {result.entry.dataset} here has digest {corpus.digest[:12]}, and result"
            f" {result.id} was made on {result.provenance.dataset_digest[:12]}; nverbench data"
            f" check {dataset.name} says how it differs"
        )
        raise ArtifactError(escape_control_characters(said))
    talks = {clip.conversation for clip in corpus.heard if clip.id in scored}
    missing = scored - {clip.id for clip in corpus.heard}
    if missing:
        raise UsageError(
            escape_control_characters(
                f"{len(missing)} turns of result {result.id} are not in the corpus by their names:"
                " it is a published form; give the result of this machine"
            )
        )
    return [clip for clip in corpus.heard if clip.conversation in talks]
