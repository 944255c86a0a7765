"""Registry x catalog x selection -> jobs that can run, and skips with their reasons. Imports no
torch.

With filters, every registered entry that matches; demo entries only where no matching real entry
can run; a combination that is not registered but named in full (backbones, fusion, dataset) becomes
an unofficial job.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from nverbench._io import state
from nverbench._io.digests import digest_of
from nverbench.data import audio, cross_corpus, missing
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.data.folds import assign
from nverbench.data.folds.protocol import check_conversations_whole, folds_of_protocol
from nverbench.data.missing import Missing
from nverbench.embedding.weights import PlannedBackbone, plan_weights
from nverbench.errors import ArtifactError, CatalogError, DatasetError, FoldError, UsageError
from nverbench.pipeline.compatibility import corpus_incompatibilities, incompatibilities
from nverbench.pipeline.job import Job, Plan, Skip
from nverbench.pipeline.memo import Memo
from nverbench.pipeline.selection import Selection, check_names, matching
from nverbench.pipeline.standing import Conditions, judge, overrides
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import PartRef, canonical, resolve, split
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss, Part
from nverbench.registry import Entry, Protocol, Registry


def plan(registry: Registry, catalog: Catalog, selection: Selection) -> Plan:
    """The jobs and skips of a selection.

    Raises:
        UsageError: a name is unknown, nothing matches, or a fusion is given too few or too many
            backbones.
        ArtifactError, DatasetError, FoldError: something named in full is there but wrong.
    """
    if selection.protocol:
        registry.protocol(selection.protocol)
    check_names(registry, catalog, selection)
    for text in selection.datasets:
        part = catalog.datasets.parts.get(split(text)[0])
        tested = resolve(part, text).test if part else None
        if tested is not None and tested not in registry.datasets:
            catalog.dataset(tested)  # an unknown name is said as such, before it matches no entry
    entries = matching(registry, catalog, selection)
    desk = _Planner(registry, catalog, selection)
    real = [desk.prepare(e) for e in entries if not e.demo]
    demo = (
        [desk.prepare(e) for e in entries if e.demo]
        if not any(isinstance(p, tuple) for p in real)
        else []
    )
    jobs = [job for prepared in (*real, *demo) if isinstance(prepared, tuple) for job in prepared]
    skips = [p for p in (*real, *demo) if isinstance(p, Skip)]
    once = {j.id: j for j in reversed(jobs)}  # of two with one id the first stays
    return Plan(
        tuple(j for j in jobs if once[j.id] is j), tuple(skips), tuple(dict.fromkeys(desk.notes))
    )


@dataclass
class _Planner:
    """Prepares entries: each reference is resolved, each corpus loaded and cut, and each backbone's
    weights looked up once.
    """

    registry: Registry
    catalog: Catalog
    selection: Selection
    notes: list[str] = field(default_factory=list)
    once: Memo = field(default_factory=Memo)
    """Corpora are keyed by ``id``: this memory keeps them all, so no two ever share one."""
    lock: dict[str, Any] = field(default_factory=lambda: state.read_state("lock"))

    def prepare(self, entry: Entry) -> tuple[Job, ...] | Skip:
        """The jobs of an entry (one per kind of folds), or why it cannot run. Wrong input that was
        named in full is raised instead.
        """
        try:
            fusion = self.catalog.fusion(split(entry.fusion)[0])
            backbones = [self._backbone(text, entry) for text in entry.backbones]
            loss_text = self._loss_text(entry, fusion)
            loss = self.catalog.loss(split(loss_text)[0])
            corpus = self._corpus(entry.dataset)
            loss_reference, fusion_reference = (
                self._resolve(loss, loss_text),
                self._resolve(fusion, entry.fusion),
            )
        except (UsageError, CatalogError, ArtifactError, DatasetError) as error:
            if not entry.registered:
                raise
            return Skip(entry, (str(error),))
        absent = () if isinstance(corpus, Corpus) else corpus
        missing = (*absent, *(b for b in backbones if isinstance(b, Missing)))
        ready = tuple(b for b in backbones if isinstance(b, PlannedBackbone))
        reasons = incompatibilities(
            fusion, fusion_reference.full, loss, ready, shuffle=self.selection.shuffle
        )
        if isinstance(corpus, Corpus):
            reasons += corpus_incompatibilities(fusion, fusion_reference.full, corpus)
        if missing or reasons or not isinstance(corpus, Corpus):
            return Skip(
                entry, tuple(reasons) or tuple(f"{m.what} is missing" for m in missing), missing
            )
        try:
            whole = fusion.recipe_for(fusion_reference.full).unit == "conversation"
            cuts = [
                self._cut(corpus, kind, self._protocol_name(entry), whole=whole)
                for kind in self._kinds(entry, corpus)
            ]
        except FoldError as error:
            if not entry.registered:
                raise
            return Skip(entry, (str(error),))
        return tuple(
            self._job(entry, ready, fusion, fusion_reference, loss, loss_reference, corpus, cut)
            for cut in cuts
        )

    def _loss_text(self, entry: Entry, fusion: Fusion) -> str:
        if len(self.selection.losses) == 1 and entry.loss is None:
            return self.selection.losses[0]
        return entry.loss or fusion.default_loss

    def _backbone(self, text: str, entry: Entry) -> PlannedBackbone | Missing:
        part = self.catalog.backbone(split(text)[0])
        reference = self._resolve(part, text)
        if (entry.untrained or self.selection.untrained) and part.weights is not None:
            reference = replace(reference, untrained=True, weights=None)
        key = (str(reference) + str(reference.full) + str(reference.weights), reference.untrained)
        return self.once(("backbone", *key), lambda: self._looked_up(part, reference))

    def _looked_up(self, part: Backbone, reference: PartRef) -> PlannedBackbone | Missing:
        return plan_weights(part, reference, self.registry.weights_source(part.name))

    def _resolve(self, part: Part, text: str) -> PartRef:
        return self.once(("reference", type(part), text), lambda: resolve(part, text))

    def _corpus(self, text: str) -> Corpus | tuple[Missing, ...]:
        name = split(text)[0]
        source = self.registry.dataset_source(name)
        if name not in self.catalog.datasets.parts and source is not None:
            return (missing.missing_corpus(name, None, source),)
        dataset = self.catalog.dataset(name)
        return self._copy(dataset, self._resolve(dataset, text))

    def _copy(self, dataset: Dataset, reference: PartRef) -> Corpus | tuple[Missing, ...]:
        tested = reference.test
        make = (
            (lambda: self._load(dataset, reference))
            if tested is None
            else (lambda: self._crossed(dataset, reference, tested))
        )
        return self.once(("corpus", f"{reference}{reference.full}"), make)

    def _crossed(
        self, dataset: Dataset, reference: PartRef, tested: str
    ) -> Corpus | tuple[Missing, ...]:
        a, b = self._copy(dataset, cross_corpus.training_side(reference)), self._corpus(tested)
        if isinstance(a, Corpus) and isinstance(b, Corpus):
            corpus = cross_corpus.cross_corpora(a, b, reference)
            self.notes += [
                f"{reference}: {note}" for note in corpus.notes[len(a.notes) + len(b.notes) :]
            ]  # theirs are noted by now
            return corpus
        return tuple(m for side in (a, b) if not isinstance(side, Corpus) for m in side)

    def _load(self, dataset: Dataset, reference: PartRef) -> Corpus | tuple[Missing, ...]:
        root = corpora.local_copy(dataset)
        if dataset.corpus is not None and root is None:
            source = self.registry.dataset_source(dataset.name)
            return (missing.missing_corpus(dataset.name, dataset, source),)
        corpus = corpora.load(dataset, reference, root)
        self.notes += [f"{reference}: {note}" for note in corpus.notes]
        self.notes += [
            f"{reference}: left out {clip}: {why}" for clip, why in corpus.left_out.items()
        ]
        if corpus.misfits:
            first = corpus.misfits[0]
            self.notes.append(
                f"{reference}: {len(corpus.misfits)} files do not fit, first {first.path}:"
                f" {first.reason}"
            )
        return corpus

    def _kinds(self, entry: Entry, corpus: Corpus) -> Iterable[str]:
        protocol = self._protocol(entry)
        if corpus.sides:
            return cross_corpus.kinds_of(corpus, (*self.selection.folds, entry.folds))
        if self.selection.folds:
            allowed = corpus.dataset.folds
            for kind in self.selection.folds:
                if kind.partition("=")[0] not in {
                    a.partition("=")[0] for a in (*allowed, "holdout")
                }:
                    raise FoldError(
                        f"dataset {corpus.reference} cannot be cut by {kind}; it offers"
                        f" {', '.join(allowed)}"
                    )
            return dict.fromkeys(self.selection.folds)
        wanted = entry.folds or protocol.folds
        if wanted:
            return (wanted,)
        return self.once(("kinds", id(corpus)), lambda: self._default_kinds(corpus))

    def _default_kind(self, corpus: Corpus) -> str:
        return self.once(
            ("default kind", id(corpus)),
            lambda: assign.default_kind(corpus.clips, corpus.dataset.folds),
        )

    def _default_kinds(self, corpus: Corpus) -> tuple[str, ...]:
        """The default kind of folds, with a note where it is not the dataset's first."""
        kind = self._default_kind(corpus)
        if kind != corpus.dataset.folds[0]:
            known = all(c.unit is not None for c in corpus.clips)
            why = (
                f"fewer than {assign.FEWEST_GROUPS} {corpus.dataset.group}s"
                if known
                else f"not every clip has a {corpus.dataset.group}"
            )
            self.notes.append(f"{corpus.reference}: {why}, so folds are {kind}")
        return (kind,)

    def _protocol_name(self, entry: Entry) -> str:
        return self.selection.protocol or entry.protocol

    def _protocol(self, entry: Entry) -> Protocol:
        return self.registry.protocol(self._protocol_name(entry))

    def _cut(self, corpus: Corpus, kind: str, protocol: str, *, whole: bool) -> assign.FoldSet:
        """The folds of a corpus, shared by all jobs that want the same; ``whole``: they must not
        cut a conversation apart.
        """
        rules, asked = self.registry.protocol(protocol), self.selection.selection
        cut = self.once(
            ("cut", id(corpus), kind, protocol),
            lambda: folds_of_protocol(corpus.clips, kind, rules, asked),
        )
        if whole:
            self.once(
                ("whole", id(corpus), kind, protocol),
                lambda: check_conversations_whole(corpus.clips, [cut]),
            )
        return cut

    def _job(
        self,
        entry: Entry,
        backbones: tuple[PlannedBackbone, ...],
        fusion: Fusion,
        fusion_reference: PartRef,
        loss: Loss,
        loss_reference: PartRef,
        corpus: Corpus,
        cut: assign.FoldSet,
    ) -> Job:
        asked, name = self.selection, self._protocol_name(entry)
        protocol = self._protocol(entry)
        protocol = protocol.model_copy(update={"selection": asked.selection or protocol.selection})
        left_out = digest_of(sorted(corpus.left_out)) if corpus.left_out else ""
        identity: dict[str, Any] = {
            "backbones": [
                {**b.reference.identity(), "weights": b.weights.digest, "revision": b.part.revision}
                for b in backbones
            ],
            "audio": audio.REVISION,
            "fusion": fusion_reference.identity(),
            "loss": loss_reference.identity(),
            # A result publishes its identity: digests stand for the ids of clips and for the group
            # that is held out.
            "dataset": {
                **corpus.reference.identity(),
                "digest": corpus.digest,
                "left_out": left_out,
            },
            "folds": {"kind": cut.kind.partition("=")[0], "digest": cut.digest},
            "protocol": {"name": name, **protocol.model_dump(exclude={"summary", "replicates"})},
            "seeds": asked.seeds,
            "dtype": asked.dtype,
            "device": asked.device,
            "skip_bad": asked.skip_bad,
            "plugins": self._versions(backbones, fusion, loss, corpus),
        }
        identity |= {"train": {"shuffle": asked.shuffle}} if asked.shuffle != "none" else {}
        identity |= {"storage": asked.storage} if fusion.wants == "frames" else {}
        standing = judge(
            entry,
            self.registry,
            name,
            backbones,
            corpus,
            cut,
            self.lock,
            overridden=self._overrides(entry, fusion, loss_reference, corpus, cut),
            seeds=asked.seeds,
            transductive=fusion.transductive(fusion_reference.full),
            plugins=identity["plugins"],
        )
        return Job(
            digest_of(identity)[:16],
            entry,
            backbones,
            fusion,
            fusion_reference,
            loss,
            loss_reference,
            corpus,
            cut,
            name,
            protocol,
            asked,
            standing,
            identity,
        )

    def _versions(
        self, backbones: tuple[PlannedBackbone, ...], fusion: Fusion, loss: Loss, corpus: Corpus
    ) -> dict[str, str]:
        c = self.catalog
        origins = [c.backbones.origins[b.part.name] for b in backbones]
        origins += [c.fusions.origins[fusion.name], c.losses.origins[loss.name]]
        origins += [c.datasets.origins[side.dataset.name] for side in corpus.sides or (corpus,)]
        return dict(sorted({o.distribution: o.version for o in origins}.items()))

    def _overrides(
        self, entry: Entry, fusion: Fusion, loss: PartRef, corpus: Corpus, cut: assign.FoldSet
    ) -> list[str]:
        """What the command line changes that the registered entry does not say."""
        asked, protocol = self.selection, self._protocol(entry)
        run = Conditions(
            cut.kind,
            asked.selection or protocol.selection,
            asked.dtype,
            asked.storage if fusion.wants == "frames" else "float32",
            asked.shuffle,
            asked.skip_bad,
        )
        default_loss = self.once(
            ("default loss", fusion.name),
            lambda: canonical(self.catalog.losses.parts, fusion.default_loss),
        )
        usual = self._default_kind(corpus)
        return overrides(
            entry, protocol, run, loss=loss, default_loss=default_loss, usual_folds=usual
        )
