"""Modules that stand in for a stranger's plugin: hooks that give parts, or fail."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from nverbench import Loss, hookimpl
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.plugin.discovery import discover


def build(*_: object, width: int = 1) -> Any: ...


def loss(name: str) -> Loss:
    return Loss(name=name, build=build)


def plugin(**hooks: Callable[..., Any]) -> ModuleType:
    """A module whose functions are hook implementations."""
    module = ModuleType("stranger")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


def brings(*parts: Loss) -> ModuleType:
    return plugin(nverbench_losses=lambda: list(parts))


def fails(error: BaseException) -> Callable[[], Any]:
    def hook() -> Any:
        raise error

    return hook


def origin(name: str) -> Origin:
    return Origin(name, f"nver-{name}", "1.0")


def with_extra(**modules: ModuleType) -> Catalog:
    """The catalog with strangers beside the house."""
    return discover(extra=[(origin(name), module) for name, module in modules.items()])
