"""Finds the installed plugins and builds the catalog of their parts.

Plain pluggy lets one broken plugin end the command, so this module walks the entry points itself: a
plugin that cannot be imported, that hangs, whose hook is mistyped, or whose records break the
contract is quarantined with its error. The other plugins are used, and the process is left as it
was before.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from nverbench.errors import NverbenchError, PartError, single_line
from nverbench.plugin import hooks, quarantine
from nverbench.plugin.catalog import FIRST_PARTY, Catalog, ImportSideEffect, Origin, Quarantined
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.options import check_plain
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss
from nverbench.plugin.time_limit import ImportTimeout
from nverbench.plugin.version import check_api

GROUP = "nverbench"
HOOKS: dict[str, Any] = {
    "nverbench_backbones": Backbone,
    "nverbench_datasets": Dataset,
    "nverbench_fusions": Fusion,
    "nverbench_losses": Loss,
}
INDEXES: dict[type, str] = {
    Backbone: "backbones",
    Dataset: "datasets",
    Fusion: "fusions",
    Loss: "losses",
}


@dataclass(frozen=True)
class _Plugin:
    """A plugin that is about to be imported."""

    origin: Origin
    load: Callable[[], Any]
    seconds: float | None
    """The time limit; None: no limit."""
    module: str | None = None
    """The module that is remembered when it hangs; None: nothing is remembered."""


def discover(
    disabled: Iterable[str] = (), extra: Iterable[tuple[Origin, ModuleType]] = ()
) -> Catalog:
    """The catalog of all installed plugins.

    Args:
        disabled: names of plugins (entry points or distributions) to leave out;
            ``NVERBENCH_DISABLE_PLUGINS`` (comma separated) adds to them.
        extra: modules that no distribution brings, such as those of tests.

    Raises:
        UsageError: ``NVERBENCH_PLUGIN_SECONDS`` is not a number above 0.
    """
    more = os.environ.get("NVERBENCH_DISABLE_PLUGINS", "").split(",")
    names = {_normal(name) for name in (*disabled, *more)} - {""}
    catalog, seconds = Catalog(), quarantine.allowed()
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    points = [(_origin(point), point) for point in entry_points(group=GROUP)]
    for origin, point in sorted(points, key=lambda pair: _first_party_first(pair[0])):
        if {_normal(origin.plugin), _normal(origin.distribution)} & names:
            catalog.disabled.append(origin)
            continue
        # First-party plugins are light and trusted: a disk that stalls must not quarantine them.
        limit = None if origin.distribution == FIRST_PARTY else seconds
        module = point.value.partition(":")[0]
        hung = limit and quarantine.remembered(origin.handle, origin.version, module, limit)
        if hung:
            catalog.quarantine.append(Quarantined(origin, hung))
        else:
            _add_plugin(catalog, manager, _Plugin(origin, point.load, limit, module))
    for origin, module_given in extra:
        load = functools.partial(_identity, module_given)
        _add_plugin(catalog, manager, _Plugin(origin, load, seconds))
    return catalog


def _add_plugin(catalog: Catalog, manager: pluggy.PluginManager, plugin: _Plugin) -> None:
    """Import a plugin and add its parts to the catalog, or add it to the quarantine."""
    origin = plugin.origin

    def parts() -> list[Any]:
        module = plugin.load()
        check_api(module, origin.distribution)
        manager.register(module, name=origin.handle)
        manager.check_pending()  # a mistyped hook quarantines this plugin alone
        return _parts_of(manager, module)

    outcome = isolated_call(parts, plugin.seconds)
    catalog.remarks.extend(ImportSideEffect(origin, what) for what in outcome.remarks)
    if outcome.error is not None:
        if manager.get_plugin(origin.handle) is not None:
            manager.unregister(name=origin.handle)
        catalog.quarantine.append(Quarantined(origin, _reason(outcome.error, plugin)))
        return
    catalog.plugins.append(origin)
    for part in outcome.answer or ():
        if clash := getattr(catalog, INDEXES[type(part)]).add(part, origin):
            catalog.clashes.append(clash)


def _parts_of(manager: pluggy.PluginManager, module: Any) -> list[Any]:
    """The records that the plugin's hooks give, each checked."""
    others = [p for p in manager.get_plugins() if p is not module]
    parts: list[Any] = []
    for hook, kind in HOOKS.items():
        for answer in manager.subset_hook_caller(hook, others)():
            for part in answer:
                if type(part) is not kind:  # subclasses are refused: the catalog has no index
                    given = type(part).__name__
                    raise PartError(f"{hook} gave a {given}; expected {kind.__name__} records")
                problems = check_plain(part)
                if problems:
                    raise PartError(f"{kind.__name__.lower()} {part.name}: {'; '.join(problems)}")
                parts.append(part)
    return parts


def _origin(point: EntryPoint) -> Origin:
    """The origin of an entry point; a distribution whose metadata is damaged is ``unknown``."""
    name = version = None
    with contextlib.suppress(Exception):  # importlib.metadata raises any error without METADATA
        name, version = point.dist and point.dist.name, point.dist and point.dist.version
    return Origin(str(point.name), str(name or "unknown"), str(version or "unknown"))


def _identity(module: ModuleType) -> ModuleType:
    return module


def _normal(name: str) -> str:
    """A name as package indexes compare it: ``My_Plugin`` is ``my-plugin``."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _first_party_first(origin: Origin) -> tuple[bool, str, str]:
    return (origin.distribution != FIRST_PARTY, origin.distribution, origin.plugin)


def _reason(error: BaseException, plugin: _Plugin) -> str:
    """Why the plugin is in quarantine, in one line; a plugin that hung is remembered."""
    if plugin.seconds and isinstance(error, ImportTimeout):
        origin = plugin.origin
        return quarantine.too_slow(origin.handle, origin.version, plugin.module, plugin.seconds)
    try:
        text = single_line(" ".join(str(error).split()) or "no message")
    except Exception:  # the plugin's own class may raise in __str__
        text = "its message cannot be read"
    return text if isinstance(error, NverbenchError) else f"{type(error).__name__}: {text}"
