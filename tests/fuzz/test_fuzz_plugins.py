"""What plugins yield and what their entry points are called: anything is a part, or a plugin in
quarantine with one line; names of new ones.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Backbone, Dataset, Fusion, LabelCard, Loss, Source, hookimpl
from nverbench.cli.new import new
from nverbench.cli.show import part_facts, plain_text
from nverbench.pipeline.listing import records
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.registry import Registry
from support.foreign_text import TEXTS, VALUES, check_line, lawful, often


def load(ctx: Any, *, size: int = 1) -> Any:
    raise AssertionError("nothing is loaded here")


GOOD: dict[str, tuple[type, dict[str, Any]]] = {
    "backbones": (
        Backbone,
        {
            "name": "bee",
            "family": "f",
            "frame_dim": 4,
            "dim": 4,
            "load": load,
            "licence": "MIT",
            "weights": Source(address="https://x.org/w"),
        },
    ),
    "datasets": (
        Dataset,
        {
            "name": "toys",
            "corpus": "toys",
            "load": load,
            "labels": ("a", "b"),
            "label_card": LabelCard(kind="portrayed", setting="acted"),
            "folds": ("speaker", "random"),
            "counts": {"a": 1},
            "sources": (Source(address="x"),),
        },
    ),
    "fusions": (Fusion, {"name": "head", "arity": (1, 2), "build": load, "default_loss": "plain"}),
    "losses": (Loss, {"name": "plain", "build": load}),
}
ANY = st.one_of(
    VALUES,
    TEXTS,
    st.sampled_from(
        [
            load,
            object(),
            (1, 2),
            (),
            frozenset("a"),
            b"x",
            lambda: None,
            Path("x"),
            {"a": 5},
            ("a", 5),
            10**400,
            type,
        ]
    ),
)


def found(
    kind: str,
    hook: Any,
    plugin: str = "toys",
    distribution: str = "toy-parts",
    version: str = "1.0",
) -> Catalog:
    """The catalog with one plugin that brings what a hook gives, and nothing else."""
    module = ModuleType("toys")
    hook.__name__ = f"nverbench_{kind}"
    setattr(module, hook.__name__, hookimpl(hook))
    return discovery.discover(
        disabled=["nverbench"], extra=[(Origin(plugin, distribution, version), module)]
    )


def check(kind: str, one: Catalog) -> None:
    """What commands say of it."""
    for broken in one.quarantine:
        check_line(f"plugin {broken.origin.plugin}: {' '.join(str(broken.error).split())}")
    shelf = getattr(one, kind)
    for name, part in shelf.parts.items():
        json.dumps(part_facts(shelf.kind, part, shelf.origins[name]), default=str)
        assert isinstance(plain_text(part_facts(shelf.kind, part, shelf.origins[name])), str)
    assert isinstance(records(kind, one, Registry({}, {}, {}, ())), list)
    assert all(isinstance(standing.line, str) for standing in one.plugin_statuses())


@given(st.sampled_from(sorted(GOOD)), st.data())
@often(150)
def test_a_record_with_any_field_is_a_part_or_a_quarantine(kind: str, data: st.DataObject) -> None:
    record, facts = GOOD[kind]
    names = [field.name for field in dataclasses.fields(record)]
    changed = {
        **facts,
        **{
            data.draw(st.sampled_from(names)): data.draw(ANY)
            for _ in range(data.draw(st.integers(0, 2)))
        },
    }

    def hook() -> Any:
        return [record(**changed)]

    one = lawful("plugins: records", lambda: found(kind, hook))
    if one is not None:
        lawful("plugins: what is said of them", lambda: check(kind, one))


@given(st.sampled_from(sorted(GOOD)), st.one_of(ANY, st.lists(ANY, max_size=3)))
@often(60)
def test_a_hook_that_gives_anything_is_quarantined(kind: str, value: Any) -> None:
    one = lawful("plugins: hooks", lambda: found(kind, lambda: value))
    assert one is not None
    lawful("plugins: what is said of them", lambda: check(kind, one))


@given(TEXTS, TEXTS, TEXTS)
@often(40)
def test_a_plugin_of_any_name_is_listed(plugin: str, distribution: str, version: str) -> None:
    record, facts = GOOD["losses"]
    one = lawful(
        "plugins: metadata",
        lambda: found("losses", lambda: [record(**facts)], plugin, distribution, version),
    )
    if one is not None:
        lawful("plugins: what is said of them", lambda: check("losses", one))


@given(st.one_of(st.sampled_from(["backbone", "dataset", "fusion", "loss"]), TEXTS), TEXTS)
@often(60)
def test_a_new_plugin_of_any_name_is_written_or_refused(room: Path, kind: str, name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        (room / "deep" / "er").mkdir(parents=True, exist_ok=True)
        patch.chdir(room / "deep" / "er")
        before = set(room.rglob("*"))
        lawful("nverbench new KIND NAME", lambda: new(kind, name))
        assert all(p.is_relative_to(room / "deep" / "er") for p in set(room.rglob("*")) - before)
