"""Which parts exist on this machine, who brought each, and which plugins are in quarantine.

Stock pluggy lets one broken plugin kill the command line, so this room walks the entry points
itself: a plugin that cannot be imported, that hangs, whose hook is mistyped, or whose records break
the contract is quarantined with its error; the rest go on, in a process as it was before.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from nverbench.errors import NverbenchError, PartError, single_line
from nverbench.plugin import hooks, quarantine
from nverbench.plugin.catalog import (
    HOUSE,
    Catalog,
    ImportSideEffect,
    Origin,
    PartIndex,
    Quarantined,
)
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.options import check_plain
from nverbench.plugin.records import Backbone, Dataset, Fusion, Loss
from nverbench.plugin.time_limit import ImportTimeout
from nverbench.plugin.version import check_api

GROUP = "nverbench"


def discover(
    disabled: Iterable[str] = (), extra: Iterable[tuple[Origin, ModuleType]] = ()
) -> Catalog:
    """The catalog of all installed plugins.

    Args:
        disabled: names of plugins (entry points or distributions) to leave out;
            ``NVERBENCH_DISABLE_PLUGINS`` (comma separated) adds to them.
        extra: modules that no distribution brings, such as those of tests.

    Raises:
        UsageError: ``NVERBENCH_PLUGIN_SECONDS`` is no number.
    """
    names = {
        _normal(n) for n in (*disabled, *os.environ.get("NVERBENCH_DISABLE_PLUGINS", "").split(","))
    } - {""}
    catalog, seconds = Catalog(), quarantine.allowed()
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    points = [(_origin(point), point) for point in entry_points(group=GROUP)]
    for origin, point in sorted(points, key=lambda pair: _house_first(pair[0])):
        if {_normal(origin.plugin), _normal(origin.distribution)} & names:
            catalog.disabled.append(origin)
            continue
        # The house's own are light and trusted: a disk that stalls must not quarantine them.
        limit = None if origin.distribution == HOUSE else seconds
        hung = limit and quarantine.remembered(origin.handle, origin.version, _module(point), limit)
        if hung:
            catalog.quarantine.append(Quarantined(origin, hung))
        else:
            _take_in(catalog, manager, origin, point.load, _module(point), limit)
    for origin, module in extra:
        _take_in(catalog, manager, origin, functools.partial(_itself, module), None, seconds)
    return catalog


def _take_in(
    catalog: Catalog,
    manager: pluggy.PluginManager,
    origin: Origin,
    load: Callable[[], Any],
    module: str | None,
    seconds: float | None,
) -> None:
    """A plugin's parts on their shelves, or the plugin in quarantine. ``module``: what is
    remembered when it hangs; None: nothing is.
    """

    def parts() -> list[Any]:
        plugin = load()
        check_api(plugin, origin.distribution)
        manager.register(plugin, name=origin.handle)
        manager.check_pending()  # a mistyped hook quarantines this plugin alone
        return _parts_of(manager, plugin)

    outcome = isolated_call(parts, seconds)
    catalog.remarks.extend(ImportSideEffect(origin, what) for what in outcome.remarks)
    if outcome.error is not None:
        if manager.get_plugin(origin.handle) is not None:
            manager.unregister(name=origin.handle)
        if seconds and isinstance(outcome.error, ImportTimeout):
            why = quarantine.too_slow(origin.handle, origin.version, module, seconds)
        else:
            why = _quote(outcome.error)
        catalog.quarantine.append(Quarantined(origin, why))
        return
    catalog.plugins.append(origin)
    for part in outcome.answer or ():
        clash = _shelf(catalog, part).add(part, origin)
        if clash:
            catalog.clashes.append(clash)


def _parts_of(manager: pluggy.PluginManager, module: Any) -> list[Any]:
    kinds: dict[str, Any] = {
        "nverbench_backbones": Backbone,
        "nverbench_datasets": Dataset,
        "nverbench_fusions": Fusion,
        "nverbench_losses": Loss,
    }
    parts: list[Any] = []
    for hook, kind in kinds.items():
        others = [p for p in manager.get_plugins() if p is not module]
        for answer in manager.subset_hook_caller(hook, others)():
            for part in answer:
                if type(part) is not kind:  # a subclass has no shelf
                    raise PartError(
                        f"{hook} gave a {type(part).__name__}; expected {kind.__name__} records"
                    )
                problems = check_plain(part)
                if problems:
                    raise PartError(f"{kind.__name__.lower()} {part.name}: {'; '.join(problems)}")
                parts.append(part)
    return parts


def _shelf(catalog: Catalog, part: Any) -> PartIndex[Any]:
    shelves: dict[type, PartIndex[Any]] = {
        Backbone: catalog.backbones,
        Dataset: catalog.datasets,
        Fusion: catalog.fusions,
        Loss: catalog.losses,
    }
    return shelves[type(part)]


def _origin(point: EntryPoint) -> Origin:
    """Who an entry point belongs to; a distribution whose metadata is damaged is ``unknown``."""
    name = version = None
    with contextlib.suppress(
        Exception
    ):  # importlib.metadata raises what it likes where METADATA is gone
        name, version = point.dist and point.dist.name, point.dist and point.dist.version
    return Origin(str(point.name), str(name or "unknown"), str(version or "unknown"))


def _itself(module: ModuleType) -> ModuleType:
    return module


def _module(point: EntryPoint) -> str:
    return point.value.partition(":")[0]


def _normal(name: str) -> str:
    """A name as package indexes compare it: ``My_Plugin`` is ``my-plugin``."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _house_first(origin: Origin) -> tuple[bool, str, str]:
    return (origin.distribution != HOUSE, origin.distribution, origin.plugin)


def _quote(error: BaseException) -> str:
    try:
        text = single_line(" ".join(str(error).split()) or "no message")
    except Exception:  # a class of a stranger's own
        text = "its message cannot be read"
    return text if isinstance(error, NverbenchError) else f"{type(error).__name__}: {text}"
