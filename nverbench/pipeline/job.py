"""The records of a plan: jobs that can run, and entries that cannot, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nverbench.data.corpus import Corpus
from nverbench.data.folds.assign import FoldSet
from nverbench.data.missing import Missing
from nverbench.embedding.keys import embedding_key, frames_key, layer_of
from nverbench.embedding.weights import PlannedBackbone
from nverbench.pipeline.selection import Selection
from nverbench.pipeline.standing import Standing
from nverbench.plugin.options import PartRef
from nverbench.plugin.records import Clip, Fusion, Loss
from nverbench.registry import Entry, Protocol


@dataclass(frozen=True)
class PlannedParts:
    """The parts of a combination, with their references."""

    backbones: tuple[PlannedBackbone, ...]
    fusion: Fusion
    fusion_reference: PartRef
    loss: Loss
    loss_reference: PartRef
    corpus: Corpus


@dataclass(frozen=True)
class Job:
    """The planned training of one combination over all folds."""

    id: str
    entry: Entry
    backbones: tuple[PlannedBackbone, ...]
    fusion: Fusion
    fusion_reference: PartRef
    loss: Loss
    loss_reference: PartRef
    corpus: Corpus
    cut: FoldSet
    protocol_name: str
    protocol: Protocol
    """With the requested selection."""
    selection: Selection
    standing: Standing
    identity: dict[str, Any]

    def __str__(self) -> str:
        backbones = " + ".join(str(b) for b in self.backbones)
        loss = self.loss_reference
        default = loss.name == self.fusion.default_loss and not loss.options
        heads = f"{self.fusion_reference}{'' if default else f' / {loss}'}"
        return f"{backbones} / {heads} / {self.corpus.reference} / {self.cut.kind}"

    @property
    def names(self) -> tuple[str, ...]:
        """The backbones' texts, numbered where two are equal (the same one twice, or two files of
        the same name).
        """
        texts = [str(b) for b in self.backbones]
        return tuple(
            t if texts.index(t) == i else f"{t}#{texts[: i + 1].count(t)}"
            for i, t in enumerate(texts)
        )

    @property
    def heard(self) -> tuple[Clip, ...]:
        """The clips that its backbones embed: the scored ones, or all turns where the fusion needs
        frames.
        """
        return (self.corpus.heard if self.fusion.wants == "frames" else ()) or self.corpus.clips

    def wanted(self, backbone: PlannedBackbone) -> dict[str, Clip]:
        """The entries of the embedding cache that it needs of a backbone: key -> clip."""
        sha256, dtype, storage = self.corpus.sha256, self.selection.dtype, self.selection.storage
        if self.fusion.wants == "frames":
            layer = layer_of(backbone, backbone.reference.layer)
            return {
                frames_key(backbone, c, sha256[c.id], dtype, layer=layer, storage=storage): c
                for c in self.heard
            }
        pool = backbone.part.pool
        return {embedding_key(backbone, c, sha256[c.id], dtype, pool): c for c in self.heard}

    @property
    def shuffle(self) -> str:
        """How turns of training conversations are shuffled."""
        return self.selection.shuffle_of(self.entry)

    @property
    def speed_key(self) -> str:
        """The key of a training's speed on this machine: a protocol that searches trains longer."""
        searched = f"@{self.protocol_name}" if self.protocol.rates else ""
        return f"{self.fusion.name}@{self.selection.device}{searched}"

    @property
    def control(self) -> bool:
        """True for demo entries and untrained backbones: a control, not a result."""
        return self.entry.demo or any(b.reference.untrained for b in self.backbones)


@dataclass(frozen=True)
class Skip:
    """An entry that cannot run here, and why."""

    entry: Entry
    reasons: tuple[str, ...]
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The jobs, the skipped entries, and notes about the corpora."""

    jobs: tuple[Job, ...]
    skips: tuple[Skip, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> list[Missing]:
        """Everything that is missing, without duplicates."""
        return list(dict.fromkeys(m for skip in self.skips for m in skip.missing))
