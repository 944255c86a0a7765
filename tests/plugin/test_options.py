"""References to parts: what is written becomes one canonical text, and every slip is answered with
what would have been right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Backbone, Clip, Dataset, Fusion, LabelCard, Loss, PartError, UsageError
from nverbench.plugin.options import PartRef, check_plain, declared, function_of, resolve, split


def build(
    dims: Any,
    classes: int,
    *,
    width: int = 256,
    rate: float = 0.3,
    norm: str = "post",
    bias: bool = True,
) -> Any: ...


def load(context: Any, *, depth: int = 12) -> Any: ...


def lookup(ids: Any, *, path: str, scale: float = 1.0) -> Any: ...


def clips_of(root: Any, *, path: str, column: str = "label") -> Iterable[Clip]: ...


def plain_clips(root: Any) -> Iterable[Clip]: ...


FUSION = Fusion(name="mix", arity=(1, 2), build=build)
LOSS = Loss(name="plain", build=build)
NET = Backbone(name="net", family="mamba", frame_dim=2, dim=2, load=load)
STORED = Backbone(
    name="stored",
    family="features",
    frame_dim=0,
    dim=0,
    lookup=lookup,
    positional="path",
    local=("path",),
)
CORPUS = Dataset(
    name="mine",
    load=clips_of,
    positional="path",
    local=("path",),
    label_card=LabelCard(kind="portrayed", setting="acted"),
)
SHARED = Dataset(
    name="shared",
    load=clips_of,
    positional="path",
    label_card=LabelCard(kind="portrayed", setting="acted"),
)
CROSSED = replace(
    SHARED,
    name="crossed",
    load=plain_clips,
    positional=None,
    labels=("ang", "afr", "pain"),
    common={"ang": "anger", "afr": "fear", "pain": "pain"},
)


@pytest.mark.parametrize(
    ("part", "text", "canonical"),
    [
        (FUSION, "mix", "mix"),
        (FUSION, "mix:", "mix"),
        (FUSION, "mix:width=128,norm=pre", "mix:norm=pre,width=128"),
        (FUSION, "mix:width=256,norm=post,rate=0.3,bias=true", "mix"),
        (FUSION, "mix: width = 128 , rate = .5", "mix:rate=0.5,width=128"),
        (FUSION, "mix:rate=5e-1", "mix:rate=0.5"),
        (FUSION, "mix:bias=no", "mix:bias=false"),
        (LOSS, "plain:rate=1", "plain:rate=1.0"),
        (NET, "net:untrained", "net:untrained"),
        (NET, "net:untrained=yes,depth=3", "net:depth=3,untrained"),
        (NET, "net:untrained=false", "net"),
        (NET, "net:weights=/data/mine/best.pth", "net:weights=best.pth"),
        (STORED, "stored:/data/all.npz", "stored:all.npz"),
        (STORED, "stored:path=/data/all.npz,scale=2", "stored:all.npz,scale=2.0"),
        (CORPUS, "mine:/data/a,b,c.csv,column=emotion", "mine:a,b,c.csv,column=emotion"),
        (SHARED, "shared:some/where", "shared:some/where"),
        (SHARED, "shared:some/where,exclude=b+a", "shared:some/where,exclude=a+b"),
        (SHARED, "shared:some/where,exclude=", "shared:some/where"),
        (
            SHARED,
            "shared:some/where,test=other,exclude=b+a",
            "shared:some/where,exclude=a+b,test=other",
        ),
        (SHARED, "shared:some/where,test=", "shared:some/where"),
        (CROSSED, "crossed:test=other", "crossed:test=other"),
        (CROSSED, "crossed:test=other,exclude=fear", "crossed:exclude=fear,test=other"),
    ],
)
def test_the_canonical_text_is_sorted_without_defaults_and_shows_only_the_last_part_of_a_local_path(
    part: Any, text: str, canonical: str
):
    assert str(resolve(part, text)) == canonical


@given(
    width=st.integers(1, 10**6),
    rate=st.floats(0, 1),
    norm=st.sampled_from(("pre", "post")),
    bias=st.booleans(),
    order=st.randoms(),
)
def test_canonical_text_reads_back_as_the_same_reference_whatever_the_order_written(
    width: int, rate: float, norm: str, bias: bool, order: Any
):
    words = [f"width={width}", f"rate={rate!r}", f"norm={norm}", f"bias={bias}"]
    order.shuffle(words)
    reference = resolve(FUSION, "mix:" + ",".join(words))
    assert reference.full == {"width": width, "rate": rate, "norm": norm, "bias": bias}
    assert resolve(FUSION, str(reference)) == reference


@pytest.mark.parametrize(
    ("word", "option", "value"),
    [
        ("width=7", "width", 7),
        ("rate=7", "rate", 7.0),
        ("norm=7", "norm", "7"),
        *(
            (f"bias={text}", "bias", value)
            for text, value in {
                "YES": True,
                "on": True,
                "1": True,
                "off": False,
                "0": False,
                "False": False,
            }.items()
        ),
        ("bias", "bias", True),
        ("norm=", "norm", ""),
        ("norm=a=b", "norm", "a=b"),
    ],
)
def test_values_take_the_type_of_the_default(word: str, option: str, value: object):
    full = resolve(FUSION, f"mix:{word}").full
    assert (full[option], type(full[option])) == (value, type(value))


@pytest.mark.parametrize(
    ("part", "text", "sentence"),
    [
        (FUSION, "mix:widht=3", "fusion mix has no option 'widht'; did you mean width?"),
        (FUSION, "mix:zzz=3", "fusion mix has no option 'zzz'; known: bias, norm, rate, width"),
        (LOSS, "plain:widht=3", "loss plain has no option 'widht'"),
        (FUSION, "mix:width=wide", "fusion mix: option width: expected a whole number, got 'wide'"),
        (FUSION, "mix:width=1.5", "option width: expected a whole number, got '1.5'"),
        (FUSION, "mix:rate=fast", "option rate: expected a number, got 'fast'"),
        (FUSION, "mix:bias=perhaps", "option bias: expected true or false, got 'perhaps'"),
        (FUSION, "mix:width=1,width=2", "fusion mix: option width is given twice"),
        (FUSION, "mix:width=1,", "fusion mix: an option is empty; write name:key=value"),
        (FUSION, "mix:=1", "an option is empty"),
        (FUSION, "mix:untrained", "fusion mix has no option 'untrained'"),
        (
            NET,
            "net:untrained,weights=a.pth",
            "backbone net: untrained and weights=PATH contradict each other; give one",
        ),
        (
            NET,
            "net:untrained=perhaps",
            "backbone net: untrained: expected true or false, got 'perhaps'",
        ),
        (STORED, "stored", "backbone stored needs path; write stored:PATH"),
        (STORED, "stored:scale=2", "backbone stored needs path; write stored:PATH"),
        (STORED, "stored:a.npz,path=b.npz", "backbone stored: option path is given twice"),
        (CORPUS, "mine:column=emotion", "dataset mine needs path; write mine:PATH"),
        (
            CROSSED,
            "crossed:test=folder:PATH",
            "dataset crossed: test=folder:PATH: expected the name of a dataset, without options",
        ),
        (
            CROSSED,
            "crossed:test=other,exclude=ang",
            "dataset crossed has no common label 'ang' to exclude; did you mean anger",
        ),
        (
            CROSSED,
            "crossed:exclude=anger",
            "dataset crossed has no label 'anger' to exclude; did you mean ang",
        ),
        (
            CROSSED,
            "crossed:test=other,exclude=anger+fear",
            "excluding anger, fear leaves 1 of its labels; leave two or more",
        ),
        (NET, "net:test=other", "backbone net has no option 'test'"),
    ],
)
def test_a_slip_is_refused_with_what_would_be_right(part: Any, text: str, sentence: str):
    with pytest.raises(UsageError) as error:
        resolve(part, text)
    assert sentence in str(error.value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_an_option_that_is_not_a_finite_number_is_refused(value: str):
    with pytest.raises(UsageError, match="option rate: expected a number, got"):
        resolve(FUSION, f"mix:rate={value}")


def test_a_required_option_without_a_positional_is_named_with_how_to_write_it():
    bare = Backbone(name="stored", family="features", frame_dim=0, dim=0, lookup=lookup)
    with pytest.raises(UsageError, match=r"backbone stored needs path; write stored:path=\.\.\."):
        resolve(bare, "stored")


@given(
    path=st.text("abc/.,- ", min_size=1)
    .map(str.strip)
    .filter(lambda p: p and not p.startswith(","))
)
def test_a_bare_path_may_hold_commas(path: str):
    assert resolve(CORPUS, f"mine:{path},column=x").full == {"path": path, "column": "x"}


def test_untrained_and_own_weights_are_no_options_of_the_part():
    reference = resolve(NET, "net:untrained"), resolve(NET, "net:weights=/a/b.pth")
    assert [(r.untrained, r.weights, dict(r.full)) for r in reference] == [
        (True, None, {"depth": 12}),
        (False, "/a/b.pth", {"depth": 12}),
    ]


# identity


def test_the_identity_holds_every_option_defaults_included():
    assert resolve(FUSION, "mix:width=1").identity() == {
        "name": "mix",
        "options": {"width": 1, "rate": 0.3, "norm": "post", "bias": True},
        "untrained": False,
    }


@pytest.mark.parametrize(
    ("part", "text"), [(STORED, "stored:{}"), (CORPUS, "mine:{}"), (NET, "net:weights={}")]
)
def test_local_paths_stay_out_of_the_identity_and_show_their_last_part_only(part: Any, text: str):
    here, there = (
        resolve(part, text.format(f"/{folder}/features.npz")) for folder in ("home/ann", "srv")
    )
    assert here.identity() == there.identity()
    assert str(here) == str(there)
    assert "ann" not in f"{here}{here.identity()}"


def test_a_path_that_is_not_local_is_part_of_the_identity():
    assert resolve(SHARED, "shared:a/b").identity()["options"] == {"path": "a/b", "column": "label"}


def test_the_identity_tells_which_dataset_is_tested_on_and_is_as_it_was_where_none_is():
    assert resolve(CROSSED, "crossed").identity() == {
        "name": "crossed",
        "options": {},
        "untrained": False,
    }
    assert resolve(CROSSED, "crossed:test=other").identity()["test"] == "other"


@pytest.mark.parametrize("name", ["exclude", "test"])
def test_a_dataset_must_not_take_the_harness_own_options(name: str):
    exec(f"def mine(root, *, {name}=''): ...", space := {})
    assert check_plain(replace(CORPUS, load=space["mine"])) == [
        f"option {name} is one the harness itself gives; call it otherwise"
    ]


def test_the_identity_tells_untrained_from_pretrained():
    assert resolve(NET, "net:untrained").identity() != resolve(NET, "net").identity()


# declarations


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a", "")),
        ("a:b=1", ("a", "b=1")),
        (" a :b:c", ("a", "b:c")),
        ("npz:C:/x", ("npz", "C:/x")),
        ("", ("", "")),
    ],
)
def test_the_name_ends_at_the_first_colon(text: str, parts: tuple[str, str]):
    assert split(text) == parts


@pytest.mark.parametrize(
    ("part", "function"),
    [(FUSION, build), (LOSS, build), (NET, load), (STORED, lookup), (CORPUS, clips_of)],
)
def test_options_are_read_from_the_function_of_the_part(part: Any, function: Any):
    assert function_of(part) is function


def test_options_are_the_keyword_only_parameters():
    assert list(declared(build)) == ["width", "rate", "norm", "bias"]


@pytest.mark.parametrize("default", [None, (1, 2), [1], {"a": 1}, Path("x"), math.sqrt])
def test_a_default_that_is_no_scalar_is_named(default: object):
    def odd(dims: Any, classes: int, *, width: Any = default, fine: int = 1) -> Any: ...

    assert check_plain(Fusion(name="odd", arity=(1, 1), build=odd)) == [
        f"option width has default {default!r}; expected true, false, a number or text"
    ]


def test_scalar_defaults_and_required_options_are_fine():
    assert [check_plain(part) for part in (FUSION, LOSS, NET, STORED, CORPUS)] == [[]] * 5


def test_a_reference_to_a_bare_name_has_no_options():
    assert str(PartRef("mix")) == "mix"


# --- what every backbone takes: how embeddings are read out of one forward pass

DEEP = Backbone(name="deep", family="attention", frame_dim=8, dim=8, layers=13, blocks=4, load=load)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("deep:layer=0", "deep:layer=0"),
        ("deep:layer=12", "deep"),
        ("deep:layers=weighted", "deep:layers=weighted"),
        ("deep:project=4,layer=3,depth=2,untrained", "deep:depth=2,layer=3,project=4,untrained"),
        ("deep:segments=5,blocks=mean,project=9", "deep:blocks=mean,project=9,segments=5"),
        ("deep:layer=2,blocks=mean", "deep:blocks=mean,layer=2"),
        ("deep:layers=weighted,blocks=mean", "deep:blocks=mean,layers=weighted"),
    ],
)
def test_read_out_options_are_part_of_the_canonical_text(text: str, canonical: str) -> None:
    assert str(resolve(DEEP, text)) == canonical
    assert str(resolve(DEEP, canonical)) == canonical


def test_how_an_embedding_is_read_out_changes_the_results_id_and_not_what_is_loaded() -> None:
    plain, chosen = resolve(DEEP, "deep"), resolve(DEEP, "deep:layer=3,project=4")
    assert plain.full == chosen.full
    assert plain.identity() != chosen.identity()
    assert {
        k: v for k, v in chosen.identity().items() if k not in chosen.read_out()
    } == plain.identity()


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        (DEEP, "deep:layer=13", "backbone deep: layer=13: expected a whole number from 0 to 12"),
        (DEEP, "deep:layer=-1", "backbone deep: layer=-1: expected a whole number from 0 to 12"),
        (
            DEEP,
            "deep:layer=last",
            "backbone deep: layer=last: expected a whole number from 0 to 12",
        ),
        (DEEP, "deep:project=8", "backbone deep: project=8: expected a whole number from 1 to 7"),
        (
            DEEP,
            "deep:layers=all",
            "backbone deep: layers=all: expected weighted; for a single one write layer=N",
        ),
        (
            DEEP,
            "deep:layers=weighted,layer=2",
            "backbone deep: layers=weighted goes with neither layer=N nor project=D; give one",
        ),
        (
            DEEP,
            "deep:layers=weighted,project=2",
            "backbone deep: layers=weighted goes with neither layer=N nor project=D; give one",
        ),
        (
            NET,
            "net:layer=1",
            (
                "backbone net gives one set of frames and has no layers to choose from; leave layer"
                " and layers out"
            ),
        ),
        (
            NET,
            "net:layers=weighted",
            (
                "backbone net gives one set of frames and has no layers to choose from; leave layer"
                " and layers out"
            ),
        ),
        (
            DEEP,
            "deep:segments=1",
            "backbone deep: segments=1: expected a whole number from 2 to 100",
        ),
        (DEEP, "deep:segments=", "backbone deep: segments=: expected a whole number from 2 to 100"),
        (
            DEEP,
            "deep:segments=5,layer=2",
            "backbone deep: segments=N cuts the frames of the output, and goes with neither layer",
        ),
        (
            DEEP,
            "deep:segments=5,blocks=mean,project=10",
            "backbone deep: project=10: expected a whole number from 1 to 9",
        ),
        (DEEP, "deep:blocks=2", "backbone deep: blocks=2: expected mean"),
        (NET, "net:blocks=mean", "backbone net declares no blocks of its frames; leave blocks out"),
        (FUSION, "mix:project=4", "fusion mix has no option 'project'; did you mean"),
    ],
)
def test_a_read_out_that_cannot_be_is_refused(part: Any, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(part, text)
    assert str(caught.value).startswith(message.split("; did")[0])


def test_stored_features_have_no_segments() -> None:
    stored = Backbone(name="rows", family="features", frame_dim=0, dim=0, lookup=load)
    with pytest.raises(UsageError, match="holds one stored vector per clip, which has no segments"):
        resolve(stored, "rows:segments=5")


def test_a_backbone_may_call_its_own_options_segments_and_blocks() -> None:
    def mine(context: Any, *, segments: int = 3, blocks: str = "") -> Any: ...

    part = Backbone(name="net", family="mamba", frame_dim=2, dim=2, blocks=2, load=mine)
    assert check_plain(part) == []
    reference = resolve(part, "net:segments=99,blocks=x")
    assert (dict(reference.full), reference.segments, reference.blocks) == (
        {"segments": 99, "blocks": "x"},
        None,
        None,
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"blocks": 3}, "frame_dim 8 has no 3 equal blocks"),
        ({"blocks": 0}, "frame_dim 8 has no 0 equal blocks"),
        ({"blocks": 4, "pool": "mean+max", "layers": 0}, "blocks go with pool=mean"),
    ],
)
def test_blocks_that_a_frame_does_not_have_are_refused(facts: Any, words: str) -> None:
    with pytest.raises(PartError, match=words):
        replace(DEEP, **facts)


def test_a_backbone_must_not_take_the_harness_own_options() -> None:
    def mine(context: Any, *, project: int = 3) -> Any: ...

    assert check_plain(Backbone(name="net", family="mamba", frame_dim=2, dim=2, load=mine)) == [
        "option project is one the harness itself gives; call it otherwise"
    ]


def test_without_layers_of_the_contract_an_option_of_that_name_is_the_backbones_own() -> None:
    def mine(context: Any, *, layer: int = 12) -> Any: ...

    part = Backbone(name="net", family="mamba", frame_dim=2, dim=2, load=mine)
    assert check_plain(part) == []
    assert check_plain(replace(part, layers=13)) == [
        "option layer is one the harness itself gives; call it otherwise"
    ]
    reference = resolve(part, "net:layer=99")
    assert (dict(reference.full), reference.layer, str(reference)) == (
        {"layer": 99},
        None,
        "net:layer=99",
    )
