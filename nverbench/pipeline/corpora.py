"""The corpora and folds of a plan: each is loaded and split once, whatever the number of entries
that need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nverbench.data import corpus as corpora
from nverbench.data import cross_corpus, missing
from nverbench.data.copies import Copies, copies_of
from nverbench.data.corpus import Corpus
from nverbench.data.folds import assign
from nverbench.data.folds.notes import COPIES
from nverbench.data.folds.protocol import check_conversations_whole, folds_of_protocol
from nverbench.data.missing import Missing
from nverbench.data.overview import overview
from nverbench.errors import DatasetError
from nverbench.pipeline.memo import Memo
from nverbench.pipeline.remarks import (
    KEEP_OR_LEAVE,
    copy_remarks,
    decoder_remarks,
    lost_classes,
    shortened,
)
from nverbench.pipeline.selection import Selection
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import PartRef, resolve, split
from nverbench.plugin.records import Dataset
from nverbench.registry import Entry, Registry


@dataclass
class PlannedCorpora:
    """Loads the corpora that entries name, and splits them into folds."""

    registry: Registry
    catalog: Catalog
    selection: Selection
    messages: list[str] = field(default_factory=list)
    """What the user should know about the corpora."""
    memo: Memo = field(default_factory=Memo)
    """Corpora are keyed by ``id``: the memo keeps them all, so that no two share one."""

    def load(self, text: str) -> Corpus | tuple[Missing, ...]:
        """The corpus that an entry names, or what is missing.

        Raises:
            CatalogError, UsageError: there is no such dataset, or it has no such option.
            DatasetError: the local copy is wrong.
        """
        name = split(text)[0]
        source = self.registry.dataset_source(name)
        if name not in self.catalog.datasets.parts and source is not None:
            return (missing.missing_corpus(name, None, source),)
        dataset = self.catalog.dataset(name)
        reference = self.memo(("dataset", text), lambda: resolve(dataset, text))
        return self._load_once(dataset, reference)

    def folds(self, entry: Entry, corpus: Corpus, *, whole: bool) -> list[assign.FoldSet]:
        """The folds of a corpus, one set for each kind; ``whole``: they must not split a
        conversation.

        Raises:
            FoldError: the corpus does not have such folds.
        """
        name = self.protocol_name(entry)
        return [
            self._fold_set(corpus, kind, name, whole=whole) for kind in self._kinds(entry, corpus)
        ]

    def default_kind(self, corpus: Corpus) -> str:
        """The kind of folds of a corpus where neither the entry nor the protocol names one."""
        return self.memo(
            ("default kind", id(corpus)),
            lambda: assign.default_kind(corpus.clips, assign.offered(corpus.dataset)),
        )

    def protocol_name(self, entry: Entry) -> str:
        """The protocol of an entry in this plan."""
        return self.selection.protocol or entry.protocol

    def _load_once(self, dataset: Dataset, reference: PartRef) -> Corpus | tuple[Missing, ...]:
        load = self._load_copy if reference.test is None else self._cross
        key = ("corpus", f"{reference}{reference.full}")
        return self.memo(key, lambda: load(dataset, reference))

    def _cross(self, dataset: Dataset, reference: PartRef) -> Corpus | tuple[Missing, ...]:
        """A corpus that trains on one dataset and tests on another."""
        a = self._load_once(dataset, cross_corpus.training_side(reference))
        b = self.load(str(reference.test))
        if isinstance(a, Corpus) and isinstance(b, Corpus):
            corpus = cross_corpus.cross_corpora(a, b, reference)
            own = corpus.notes[len(a.notes) + len(b.notes) :]  # those of a and b are known
            self.messages += [f"{reference}: {note}" for note in own]
            return corpus
        return tuple(m for side in (a, b) if not isinstance(side, Corpus) for m in side)

    def _load_copy(self, dataset: Dataset, reference: PartRef) -> Corpus | tuple[Missing, ...]:
        root = corpora.local_copy(dataset)
        if dataset.corpus is not None and root is None:
            source = self.registry.dataset_source(dataset.name)
            return (missing.missing_corpus(dataset.name, dataset, source),)
        corpus = corpora.load(dataset, reference, root)
        messages = [*overview(corpus), *corpus.notes, *corpus.remarks]
        messages += decoder_remarks(corpus)
        messages += [f"left out {clip}: {why}" for clip, why in corpus.left_out.items()]
        if lost := lost_classes(corpus):
            if not self.selection.skip_bad:
                raise DatasetError(f"{reference}: {lost[0]}; {KEEP_OR_LEAVE}")
            messages += [f"{what}; the class is left out (--skip-bad)" for what in lost]
        if corpus.misfits:
            first = corpus.misfits[0]
            messages.append(
                f"{len(corpus.misfits)} files do not fit, first {first.path}: {first.reason}"
            )
        self.messages += [f"{reference}: {message}" for message in messages]
        return corpus

    def _fold_set(self, corpus: Corpus, kind: str, protocol: str, *, whole: bool) -> assign.FoldSet:
        clips, key = corpus.clips, (id(corpus), kind, protocol)
        rules, asked = self.registry.protocol(protocol), self.selection.selection
        folds = self.memo(
            ("folds", *key),
            lambda: folds_of_protocol(
                clips,
                kind,
                rules,
                asked,
                replicates=self.selection.seeds,
                same=self._copies(corpus).recordings,
            ),
        )
        self.memo(("remarks", *key), lambda: self._remark(corpus, folds))
        if whole:
            self.memo(("whole", *key), lambda: check_conversations_whole(clips, [folds]))
        return folds

    def leaks(self, corpus: Corpus, cut: assign.FoldSet) -> tuple[str, ...]:
        """Why a row on these folds is unofficial: the clips whose copies are trained on or have
        another label. The counts name no clip: a result publishes them.
        """
        return self.memo(
            ("leaks", id(corpus), cut.kind, cut.digest),
            lambda: tuple(why for why, _ in copy_remarks(self._copies(corpus), cut)),
        )

    def _copies(self, corpus: Corpus) -> Copies:
        return self.memo(("copies", id(corpus)), lambda: copies_of(corpus, self.registry))

    def _remark(self, corpus: Corpus, cut: assign.FoldSet) -> None:
        """Add messages about a set of folds: copies on both sides, copies that were united, and
        the other notes on folds of one's own data.
        """
        found = [line for _, line in copy_remarks(self._copies(corpus), cut)]
        own = corpus.dataset.corpus is None
        said = [note for note in cut.notes if own or note.startswith(COPIES)]
        found += shortened(said, f"nverbench data folds {corpus.reference}")
        self.messages += [f"{corpus.reference}, {cut.kind} folds: {text}" for text in found]

    def _kinds(self, entry: Entry, corpus: Corpus) -> Iterable[str]:
        """The kinds of folds that the user, the entry, the protocol or the dataset names. Whatever
        the clips allow can be run: another kind than the dataset's own makes a row unofficial.
        """
        asked = self.selection.folds
        if corpus.sides:
            return cross_corpus.kinds_of(corpus, (*asked, entry.folds))
        if asked:
            return cross_corpus.kinds_of(corpus, asked)
        named = entry.folds or self.registry.protocol(self.protocol_name(entry)).folds
        if named:
            return (named,)
        return (self.memo(("kind", id(corpus)), lambda: self._announced_kind(corpus)),)

    def _announced_kind(self, corpus: Corpus) -> str:
        """The default kind of folds, with a message where it is not the dataset's first."""
        kind, group = self.default_kind(corpus), corpus.dataset.group
        if kind != corpus.dataset.folds[0]:
            known = all(c.unit is not None for c in corpus.clips)
            few = f"fewer than {assign.FEWEST_GROUPS} {group}s"
            why = few if known else f"not every clip has a {group}"
            self.messages.append(f"{corpus.reference}: {why}, so folds are {kind}")
        return kind
