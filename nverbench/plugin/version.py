"""The version of the plugin API, and which plugins it takes in. CONTRIBUTING.md says what a bump
means and how long an old field is kept.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nverbench.errors import CatalogError

api_version: str = "1.0"
"""MAJOR.MINOR of hooks, records and what passes between them: a minor one adds, a major one takes
away or changes.
"""
FIRST = "1.0"
"""What a plugin that says nothing was written for."""
FORM = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")


def check_api(module: Any, distribution: str) -> None:
    """A plugin module may set ``nverbench_api = "1.0"``: the API that it was written for.

    Raises:
        CatalogError: this nverbench does not offer that one; the line says what to install.
    """
    asked = getattr(module, "nverbench_api", FIRST)
    match = FORM.fullmatch(asked) if isinstance(asked, str) else None
    if match is None:
        raise CatalogError(
            f'its nverbench_api is {asked!r}; expected the text "MAJOR.MINOR", such as'
            f' nverbench_api = "{api_version}"'
        )
    wanted, offered = (int(match[1]), int(match[2])), tuple(int(n) for n in api_version.split("."))
    if wanted[0] == offered[0] and wanted <= offered:
        return
    if wanted > offered:
        way_out = (
            f"pip install --upgrade nverbench, or install an older {distribution} that asks for"
            f" {api_version} or less"
        )
    else:
        way_out = (
            f"pip install --upgrade {distribution}, or install an older nverbench that offers"
            f" {wanted[0]}.x"
        )
    raise CatalogError(
        f"it asks for plugin API {asked}, this nverbench {_version()} offers {api_version};"
        f" {way_out}"
    )


def _version() -> str:
    try:
        return version("nverbench")
    except PackageNotFoundError:  # a source tree that was never installed
        return "(not installed)"
