"""Versions of installed packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version(name: str) -> str:
    """The version of an installed package; ``absent`` where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
