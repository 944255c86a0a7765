"""The version of the plugin API, and the check of a plugin's version. CONTRIBUTING.md defines what
a new version means and how long an old field is kept.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nverbench.errors import CatalogError

api_version: str = "1.2"
"""MAJOR.MINOR of hooks, records and types: a minor version adds, a major version removes or
changes.
"""
FIRST = "1.0"
"""The version of a plugin that names none."""
FORM = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")


def check_api(module: Any, distribution: str) -> None:
    """Check the API version that a plugin module names (``nverbench_api = "1.0"``).

    Raises:
        CatalogError: this nverbench does not offer that version; the line says what to install.
    """
    asked = getattr(module, "nverbench_api", FIRST)
    match = FORM.fullmatch(asked) if isinstance(asked, str) else None
    if match is None:
        raise CatalogError(
            f'its nverbench_api is {asked!r}; expected the text "MAJOR.MINOR", such as'
            f' nverbench_api = "{api_version}"'
        )
    required, offered = (int(match[1]), int(match[2])), tuple(map(int, api_version.split(".")))
    if required[0] == offered[0] and required <= offered:
        return
    upgrade, older, version_limit = (
        ("nverbench", distribution, f"asks for {api_version} or less")
        if required > offered
        else (distribution, "nverbench", f"offers {required[0]}.x")
    )
    raise CatalogError(
        f"it asks for plugin API {asked}, this nverbench {_version()} offers {api_version}; pip"
        f" install --upgrade {upgrade}, or install an older {older} that {version_limit}"
    )


def _version() -> str:
    try:
        return version("nverbench")
    except PackageNotFoundError:  # a source tree that was never installed
        return "(not installed)"
