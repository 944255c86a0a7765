"""Citations, label cards and licences of the parts that results name, from the catalogue and the
registry of this machine.

A submitted result may name parts that are not installed here; the page then says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nverbench.data.datasheet import datasheet
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import split
from nverbench.registry import Registry
from nverbench.results.record import Combination


@dataclass(frozen=True)
class PartInfo:
    """Facts of parts by name, without options."""

    citations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(backbone, dataset, fusion or loss; name) -> BibTeX or a sentence; empty where the part names
    no source.
    """
    sheets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Dataset -> headings and texts of its label card."""

    def cited(self, entry: Combination) -> list[tuple[str, str, str]]:
        """Kind, name and citation of every part of a combination, each once."""
        named = [
            *(("backbone", b) for b in entry.backbones),
            ("fusion", entry.fusion),
            ("loss", entry.loss),
            ("dataset", entry.dataset),
        ]
        return [
            (kind, name, self._citation(kind, name))
            for kind, name in dict.fromkeys((kind, split(text)[0]) for kind, text in named)
        ]

    def _citation(self, kind: str, name: str) -> str:
        if (kind, name) not in self.citations:
            return (
                f"the plugin that brings {name} is not installed on the machine that built this"
                " page"
            )
        return self.citations[kind, name].strip() or "its plugin names no publication"


def installed_info(catalog: Catalog, registry: Registry) -> PartInfo:
    """The facts of the installed parts."""
    citations = {
        (kind, name): part.citation
        for kind, parts in (
            ("backbone", catalog.backbones.parts),
            ("dataset", catalog.datasets.parts),
            ("fusion", catalog.fusions.parts),
            ("loss", catalog.losses.parts),
        )
        for name, part in parts.items()
    }
    sheets = {
        name: datasheet(part, registry.dataset_source(name))
        for name, part in catalog.datasets.parts.items()
    }
    return PartInfo(citations, sheets)
