"""How each plugin stands: what it brings, what it lost to another, why it is left out, and what it
did that was undone.
"""

from __future__ import annotations

import os

import pytest

from nverbench import Fusion, Loss
from nverbench.plugin.catalog import Catalog
from support.plugins import brings, build, fails, loss, plugin, with_extra


def standing(found: Catalog) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Status and parts of the strangers, by plugin."""
    return {
        s.origin.plugin: (s.status, s.parts)
        for s in found.plugin_statuses()
        if s.origin.distribution != "nverbench"
    }


def test_a_plugin_stands_with_what_it_brings_and_what_it_lost():
    mine = plugin(
        nverbench_losses=lambda: [loss("a"), loss("renyi")],
        nverbench_fusions=lambda: [Fusion(name="b", arity=(1, 1), build=build)],
    )
    found = with_extra(
        mine=mine,
        sound=brings(loss("c"), loss("d")),
        broken=plugin(nverbench_losses=fails(RuntimeError("no"))),
    )
    assert standing(found) == {
        "mine": ("clash: loss renyi", {"fusions": ["b"], "losses": ["a"]}),
        "sound": ("ok", {"losses": ["c", "d"]}),
        "broken": ("quarantined: RuntimeError: no", {}),
    }


def test_both_strangers_who_claim_a_name_stand_with_the_clash():
    found = standing(with_extra(one=brings(loss("x"), loss("y")), two=brings(loss("x"))))
    assert found == {"one": ("clash: loss x", {"losses": ["y"]}), "two": ("clash: loss x", {})}


def test_what_a_hook_does_to_the_process_is_put_back_and_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STRANGER", raising=False)

    def hook() -> list[Loss]:
        print("hello")
        os.environ["STRANGER"] = "secret"
        return [loss("mine")]

    found = with_extra(loud=plugin(nverbench_losses=hook))
    assert [str(remark) for remark in found.remarks] == [
        (
            "plugin loud of nver-loud 1.0 changes environment variables (STRANGER) (put back) when"
            " it is imported"
        ),
        'plugin loud of nver-loud 1.0 prints "hello" when it is imported',
    ]
    assert ("STRANGER" in os.environ, found.loss("mine").name) == (False, "mine")


def test_an_error_that_cannot_be_read_is_quarantined_too():
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert [
        q.error for q in with_extra(rude=plugin(nverbench_losses=fails(Rude()))).quarantine
    ] == ["Rude: its message cannot be read"]
