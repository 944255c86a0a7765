"""What a plan is made of: jobs that can run, and entries that cannot, with the reasons."""

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
class Job:
    """One planned training of one combination over all folds: everything an executor needs."""

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
    """With the selection and folds that were asked for."""
    selection: Selection
    standing: Standing
    identity: dict[str, Any]

    def __str__(self) -> str:
        pair = " + ".join(str(b) for b in self.backbones)
        loss = (
            ""
            if self.loss_reference.name == self.fusion.default_loss
            and not self.loss_reference.options
            else f" / {self.loss_reference}"
        )
        return f"{pair} / {self.fusion_reference}{loss} / {self.corpus.reference} / {self.cut.kind}"

    @property
    def names(self) -> tuple[str, ...]:
        """The backbones' texts, told apart where two read alike (the same one twice, or two files
        of one name).
        """
        texts = [str(b) for b in self.backbones]
        return tuple(
            t if texts.index(t) == i else f"{t}#{texts[: i + 1].count(t)}"
            for i, t in enumerate(texts)
        )

    @property
    def heard(self) -> tuple[Clip, ...]:
        """What its backbones must hear: the scored clips, or all turns where the fusion wants
        frames.
        """
        return (self.corpus.heard if self.fusion.wants == "frames" else ()) or self.corpus.clips

    def wanted(self, backbone: PlannedBackbone) -> dict[str, Clip]:
        """The entries of the store that it needs of a backbone, and the clip of each."""
        asked, sha256 = self.selection, self.corpus.sha256
        if self.fusion.wants == "frames":
            layer = layer_of(backbone, backbone.reference.layer)
            return {
                frames_key(
                    backbone, c, sha256[c.id], asked.dtype, layer=layer, storage=asked.storage
                ): c
                for c in self.heard
            }
        return {
            embedding_key(backbone, c, sha256[c.id], asked.dtype, backbone.part.pool): c
            for c in self.heard
        }

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
    """What will run, what cannot, and what is worth saying about the corpora."""

    jobs: tuple[Job, ...]
    skips: tuple[Skip, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> list[Missing]:
        """Each missing thing once."""
        return list(dict.fromkeys(m for skip in self.skips for m in skip.missing))
