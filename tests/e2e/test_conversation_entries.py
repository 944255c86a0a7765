"""The commands of the third system, typed on a fresh install: what they need is said, and nothing
else happens.
"""

from __future__ import annotations

from typing import Any

import pytest

from nverbench import registry
from nverbench.pipeline.selection import Selection, matching
from nverbench.plugin import discovery
from nverbench.plugin.options import resolve, split

SYSTEM = ("--backbone", "wavlm-large:layer=21", "--fusion", "erc-mamba", "--dataset", "iemocap-6")
FUSIONS = (
    "erc-mamba",
    "erc-mamba:context=utterance",
    "erc-transformer",
    "erc-gru",
    "erc-mean",
    "erc-prior",
)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--train", "shuffle=intra"),
        ("--folds", "holdout=Ses05"),
        ("--selection", "test"),
        ("--dry-run",),
    ],
)
def test_on_a_fresh_install_it_says_which_corpus_and_which_weights_it_needs(
    world: Any, more: tuple[str, ...]
) -> None:
    ran = world.run("run", *SYSTEM, *more)
    lines = ran.err.splitlines()
    corpus, weights = (
        next(line for line in lines if f"{what} is missing" in line)
        for what in ("corpus iemocap", "weights wavlm-large")
    )
    assert ran.code == 2
    assert "by request" in corpus
    assert "nverbench data add iemocap-6 PATH" in corpus
    assert "hf:microsoft/wavlm-large" in weights
    assert "nverbench weights get wavlm-large (or run with --download)" in weights
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("folds", ["leave-one-group-out", "holdout=Ses05"])
def test_every_conversation_fusion_is_registered_for_both_protocols(folds: str) -> None:
    entries = [e for e in registry.load().entries if e.dataset == "iemocap-6" and e.folds == folds]
    assert {e.fusion for e in entries} == set(FUSIONS)
    assert {e.backbones for e in entries} == {("wavlm-large:layer=21",)}
    shuffles = [e.shuffle for e in entries if e.fusion == "erc-mamba"]
    assert shuffles == ["none", "intra", "inter-speaker", "inter"]  # the rows of Table 3


def test_registered_options_are_those_of_the_fusions_and_of_the_datasets() -> None:
    parts = discovery.discover()
    entries = [e for e in registry.load().entries if split(e.fusion)[0].startswith("erc-")]
    assert len(entries) == 2 * (len(FUSIONS) + 3) + 3
    for entry in entries:
        fusion = parts.fusion(split(entry.fusion)[0])
        fusion.build((80,), 4, **resolve(fusion, entry.fusion).full)
        assert (entry.folds or "").partition("=")[0] in ("leave-one-group-out", "holdout")


def test_the_small_demo_entries_run_only_where_conversations_are_asked_for() -> None:
    found = matching(registry.load(), discovery.discover(), Selection(fusions=("erc-mamba",)))
    assert {e.dataset for e in found if e.demo} == {"conversation-demo"}
    assert not [
        e
        for e in matching(registry.load(), discovery.discover(), Selection(fusions=("reno",)))
        if e.dataset.startswith("conversation")
    ]
