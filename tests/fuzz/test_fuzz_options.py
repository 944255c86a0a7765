"""Options of parts, kinds of folds, selections: any text means something that is canonical, or is
refused in one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip, registry
from nverbench._io.digests import digest_of
from nverbench.data.folds import assign
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection, check_names, matching
from nverbench.plugin import discovery
from nverbench.plugin.catalog import Catalog
from nverbench.plugin.options import resolve
from nverbench.registry import Registry
from support.foreign_text import NUMBERS, TEXTS, lawful, often

WORDS = st.sampled_from(
    [
        ",",
        "=",
        ":",
        ";",
        "+",
        " ",
        "untrained",
        "untrained=no",
        "weights=",
        "weights=/x",
        "layer=0",
        "layer=-1",
        "layer=1e3",
        "layers=weighted",
        "project=8",
        "project=0",
        "exclude=",
        "exclude=anger",
        "exclude=a+a",
        "test=jnv",
        "test=",
        "align_dim=128",
        "dropout=0.5",
        "dropout=nan",
        "align_dim=" + "9" * 5000,
        "path=",
        "a.csv",
        "x" * 300,
        "true",
        "\x00",
        "٣",
        "layer=٣",
        "1_000",
        "0x10",
        "-0.0",
        "1e999",
    ]
)
OPTIONS = st.one_of(
    st.lists(st.one_of(WORDS, TEXTS), max_size=5).map("".join),
    st.lists(st.one_of(WORDS, TEXTS), max_size=4).map(",".join),
)


@pytest.fixture(scope="module")
def installed() -> Catalog:
    return discovery.discover()


@pytest.fixture(scope="module")
def rules() -> Registry:
    return registry.load()


def part(found: Catalog, data: st.DataObject) -> Any:
    shelves = (found.backbones, found.datasets, found.fusions, found.losses)
    # four kinds of shelves
    known = [own for shelf in shelves for own in shelf.parts.values()]  # type: ignore[attr-defined]
    return known[data.draw(st.integers(0, len(known) - 1))]


@given(st.data(), OPTIONS)
@often(200)
def test_options_are_resolved_or_refused(
    installed: Catalog, data: st.DataObject, text: str
) -> None:
    own = part(installed, data)
    found = lawful("options: name:k=v,...", lambda: resolve(own, f"{own.name}:{text}"), own.name)
    if found is not None:
        digest_of(found.identity())
        if (
            not any(key in str(found) for key in ("weights=", *found.local, own.name + ":/"))
            and found.positional is None
        ):
            again = resolve(own, str(found))  # canonical text says the same, and is canonical
            assert (str(again), again.identity()) == (str(found), found.identity())


KINDS = st.one_of(
    st.sampled_from(
        [
            *assign.KINDS,
            "holdout=a",
            "holdout=",
            "speaker=2",
            "random=1",
            "official",
            "cross=x",
            "=",
            "holdout=\ud800",
        ]
    ),
    TEXTS,
)
UNITS = st.one_of(st.none(), st.sampled_from("abcdefg"), TEXTS)
CLIPS = st.lists(
    st.tuples(st.sampled_from("xyz"), UNITS, st.sampled_from([None, "train", "test", "1", "2"])),
    max_size=30,
)
INNER = st.one_of(
    st.none(),
    st.builds(assign.Inner, st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.integers(1, 5)),
)


@given(CLIPS, KINDS, st.integers(2, 6), INNER)
@often(150)
def test_clips_are_cut_or_refused(
    clips: list[tuple[str, str | None, str | None]], kind: str, k: int, inner: assign.Inner | None
) -> None:
    own = [
        Clip(f"{i:02d}", Path("x.wav"), label, unit, split=split)
        for i, (label, unit, split) in enumerate(clips)
    ]
    cut = lawful(
        "folds: kinds, holdout=GROUP",
        lambda: assign.make_folds(own, kind, k=k, seed=1, inner=inner),
    )
    for fold in cut.folds if cut is not None else ():
        assert (
            not set(fold.train) & set(fold.test)
            | set(fold.validation) & set(fold.test)
            | set(fold.train) & set(fold.validation)
        )
        assert fold.test
        assert fold.train


NAMED = st.one_of(
    st.sampled_from(
        [
            "audio-mamba-base",
            "logmel-stats",
            "linear",
            "reno",
            "vocal-demo",
            "cross-entropy",
            "npz:x",
            "folder:x",
            "table:x.csv",
            "nver-1",
            "logmel-stats:project=8",
            "reno:align_dim=64",
        ]
    ),
    st.builds("{}:{}".format, st.sampled_from(["reno", "vocal-demo", "byol-s"]), OPTIONS),
    TEXTS,
)
SEVERAL = st.lists(NAMED, max_size=2).map(tuple)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("backbones", "fusions", "losses", "datasets"), SEVERAL),
    "folds": st.lists(KINDS, max_size=2).map(tuple),
    **dict.fromkeys(
        ("protocol", "selection"),
        st.one_of(st.none(), TEXTS, st.sampled_from(["nver-1", "inner", "test", "last"])),
    ),
    "seeds": st.one_of(st.integers(-2, 3), NUMBERS.filter(lambda n: isinstance(n, int))),
    "shuffle": st.one_of(TEXTS, st.sampled_from(["none", "intra", "inter"])),
    "device": st.one_of(TEXTS, st.just("cpu")),
    "dtype": st.one_of(TEXTS, st.just("float32")),
    "storage": st.one_of(TEXTS, st.just("float16")),
    **dict.fromkeys(("untrained", "skip_bad"), st.booleans()),
}


@given(st.fixed_dictionaries({}, optional=FIELDS))
@often(80)
def test_a_selection_is_matched_or_refused(
    installed: Catalog, rules: Registry, asked: dict[str, Any]
) -> None:
    selection = Selection(**{"backbones": ("logmel-stats",), **asked})
    lawful("selection: names and filters", lambda: check_names(rules, installed, selection))
    lawful("selection: names and filters", lambda: matching(rules, installed, selection))


@given(
    st.fixed_dictionaries(
        {
            "backbones": (
                st.lists(st.one_of(st.just("logmel-stats"), NAMED), min_size=1, max_size=2).map(
                    tuple
                )
            ),
            "fusions": st.sampled_from([("linear",), ("reno",), ("late",)]),
            "datasets": st.sampled_from([("vocal-demo",), ("nothing",)]),
        },
        optional={
            k: FIELDS[k]
            for k in (
                "folds",
                "protocol",
                "selection",
                "seeds",
                "losses",
                "shuffle",
                "dtype",
                "storage",
            )
        },
    )
)
@often(40)
def test_a_selection_is_planned_or_refused(
    installed: Catalog, rules: Registry, asked: dict[str, Any]
) -> None:
    lawful("selection: plans", lambda: plan(rules, installed, Selection(**asked)))
