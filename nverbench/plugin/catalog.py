"""The catalog: every installed part by kind and name, the plugin that brought it, and the status of
each plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nverbench.errors import CatalogError, UsageError, nearest
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss

FIRST_PARTY = "nverbench"
"""The harness's own distribution: a third-party plugin that claims one of its names is refused, and
the name stays usable.
"""

SINGULAR = {"backbones": "backbone", "datasets": "dataset", "fusions": "fusion", "losses": "loss"}

P = TypeVar("P", Backbone, Dataset, Fusion, Loss)


@dataclass(frozen=True)
class Origin:
    """The plugin that brought a part: entry point, distribution and version."""

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
    """A change, print or warning of a plugin at its import; the change was reverted."""

    origin: Origin
    what: str

    def __str__(self) -> str:
        return f"plugin {self.origin.plugin} of {self.origin} {self.what} when it is imported"


@dataclass(frozen=True)
class PluginStatus:
    """The status of one plugin."""

    origin: Origin
    used: bool
    status: str
    """``ok``, ``quarantined: REASON``, ``disabled``, or ``clash: NAMES`` (claimed twice)."""
    parts: dict[str, list[str]] = field(default_factory=dict)
    """Kind (``backbones``) -> the names of its usable parts."""
    remarks: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Version, number of parts of each kind, and status, in one line."""
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
    """Names that two distributions claim -> the error message, which names both."""
    claims: dict[str, list[Origin]] = field(default_factory=dict)
    """Names -> every plugin that gave a part of that name, in the order of discovery."""

    def get(self, name: str, quarantine: Iterable[Quarantined] = ()) -> P:
        """The part of that name.

        Raises:
            CatalogError: two distributions claim the name.
            UsageError: no plugin brings it; the nearest names are suggested and the errors of
                quarantined plugins are quoted.
        """
        if name in self.refused:
            raise CatalogError(self.refused[name])
        if name not in self.parts:
            hint = nearest(name, self.parts) + quarantine_note(quarantine)
            raise UsageError(f"no {self.kind} named {name!r} is installed; {hint}")
        return self.parts[name]

    def add(self, part: P, origin: Origin) -> str | None:
        """Add a part. Returns the error message when its name is taken, else None."""
        claims = self.claims.setdefault(part.name, [])
        claims.append(origin)
        taken = self.origins.get(part.name)
        if taken is None and part.name not in self.refused:
            self.parts[part.name], self.origins[part.name] = part, origin
            return None
        if taken is not None and taken.distribution == FIRST_PARTY:
            stays = f"the one of {FIRST_PARTY} stays, rename the other"
            return f"{self.kind} {part.name} is claimed by {taken} and by {origin}; {stays}"
        if taken is not None and taken.distribution == origin.distribution:
            clash = f"is given twice by {origin}; its author must rename one"
        else:
            owner = taken or "two others"
            clash = f"is claimed by {owner} and by {origin}; uninstall one of them"
        self.refused[part.name] = f"{self.kind} {part.name} {clash}"
        self.parts.pop(part.name, None)
        self.origins.pop(part.name, None)
        return self.refused[part.name]

    def names_from(self, origin: Origin) -> list[str]:
        """The names of the plugin's usable parts."""
        return [name for name, other in sorted(self.origins.items()) if other == origin]

    def names_refused_for(self, origin: Origin) -> list[str]:
        """The names that the plugin does not get, because another plugin claims them too."""
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
        """The backbone of that name; see :meth:`PartIndex.get` for the errors."""
        return self.backbones.get(name, self.quarantine)

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name; see :meth:`PartIndex.get` for the errors."""
        return self.datasets.get(name, self.quarantine)

    def fusion(self, name: str) -> Fusion:
        """The fusion of that name; see :meth:`PartIndex.get` for the errors."""
        return self.fusions.get(name, self.quarantine)

    def loss(self, name: str) -> Loss:
        """The loss of that name; see :meth:`PartIndex.get` for the errors."""
        return self.losses.get(name, self.quarantine)

    def plugin_statuses(self) -> list[PluginStatus]:
        """The status of every plugin: those in use, those in quarantine, those disabled."""
        broken = [
            PluginStatus(q.origin, False, f"quarantined: {q.error}", {}, self._remarks(q.origin))
            for q in self.quarantine
        ]
        disabled = [PluginStatus(origin, False, "disabled") for origin in self.disabled]
        return [*map(self._in_use, self.plugins), *broken, *disabled]

    def _in_use(self, origin: Origin) -> PluginStatus:
        indexes: dict[str, PartIndex[Any]] = {kind: getattr(self, kind) for kind in SINGULAR}
        names = {kind: index.names_from(origin) for kind, index in indexes.items()}
        parts = {kind: some for kind, some in names.items() if some}
        lost = [name for index in indexes.values() for name in index.names_refused_for(origin)]
        status = f"clash: {', '.join(lost)}" if lost else "ok"
        return PluginStatus(origin, True, status, parts, self._remarks(origin))

    def _remarks(self, origin: Origin) -> tuple[str, ...]:
        return tuple(r.what for r in self.remarks if r.origin == origin)


def quarantine_note(quarantine: Iterable[Quarantined]) -> str:
    """The errors of quarantined plugins, to be appended to a message about a missing part."""
    return "".join(
        f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}" for q in quarantine
    )
