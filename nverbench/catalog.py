"""Which parts exist on this machine, who brought each, and which plugins are in quarantine.

Stock pluggy lets one broken plugin kill the command line, so this room walks the entry points itself: a plugin that cannot be imported, whose
hook is mistyped, or whose records break the contract is quarantined with its error; the rest go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from nverbench import hookspecs
from nverbench.errors import CatalogError, NverbenchError, PartError, UsageError, nearest
from nverbench.options import check_plain
from nverbench.parts import Backbone, Dataset, Fusion, Loss

GROUP = "nverbench"
HOUSE = "nverbench"
"""The harness's own distribution: a stranger that claims one of its names is refused, and the name stays usable."""

P = TypeVar("P", Backbone, Dataset, Fusion, Loss)


@dataclass(frozen=True)
class Origin:
    """Who brought a part: entry point, distribution and version."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Quarantined:
    """A plugin that is not used, and why."""

    origin: Origin
    error: str


@dataclass
class Shelf(Generic[P]):
    """All parts of one kind, by name."""

    kind: str
    parts: dict[str, P] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Names that two distributions claim -> the sentence that names both."""

    def get(self, name: str, quarantine: Iterable[Quarantined] = ()) -> P:
        """The part of that name.

        Raises:
            CatalogError: two distributions claim the name.
            UsageError: nobody brings it; the nearest names are suggested and broken plugins are quoted.
        """
        if name in self.refused:
            raise CatalogError(self.refused[name])
        if name not in self.parts:
            broken = "".join(f"; plugin {q.origin.plugin} of {q.origin} is in quarantine: {q.error}" for q in quarantine)
            raise UsageError(f"no {self.kind} named {name!r} is installed; {nearest(name, self.parts)}{broken}")
        return self.parts[name]

    def add(self, part: P, origin: Origin) -> str | None:
        """Take a part in; the sentence that says why not, when its name is taken."""
        taken = self.origins.get(part.name)
        if taken is None and part.name not in self.refused:
            self.parts[part.name], self.origins[part.name] = part, origin
            return None
        if taken is not None and taken.distribution == HOUSE:
            return f"{self.kind} {part.name} is claimed by {taken} and by {origin}; the one of {HOUSE} stays, rename the other"
        sentence = f"{self.kind} {part.name} is claimed by {taken or 'two others'} and by {origin}; uninstall one of them"
        if taken is not None and taken.distribution == origin.distribution:
            sentence = f"{self.kind} {part.name} is given twice by {origin}; its author must rename one"
        self.refused[part.name] = sentence
        self.parts.pop(part.name, None)
        self.origins.pop(part.name, None)
        return sentence


@dataclass
class Catalog:
    """Everything installed, by kind."""

    backbones: Shelf[Backbone] = field(default_factory=lambda: Shelf("backbone"))
    datasets: Shelf[Dataset] = field(default_factory=lambda: Shelf("dataset"))
    fusions: Shelf[Fusion] = field(default_factory=lambda: Shelf("fusion"))
    losses: Shelf[Loss] = field(default_factory=lambda: Shelf("loss"))
    plugins: list[Origin] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)

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


def discover(disabled: Iterable[str] = (), extra: Iterable[tuple[Origin, ModuleType]] = ()) -> Catalog:
    """The catalog of all installed plugins.

    Args:
        disabled: names of plugins (entry points or distributions) to leave out; ``NVERBENCH_DISABLE_PLUGINS`` (comma separated) adds to them.
        extra: modules that no distribution brings, such as those of tests.
    """
    names = {*disabled, *(n.strip() for n in os.environ.get("NVERBENCH_DISABLE_PLUGINS", "").split(","))}
    catalog = Catalog()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for point in sorted(entry_points(group=GROUP), key=_house_first):
        origin = _origin(point)
        if {origin.plugin, origin.distribution} & names:
            continue
        try:
            module = point.load()
        except (Exception, SystemExit) as error:  # a plugin may raise anything at import; it harms only itself
            catalog.quarantine.append(Quarantined(origin, _quote(error)))
            continue
        _take_in(catalog, manager, origin, module)
    for origin, module in extra:
        _take_in(catalog, manager, origin, module)
    return catalog


def _take_in(catalog: Catalog, manager: pluggy.PluginManager, origin: Origin, module: Any) -> None:
    handle = f"{origin.distribution}/{origin.plugin}"
    try:
        manager.register(module, name=handle)
        manager.check_pending()  # a mistyped hook quarantines this plugin alone
        parts = _parts_of(manager, module)
    except (Exception, SystemExit) as error:
        if manager.get_plugin(handle) is not None:
            manager.unregister(name=handle)
        catalog.quarantine.append(Quarantined(origin, _quote(error)))
        return
    catalog.plugins.append(origin)
    for part in parts:
        clash = _shelf(catalog, part).add(part, origin)
        if clash:
            catalog.clashes.append(clash)


def _parts_of(manager: pluggy.PluginManager, module: Any) -> list[Any]:
    kinds: dict[str, Any] = {"nverbench_backbones": Backbone, "nverbench_datasets": Dataset, "nverbench_fusions": Fusion, "nverbench_losses": Loss}
    parts: list[Any] = []
    for hook, kind in kinds.items():
        others = [p for p in manager.get_plugins() if p is not module]
        for answer in manager.subset_hook_caller(hook, others)():
            for part in answer:
                if type(part) is not kind:  # a subclass has no shelf
                    raise PartError(f"{hook} gave a {type(part).__name__}; expected {kind.__name__} records")
                problems = check_plain(part)
                if problems:
                    raise PartError(f"{kind.__name__.lower()} {part.name}: {'; '.join(problems)}")
                parts.append(part)
    return parts


def _shelf(catalog: Catalog, part: Any) -> Shelf[Any]:
    shelves: dict[type, Shelf[Any]] = {Backbone: catalog.backbones, Dataset: catalog.datasets, Fusion: catalog.fusions, Loss: catalog.losses}
    return shelves[type(part)]


def _origin(point: EntryPoint) -> Origin:
    return Origin(point.name, point.dist.name if point.dist else "unknown", point.dist.version if point.dist else "unknown")


def _house_first(point: EntryPoint) -> tuple[bool, str, str]:
    origin = _origin(point)
    return (origin.distribution != HOUSE, origin.distribution, origin.plugin)


def _quote(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, NverbenchError) else f"{type(error).__name__}: {text}"
