"""Registry x catalog x selection -> jobs that can run, and skips with their reasons. Imports no
torch.

With filters, every registered entry that matches; demo entries only where no matching real entry
can run; a combination that is not registered but named in full (backbones, fusion, dataset) becomes
an unofficial job.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nverbench._io import state
from nverbench._io.digests import digest_of
from nverbench.data import audio
from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.data.missing import Missing
from nverbench.embedding.weights import PlannedBackbone, plan_weights
from nverbench.errors import ArtifactError, CatalogError, DatasetError, FoldError, UsageError
from nverbench.pipeline.compatibility import corpus_incompatibilities, incompatibilities
from nverbench.pipeline.corpora import PlannedCorpora
from nverbench.pipeline.job import Job, Plan, PlannedParts, Skip
from nverbench.pipeline.memo import Memo
from nverbench.pipeline.selection import Selection, check_names, matching
from nverbench.pipeline.standing import LEVELS, Conditions, RowFacts, judge, overrides
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import PartRef, canonical, resolve, split
from nverbench.plugin.records import Part
from nverbench.registry import Entry, Protocol, Registry


def plan(registry: Registry, catalog: Catalog, selection: Selection) -> Plan:
    """The jobs and skips of a selection.

    Raises:
        UsageError: a name is unknown, nothing matches, or a fusion is given too few or too many
            backbones.
        ArtifactError, DatasetError, FoldError: something named in full exists but is wrong.
    """
    if selection.protocol:
        registry.protocol(selection.protocol)
    check_names(registry, catalog, selection)
    for text in selection.datasets:
        part = catalog.datasets.parts.get(split(text)[0])
        tested = resolve(part, text).test if part else None
        if tested is not None and tested not in registry.datasets:
            catalog.dataset(tested)  # raises for an unknown name, before it matches no entry
    entries = matching(registry, catalog, selection)
    planner = _Planner(registry, catalog, selection)
    prepared = [planner.prepare(e) for e in entries if not e.demo]
    if not any(isinstance(p, tuple) for p in prepared):
        prepared += [planner.prepare(e) for e in entries if e.demo]
    jobs: dict[str, Job] = {}
    for p in prepared:
        for job in p if isinstance(p, tuple) else ():
            # Entries of two grids can be the same job: the one of the better standing stays.
            known = jobs.setdefault(job.id, job)
            if LEVELS.index(job.standing.level) > LEVELS.index(known.standing.level):
                jobs[job.id] = job
    skips = tuple(p for p in prepared if isinstance(p, Skip))
    return Plan(tuple(jobs.values()), skips, tuple(dict.fromkeys(planner.corpora.messages)))


@dataclass
class _Planner:
    """Turns entries into jobs: each reference is resolved, and the weights of each backbone are
    looked up, once.
    """

    registry: Registry
    catalog: Catalog
    selection: Selection
    memo: Memo = field(default_factory=Memo)
    lock: dict[str, Any] = field(default_factory=lambda: state.read_state("lock"))
    corpora: PlannedCorpora = field(init=False)

    def __post_init__(self) -> None:
        self.corpora = PlannedCorpora(self.registry, self.catalog, self.selection)

    def prepare(self, entry: Entry) -> tuple[Job, ...] | Skip:
        """The jobs of an entry (one per kind of folds), or why it cannot run. The errors of an
        entry that the user named in full are raised.
        """
        try:
            parts = self._parts(entry)
            if isinstance(parts, Skip):
                return parts
        except (UsageError, CatalogError, ArtifactError, DatasetError) as error:
            if not entry.registered:
                raise
            return Skip(entry, (str(error),))
        whole = parts.fusion.recipe_for(parts.fusion_reference.full).unit == "conversation"
        try:
            cuts = self.corpora.folds(entry, parts.corpus, whole=whole)
        except FoldError as error:
            if not entry.registered:
                raise
            return Skip(entry, (str(error),))
        return tuple(self._job(entry, parts, cut) for cut in cuts)

    def _parts(self, entry: Entry) -> PlannedParts | Skip:
        """The parts of an entry, or what is missing or does not fit together."""
        fusion = self.catalog.fusion(split(entry.fusion)[0])
        backbones = [self._backbone(text, entry) for text in entry.backbones]
        own = self.selection.losses if len(self.selection.losses) == 1 else ()
        loss_text = entry.loss or (own[0] if own else fusion.default_loss)
        loss = self.catalog.loss(split(loss_text)[0])
        corpus = self.corpora.load(entry.dataset)
        loss_reference = self._resolve(loss, loss_text)
        reference = self._resolve(fusion, entry.fusion)
        ready = tuple(b for b in backbones if isinstance(b, PlannedBackbone))
        missing = () if isinstance(corpus, Corpus) else corpus
        missing = (*missing, *(b for b in backbones if isinstance(b, Missing)))
        shuffle = self.selection.shuffle_of(entry)
        rules = self.registry.protocol(self.corpora.protocol_name(entry))
        reasons = incompatibilities(
            fusion, reference.full, loss, ready, shuffle=shuffle, searches=bool(rules.rates)
        )
        if isinstance(corpus, Corpus):
            reasons += corpus_incompatibilities(fusion, reference.full, corpus)
            if not (missing or reasons):
                return PlannedParts(ready, fusion, reference, loss, loss_reference, corpus)
        return Skip(
            entry, tuple(reasons) or tuple(f"{m.what} is missing" for m in missing), missing
        )

    def _backbone(self, text: str, entry: Entry) -> PlannedBackbone | Missing:
        part = self.catalog.backbone(split(text)[0])
        reference = self._resolve(part, text)
        if (entry.untrained or self.selection.untrained) and part.weights is not None:
            reference = replace(reference, untrained=True, weights=None)
        key = (str(reference) + str(reference.full) + str(reference.weights), reference.untrained)
        source = self.registry.weights_source
        return self.memo(
            ("backbone", *key), lambda: plan_weights(part, reference, source(part.name))
        )

    def _resolve(self, part: Part, text: str) -> PartRef:
        return self.memo(("reference", type(part), text), lambda: resolve(part, text))

    def _job(self, entry: Entry, parts: PlannedParts, cut: FoldSet) -> Job:
        name = self.corpora.protocol_name(entry)
        rules = self.registry.protocol(name)
        protocol = rules.model_copy(
            update={"selection": self.selection.selection or rules.selection}
        )
        identity = self._identity(entry, parts, cut, name, protocol)
        facts = RowFacts(
            entry,
            name,
            parts.backbones,
            parts.corpus,
            cut,
            overridden=self._overrides(entry, parts, cut, rules),
            seeds=self.selection.seeds,
            transductive=parts.fusion.transductive(parts.fusion_reference.full),
            plugins=identity["plugins"],
            leaks=self.corpora.leaks(parts.corpus, cut),
        )
        return Job(
            id=digest_of(identity)[:16],
            entry=entry,
            **vars(parts),
            cut=cut,
            protocol_name=name,
            protocol=protocol,
            selection=self.selection,
            standing=judge(facts, self.registry, self.lock),
            identity=identity,
        )

    def _identity(
        self, entry: Entry, parts: PlannedParts, cut: FoldSet, name: str, protocol: Protocol
    ) -> dict[str, Any]:
        """Everything that a result depends on; a job's id is its digest."""
        asked, corpus, shuffle = self.selection, parts.corpus, self.selection.shuffle_of(entry)
        left_out = digest_of(sorted(corpus.left_out)) if corpus.left_out else ""
        identity: dict[str, Any] = {
            "backbones": [
                {**b.reference.identity(), "weights": b.weights.digest, "revision": b.part.revision}
                for b in parts.backbones
            ],
            "audio": audio.REVISION,
            "fusion": parts.fusion_reference.identity(),
            "loss": parts.loss_reference.identity(),
            # A result publishes its identity: digests stand for the ids of clips and for the group
            # that is held out.
            "dataset": {
                **corpus.reference.identity(),
                "digest": corpus.digest,
                "left_out": left_out,
            },
            "folds": {"kind": cut.kind.partition("=")[0], "digest": cut.digest},
            "protocol": {"name": name, **protocol.constants()},
            "seeds": asked.seeds,
            "dtype": asked.dtype,
            "device": asked.device,
            "skip_bad": asked.skip_bad,
            "plugins": self._versions(parts),
        }
        identity |= {"train": {"shuffle": shuffle}} if shuffle != "none" else {}
        # absent where libsndfile decodes every file as it is: ids of such rows stay as they were
        identity |= {"decoders": list(corpus.decoders)} if corpus.decoders else {}
        return identity | ({"storage": asked.storage} if parts.fusion.wants == "frames" else {})

    def _versions(self, parts: PlannedParts) -> dict[str, str]:
        """The distributions that the parts come from -> version."""
        c, corpus = self.catalog, parts.corpus
        origins = [c.backbones.origins[b.part.name] for b in parts.backbones]
        origins += [c.fusions.origins[parts.fusion.name], c.losses.origins[parts.loss.name]]
        origins += [c.datasets.origins[side.dataset.name] for side in corpus.sides or (corpus,)]
        return dict(sorted({o.distribution: o.version for o in origins}.items()))

    def _overrides(
        self, entry: Entry, parts: PlannedParts, cut: FoldSet, protocol: Protocol
    ) -> list[str]:
        """What the command line changes that the registered entry does not say."""
        asked, fusion = self.selection, parts.fusion
        conditions = Conditions(
            cut.kind,
            asked.selection or protocol.selection,
            asked.dtype,
            asked.storage if fusion.wants == "frames" else "float32",
            asked.shuffle_of(entry),
            asked.skip_bad,
        )
        default_loss = self.memo(
            ("default loss", fusion.name),
            lambda: canonical(self.catalog.losses.parts, fusion.default_loss),
        )
        usual = self.corpora.default_kind(parts.corpus)
        loss = parts.loss_reference
        return overrides(
            entry, protocol, conditions, loss=loss, default_loss=default_loss, usual_folds=usual
        )
