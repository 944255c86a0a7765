"""A submitted result against this machine's own copy of the corpus: digests, labels, groups, and
the folds cut anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nverbench._io.digests import digest_of
from nverbench.data import corpus as corpora
from nverbench.data import cross_corpus
from nverbench.data.copies import copies_of
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.data.folds.inner import inner_folds
from nverbench.data.folds.protocol import folds_of_protocol
from nverbench.errors import NverbenchError
from nverbench.leaderboard.submissions.parts import ResolvedParts
from nverbench.leaderboard.submissions.recompute import labelled
from nverbench.leaderboard.submissions.records import Identity
from nverbench.plugin.catalog import Catalog
from nverbench.registry import Protocol, Registry
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result


@dataclass
class LocalCopies:
    """The corpora of this machine, each loaded once."""

    catalog: Catalog
    registry: Registry
    _loaded: dict[str, Corpus | str] = field(default_factory=dict)

    def of(self, named: ResolvedParts) -> Corpus | str:
        """The corpus of a result; or why there is none here.

        A dataset whose options are paths is never loaded: the path would be the submission's.
        """
        text = str(named.dataset_reference)
        if text not in self._loaded:
            self._loaded[text] = self._load(named, text)
        return self._loaded[text]

    def _load(self, named: ResolvedParts, text: str) -> Corpus | str:
        for _, dataset in named.sides:
            if dataset.local or dataset.corpus is None:
                return f"{dataset.name} is a user's own data"
            if dataset.make is None and corpora.local_copy(dataset) is None:
                return f"corpus {dataset.corpus} is not on this machine (nverbench data add)"
        try:
            return cross_corpus.load_local_pair(self.catalog.dataset, text)
        except (NverbenchError, OSError) as error:
            return f"the local copy of {text} cannot be read: {error}"


def check(
    result: Result, identity: Identity, joined: Predictions, corpus: Corpus, registry: Registry
) -> Iterator[str]:
    """Contradictions between a result and a copy of the corpus.

    Args:
        result: as submitted.
        identity: of the result.
        joined: the predictions with labels and groups from the copy, rows in the order of ids.
        corpus: the copy on this machine.
        registry: has the protocol, and the copies of recordings that it lists.
    """
    if corpus.digest != result.provenance.dataset_digest:
        yield (
            f"dataset digest is {result.provenance.dataset_digest[:12]}; your copy gives"
            f" {corpus.digest[:12]}"
        )
    if list(corpus.labels) != result.labels:
        yield "its labels are not those of your copy, or in another order"
    left_out = digest_of(sorted(corpus.left_out)) if corpus.left_out else ""
    if left_out != identity.dataset.get("left_out"):
        yield "the known defects that were left out are not those of your copy"
    if identity.skip_bad:  # which clips trained is not published
        return
    protocol = registry.protocol(result.protocol)
    try:
        cut = folds_of_protocol(
            corpus.clips,
            _kind(result, joined),
            protocol,
            result.selection,
            replicates=result.seeds,
            same=copies_of(corpus, registry).recordings,
        )
    except NverbenchError as error:
        yield f"your copy cannot be cut this way: {error}"
        return
    yield from _against(result, joined, corpus, cut, protocol)


def _against(
    result: Result, joined: Predictions, corpus: Corpus, cut: FoldSet, protocol: Protocol
) -> Iterator[str]:
    if cut.digest != result.folds.digest:
        yield f"fold digest is {result.folds.digest[:12]}; your copy is cut to {cut.digest[:12]}"
    place = {corpus.clips[row].id: fold.name for fold in cut.folds for row in fold.test}
    wrong = sum(place.get(i) != fold for i, fold in zip(joined.ids, joined.folds, strict=True))
    if wrong or len(place) != len(joined.ids):
        yield (
            f"{wrong} clips are in another fold than your copy is cut to ({len(joined.ids)} of"
            f" {len(place)} tested clips are given)"
        )
    trained = [inner_folds(fold, protocol, 0)[0] for fold in cut.folds]
    sizes = sorted((len(f.train), len(f.validation), len(f.test)) for f in trained)
    first = [f for f in result.per_fold if f.replicate == 0]
    if sorted((f.train, f.validation, f.test) for f in first) != sizes:
        yield "the sizes of training, validation and test parts are not those of your copy's folds"
    if any(f.speakers_seen for f in cut.folds) != result.folds.speakers_seen:
        yield f"speakers_seen is {result.folds.speakers_seen}; your copy's folds say otherwise"
    # The notes of other kinds of folds name groups.
    plain = result.folds.kind in ("speaker", "random", "cross")
    if plain and list(cut.notes) != result.folds.notes:
        yield "the notes on its folds are not those of your copy's"
    if len(corpus.misfits) != result.counts.misfits:
        yield f"{result.counts.misfits} misfits; your copy has {len(corpus.misfits)}"


def _kind(result: Result, joined: Predictions) -> str:
    """The kind of folds, with the group that a published result does not name."""
    held = sorted(set(joined.groups))
    return f"holdout={held[0]}" if result.folds.kind == "holdout" and held else result.folds.kind


def check_columns(published: Predictions, joined: Predictions) -> Iterator[str]:
    """Labels and groups that were published against those of the copy."""
    own = labelled(published, joined)
    wrong = int((published.target != own.target).sum()) if len(published.target) else 0
    if wrong:
        yield f"{wrong} clips have another label than in your copy"
    if any(published.groups) and published.groups != own.groups:
        yield "clips are grouped in another way than in your copy"
