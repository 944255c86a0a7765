"""docs/protocol.md is the protocol that the sources cite, and its numbers are those of registry.yaml."""

from __future__ import annotations

import re

import pytest

from nverbench import registry
from support.paths import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTIONS = set(re.findall(r"^## (.+)$", PAGE, re.M))
RULES = registry.load()
CITATION = re.compile(
    r'(?:protocol\s+nver-1|``docs/protocol\.md``|docs/protocol\.md),\s+((?:"[^"]+"(?:,\s+|\s+and\s+)?)+)'
)


def cited() -> list[tuple[str, str]]:
    """Every section that a source file cites, and the file."""
    found = []
    for folder in ("nverbench", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = re.sub(r"\s*\n\s*(?:#\s*)?", " ", path.read_text(encoding="utf-8"))
            for names in CITATION.findall(text):
                found += [(name, path.name) for name in re.findall(r'"([^"]+)"', names)]
    return found


def test_sources_cite_the_protocol_by_sections_that_it_has() -> None:
    assert len(cited()) >= 10
    assert [(name, file) for name, file in cited() if name not in SECTIONS] == []


@pytest.mark.parametrize("name", sorted(RULES.protocols))
def test_every_protocol_of_the_registry_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_constants_on_the_page_are_those_of_the_registry() -> None:
    rules = RULES.protocol("nver-1")
    assert (rules.k, rules.epochs, rules.batch, rules.lr) == (5, 20, 32, 1e-3)
    assert (rules.patience, rules.replicates, rules.optimizer) == (5, 5, "adam")
    assert (rules.inner_share, rules.inner_most, rules.inner_per_class) == (0.1, 0.2, 5)
    for words in (
        "Five folds",
        "learning rate 1e-3",
        "batches of 32",
        "at most 20 epochs",
        "Patience is 5 epochs",
        "at least 10 % of the training clips",
        "exceeds 20 %",
        "at least 5 clips of each class",
        "five replicates",
    ):
        assert words in " ".join(PAGE.split()), words


def test_the_table_of_protocols_has_the_constants_of_the_registry() -> None:
    rules = RULES.protocol("nver-2")
    assert rules.rates == [1e-4, 3e-4, 1e-3, 3e-3]
    assert (rules.epochs, rules.patience, rules.watch) == (50, 10, "macro-f1")
    assert (rules.inner_splits, rules.inner_groups) == (3, 3)
    assert (min(rules.penalties), max(rules.penalties)) == (1e-4, 1.0)
    text = " ".join(PAGE.split())
    for words in (
        "chosen among 1e-4, 3e-4, 1e-3, 3e-3",
        "at most 50",
        "macro-F1, averaged over three validation parts",
        "three per fold and replicate, each of three speakers or more",
        "penalties 1e-4 to 1",
    ):
        assert words in text, words
    assert "| 10 |" in PAGE.replace("or the recipe's | 10 |", "| 10 |")
