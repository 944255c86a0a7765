"""Published scores are what the papers print: no cell changes unnoticed. The tables were compared
with the papers cell by cell; these digests fix that state.
"""

from __future__ import annotations

import hashlib

import pytest

from support.paths import ROOT, SHARED

PUBLISHED = ROOT / "leaderboard" / "published"
KNOWN = {
    "emobox": (16, "af120ff5c0e4411e5a819e3e61b0ac0060622264234bfeecca01f5e09fd5dc37"),
    "erc": (11, "20646e0575c0943cf02a7f8bd59279133611da1698d8cab08b7477beb0dada27"),
    "erc_table4": (10, "e2494525570eb809b93ff1a501fcb432701caf3f38ad591a3e00386d4416758d"),
    "mata": (8, "b4e5c1bf24ad1356bf9e674e9fd657964b8552b3cadcb247655c7de7c4ef90aa"),
    "parrot": (24, "e3a6cb5077335461f02cda6d5c1f1fed1d5a806fac278087aac797397bf48255"),
    "reno": (150, "9c2ff833dd331356f538b28d302f72ad0f790155171c9f31d18ea66082eb919a"),
}
"""File -> number of its rows, and the sha256 of its bytes."""


@pytest.mark.parametrize("name", KNOWN)
def test_no_published_cell_has_changed(name: str) -> None:
    rows, digest = KNOWN[name]
    content = (PUBLISHED / f"{name}.csv").read_bytes()
    assert content.count(b"\n") - 1 == rows
    assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.parametrize("name", KNOWN)
def test_the_tables_are_those_that_were_compared_with_the_papers(name: str) -> None:
    compared = SHARED / "facts" / "scores" / f"{name}.csv"
    if not compared.exists():
        pytest.skip("the tables of the shared folder are not on this machine")
    assert (PUBLISHED / f"{name}.csv").read_bytes() == compared.read_bytes()
