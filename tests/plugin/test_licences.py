"""Licences in one order: every text that corpora and weights write has its place, and a row says
the most restrictive.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import registry
from nverbench.plugin import discovery
from nverbench.plugin.licences import (
    UNTRAINED,
    combined,
    level,
    most_restrictive,
    non_commercial,
    of_weights,
)

DECLARED = "CC BY 4.0 (declared; third-party recordings, consent unknown)"
UNISPEECH = "see https://github.com/microsoft/UniSpeech/blob/main/LICENSE"
ORDER = {
    "no weights (seeded random numbers)": 0,
    "CC0": 0,
    "CC0 1.0": 0,
    "public domain": 0,
    "MIT": 1,
    "BSD-3-Clause": 1,
    "BSD-3-Clause (the repository's)": 1,
    "Apache-2.0": 1,
    "Apache-2.0 (synthetic)": 1,
    "CC BY 4.0": 2,
    "CC-BY-4.0": 2,
    DECLARED: 2,
    "CC BY-SA 4.0": 3,
    "CC BY-ND 4.0": 3,
    "ODbL 1.0": 3,
    UNISPEECH: 3,
    "CC BY-NC 4.0": 4,
    "CC-BY-NC-4.0": 4,
    "non-commercial use": 4,
    "CC BY-NC-SA 4.0": 5,
    "CC BY-NC-ND 4.0": 5,
    "by request": 6,
    "by request (USC, research only)": 6,
    "for research only": 6,
    "academic use, on request": 6,
    "unknown": 7,
    "unknown (its terms were not verified)": 7,
    "unknown (see the audio-mamba-official repository)": 7,
    "unknown (weights of one's own)": 7,
}
"""Where each text belongs; a new one that a plugin or the registry writes is added here on
purpose.
"""
TEXTS = st.lists(st.sampled_from(sorted(ORDER)), min_size=1, max_size=6)


def written() -> set[str]:
    """Every licence that the registry and the installed plugins write."""
    parts, rules = discovery.discover(), registry.load()
    backbones, datasets = parts.backbones.parts.values(), parts.datasets.parts.values()
    texts = {b.licence for b in backbones} | {b.weights.licence for b in backbones if b.weights}
    texts |= {d.licence for d in datasets} | {s.licence for d in datasets for s in d.sources}
    return texts | {pin.licence for pin in (*rules.weights.values(), *rules.datasets.values())}


@given(texts=TEXTS, shuffled=st.randoms(use_true_random=False))
def test_the_order_they_are_given_in_does_not_matter(texts: list[str], shuffled: object) -> None:
    assert most_restrictive(texts) == most_restrictive(
        sorted(texts, key=lambda _: shuffled.random())
    )  # type: ignore[attr-defined]


@given(a=TEXTS, b=TEXTS)
def test_one_more_licence_never_makes_a_row_freer(a: list[str], b: list[str]) -> None:
    assert ORDER[most_restrictive(a + b)] == max(
        ORDER[most_restrictive(a)], ORDER[most_restrictive(b)]
    )


@given(texts=TEXTS)
def test_the_most_restrictive_is_one_of_them_and_of_itself_it_is_itself(texts: list[str]) -> None:
    worst = most_restrictive(texts)
    assert worst in texts
    assert most_restrictive([worst, *texts]) == most_restrictive([worst]) == worst


@pytest.mark.parametrize("text", sorted(written()))
def test_every_licence_of_the_registry_and_of_the_plugins_has_its_place(text: str) -> None:
    assert text in ORDER, f"{text!r} is not classified: give it its place in ORDER, on purpose"


@pytest.mark.parametrize("text", sorted(ORDER))
def test_a_text_has_the_place_it_was_given_on_purpose(text: str) -> None:
    assert level(text) == ORDER[text]
    assert non_commercial(text) == (
        ORDER[text] in (4, 5) or "research" in text or "academic" in text
    )


@pytest.mark.parametrize(
    "text",
    ["", "proprietary", "see https://example.org/LICENSE", "ask Ann (CC BY 4.0)", "MITRE terms"],
)
def test_what_nobody_classified_counts_as_unknown(text: str) -> None:
    assert level(text) is None
    assert most_restrictive([text, "CC BY-NC-SA 4.0"]) == text
    assert not non_commercial(text)


@pytest.mark.parametrize(
    ("licences", "phrase"),
    [
        ({"byol-s": "MIT", "vivae": "CC BY-NC 4.0"}, "CC BY-NC 4.0 (vivae)"),
        (
            {"byol-s": "MIT", "asvp-esd": DECLARED},
            "CC BY 4.0 (asvp-esd: declared; third-party recordings, consent unknown)",
        ),
        (
            {"hubert-base": "Apache-2.0", "wav2vec2-base": "Apache-2.0"},
            "Apache-2.0 (hubert-base, wav2vec2-base)",
        ),
        ({"wavlm-base": UNISPEECH, "emogator": "Apache-2.0"}, "CC BY-SA 3.0 (wavlm-base)"),
        ({"byol-s:untrained": UNTRAINED, "table:patients.csv": "unknown"}, "unknown (table)"),
        (
            {"audio-mamba-base": "unknown (see there)", "vivae": "CC BY-NC 4.0"},
            "unknown (audio-mamba-base: see there); non-commercial (vivae)",
        ),
        ({}, "unknown"),
    ],
)
def test_a_combination_says_its_most_restrictive_licence_and_whose_it_is(
    licences: dict[str, str], phrase: str
) -> None:
    assert combined(licences) == phrase


def test_a_licence_that_is_only_declared_is_worth_less_than_the_plain_one() -> None:
    assert most_restrictive(["CC BY 4.0", DECLARED]) == DECLARED


def test_random_weights_need_no_licence_and_nobody_knows_that_of_ones_own() -> None:
    assert level(of_weights("CC BY-NC 4.0", untrained=True, own=False)) == 0
    assert level(of_weights("MIT", untrained=False, own=True)) == 7
    assert of_weights("MIT", untrained=False, own=False) == "MIT"
