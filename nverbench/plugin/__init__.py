"""The plugin API: records, types, hooks, options, discovery and isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nverbench.plugin.discovery import discover

__all__ = ["discover"]


def __getattr__(name: str) -> Any:
    if name == "discover":  # lazily: it imports pluggy and reads the entry points' metadata
        from nverbench.plugin.discovery import discover

        return discover
    raise AttributeError(f"module 'nverbench.plugin' has no attribute {name!r}")
