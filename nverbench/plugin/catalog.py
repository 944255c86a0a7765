"""What is known about everything installed: parts by kind and name, who brought each, and how each
plugin stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nverbench.errors import CatalogError, UsageError, nearest
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss

HOUSE = "nverbench"
"""The harness's own distribution: a stranger that claims one of its names is refused, and the name
stays usable.
"""

SINGULAR = {"backbones": "backbone", "datasets": "dataset", "fusions": "fusion", "losses": "loss"}

P = TypeVar("P", Backbone, Dataset, Fusion, Loss)


@dataclass(frozen=True)
class Origin:
    """Who brought a part: entry point, distribution and version."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def handle(self) -> str:
        """The plugin's name on this machine."""
        return f"{self.distribution}/{self.plugin}"


@dataclass(frozen=True)
class Quarantined:
    """A plugin that is not used, and why."""

    origin: Origin
    error: str


@dataclass(frozen=True)
class ImportSideEffect:
    """What a plugin did while it was imported that is nobody else's business; it was undone."""

    origin: Origin
    what: str

    def __str__(self) -> str:
        return f"plugin {self.origin.plugin} of {self.origin} {self.what} when it is imported"


@dataclass(frozen=True)
class PluginStatus:
    """How a plugin stands."""

    origin: Origin
    used: bool
    status: str
    """ok; quarantined: why; disabled; clash: which names another plugin claims too."""
    parts: dict[str, list[str]] = field(default_factory=dict)
    """Kind, as in ``backbones`` -> the names it brings that can be used."""
    remarks: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Version, how many parts of which kind, status."""
        counts = ", ".join(
            f"{len(names)} {kind if len(names) > 1 else SINGULAR[kind]}"
            for kind, names in self.parts.items()
        )
        brings = [counts or "no parts"] if self.used else []
        return ", ".join([self.origin.version, *brings, self.status, *self.remarks])


@dataclass
class PartIndex(Generic[P]):
    """All parts of one kind, by name."""

    kind: str
    parts: dict[str, P] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Names that two distributions claim -> the sentence that names both."""
    claims: dict[str, list[Origin]] = field(default_factory=dict)
    """Names -> everybody who gave a part of that name, in their order."""

    def get(self, name: str, quarantine: Iterable[Quarantined] = ()) -> P:
        """The part of that name.

        Raises:
            CatalogError: two distributions claim the name.
            UsageError: nobody brings it; the nearest names are suggested and broken plugins are
                quoted.
        """
        if name in self.refused:
            raise CatalogError(self.refused[name])
        if name not in self.parts:
            broken = "".join(
                f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}"
                for q in quarantine
            )
            raise UsageError(
                f"no {self.kind} named {name!r} is installed; {nearest(name, self.parts)}{broken}"
            )
        return self.parts[name]

    def add(self, part: P, origin: Origin) -> str | None:
        """Take a part in; the sentence that says why not, when its name is taken."""
        claims = self.claims.setdefault(part.name, [])
        claims.append(origin)
        taken = self.origins.get(part.name)
        if taken is None and part.name not in self.refused:
            self.parts[part.name], self.origins[part.name] = part, origin
            return None
        if taken is not None and taken.distribution == HOUSE:
            return (
                f"{self.kind} {part.name} is claimed by {taken} and by {origin}; the one of {HOUSE}"
                " stays, rename the other"
            )
        sentence = (
            f"{self.kind} {part.name} is claimed by {taken or 'two others'} and by {origin};"
            " uninstall one of them"
        )
        if taken is not None and taken.distribution == origin.distribution:
            sentence = (
                f"{self.kind} {part.name} is given twice by {origin}; its author must rename one"
            )
        self.refused[part.name] = sentence
        self.parts.pop(part.name, None)
        self.origins.pop(part.name, None)
        return sentence

    def names_from(self, origin: Origin) -> list[str]:
        """The names of a plugin's parts that can be used."""
        return [name for name, other in sorted(self.origins.items()) if other == origin]

    def names_refused_for(self, origin: Origin) -> list[str]:
        """The names that a plugin claims and does not have, because another claims them too."""
        return [
            f"{self.kind} {name}"
            for name, claims in sorted(self.claims.items())
            if origin in claims and self.origins.get(name) != origin
        ]


@dataclass
class Catalog:
    """Everything installed, by kind."""

    backbones: PartIndex[Backbone] = field(default_factory=lambda: PartIndex("backbone"))
    datasets: PartIndex[Dataset] = field(default_factory=lambda: PartIndex("dataset"))
    fusions: PartIndex[Fusion] = field(default_factory=lambda: PartIndex("fusion"))
    losses: PartIndex[Loss] = field(default_factory=lambda: PartIndex("loss"))
    plugins: list[Origin] = field(default_factory=list)
    disabled: list[Origin] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    remarks: list[ImportSideEffect] = field(default_factory=list)

    def backbone(self, name: str) -> Backbone:
        """The backbone of that name; see :meth:`Shelf.get` for the errors."""
        return self.backbones.get(name, self.quarantine)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name; see :meth:`Shelf.get` for the errors."""
        return self.datasets.get(name, self.quarantine)

    def fusion(self, name: str) -> Fusion:
        """The fusion of that name; see :meth:`Shelf.get` for the errors."""
        return self.fusions.get(name, self.quarantine)

    def loss(self, name: str) -> Loss:
        """The loss of that name; see :meth:`Shelf.get` for the errors."""
        return self.losses.get(name, self.quarantine)

    def plugin_statuses(self) -> list[PluginStatus]:
        """How every plugin stands: those in use, those in quarantine, those left out."""
        broken = [
            PluginStatus(
                q.origin, False, f"quarantined: {q.error}", remarks=self._remarks(q.origin)
            )
            for q in self.quarantine
        ]
        return [
            *(self._in_use(o) for o in self.plugins),
            *broken,
            *(PluginStatus(o, False, "disabled") for o in self.disabled),
        ]

    def _in_use(self, origin: Origin) -> PluginStatus:
        shelves: dict[str, PartIndex[Any]] = {kind: getattr(self, kind) for kind in SINGULAR}
        parts = {
            kind: names for kind, shelf in shelves.items() if (names := shelf.names_from(origin))
        }
        lost = [name for shelf in shelves.values() for name in shelf.names_refused_for(origin)]
        return PluginStatus(
            origin,
            True,
            f"clash: {', '.join(lost)}" if lost else "ok",
            parts,
            self._remarks(origin),
        )

    def _remarks(self, origin: Origin) -> tuple[str, ...]:
        return tuple(r.what for r in self.remarks if r.origin == origin)
