"""Files that ship with nverbench are found in a checkout and in an installed package."""

from __future__ import annotations

import tomllib

import pytest

from nverbench._io import paths
from support.paths import ROOT

NAMES = ("registry.yaml", "leaderboard/published", "leaderboard/claims.yaml", "leaderboard/page")


def included() -> dict[str, str]:
    """What the wheel holds beside the packages: path in the checkout -> path in the wheel."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, str] = tables["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_in_the_checkout_and_stands_in_the_wheel_where_it_is_looked_for(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    assert paths.packaged(name) == ROOT / name
    assert included()[name] == f"nverbench/_files/{name}"
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "nverbench")
    installed = tmp_path / included()[name]
    installed.mkdir(parents=True)
    assert paths.packaged(name) == installed


def test_nothing_else_is_put_into_the_wheel() -> None:
    assert set(included()) == set(NAMES)
