"""The records a plugin yields refuse what cannot be right, at once and by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from nverbench import Backbone, Clip, Dataset, Fusion, LabelCard, LoadContext, Loss, PartError

CARD = LabelCard(kind="portrayed", setting="acted")


def anything(*_: object, **__: object) -> Any: ...


def backbone(**changes: Any) -> Backbone:
    return Backbone(
        **{"name": "net", "family": "mamba", "frame_dim": 4, "dim": 4, "load": anything, **changes}
    )


def dataset(**changes: Any) -> Dataset:
    return Dataset(**{"name": "corpus", "load": anything, "label_card": CARD, **changes})


def fusion(**changes: Any) -> Fusion:
    return Fusion(**{"name": "mix", "arity": (1, 2), "build": anything, **changes})


def loss(**changes: Any) -> Loss:
    return Loss(**{"name": "plain", "build": anything, **changes})


@pytest.mark.parametrize(
    "name",
    ["", "Net", "net_1", "-net", ".net", "+net", "net:a", "net a", "net\n", "nét", "a,b", 3, None],
)
@pytest.mark.parametrize("make", [backbone, dataset, fusion, loss])
def test_a_name_that_cannot_be_typed_as_a_reference_is_refused(make: Any, name: object):
    with pytest.raises(
        PartError, match=r"a name is lower-case letters, digits, '\.', '\+' and '-'"
    ):
        make(name=name)


@pytest.mark.parametrize("name", ["a", "0", "wavlm-base", "w2v2.0", "a+b", "1-2"])
@pytest.mark.parametrize("make", [backbone, dataset, fusion, loss])
def test_a_plain_name_is_taken(make: Any, name: str):
    assert make(name=name).name == name


@pytest.mark.parametrize(
    ("make", "changes", "sentence"),
    [
        (backbone, {"load": None}, "backbone net: expected exactly one of load and lookup"),
        (backbone, {"lookup": anything}, "backbone net: expected exactly one of load and lookup"),
        (
            backbone,
            {"pool": "max"},
            "backbone net: pool is 'max'; expected one of mean, mean\\+max, stats",
        ),
        (backbone, {"dim": 8}, "backbone net: dim is 8, but pool=mean of frame_dim 4 gives 4"),
        (
            backbone,
            {"pool": "mean+max", "dim": 8},
            "dim is 8, but pool=mean\\+max of frame_dim 4 gives 4",
        ),
        (backbone, {"pool": "stats"}, "dim is 4, but pool=stats of frame_dim 4 gives 8"),
        (
            backbone,
            {"sample_rate": 0},
            "backbone net: sample_rate, min_samples and batch must be at least 1",
        ),
        (backbone, {"min_samples": 0}, "sample_rate, min_samples and batch must be at least 1"),
        (backbone, {"batch": 0}, "sample_rate, min_samples and batch must be at least 1"),
        (
            dataset,
            {"task": "frame"},
            "dataset corpus: task is 'frame'; expected one of clip, conversation",
        ),
        (
            dataset,
            {"share": "all"},
            "dataset corpus: share is 'all'; expected one of open, labels-only, none",
        ),
        (
            dataset,
            {"labels": ("x",), "common": {"y": "anger"}},
            "dataset corpus: common names a label 'y' that is not one of its labels",
        ),
        (
            dataset,
            {"labels": ("x",), "display": {"y": "anger"}},
            "dataset corpus: display names a label 'y' that is not one of its labels",
        ),
        (
            dataset,
            {"folds": ()},
            "dataset corpus: expected at least one kind of folds, the default first",
        ),
        (
            fusion,
            {"wants": "waves"},
            "fusion mix: wants is 'waves'; expected one of pooled, frames",
        ),
        (
            fusion,
            {"arity": (0, 1)},
            r"fusion mix: arity \(0, 1\) is not \(fewest >= 1, most >= fewest or None\)",
        ),
        (fusion, {"arity": (2, 1)}, r"fusion mix: arity \(2, 1\) is not"),
        (loss, {"needs": "labels"}, "loss plain: needs is 'labels'; expected None or 'views'"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    make: Any, changes: dict[str, Any], sentence: str
):
    with pytest.raises(PartError, match=sentence):
        make(**changes)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (backbone, {"pool": "stats", "dim": 8}),
        (backbone, {"load": None, "lookup": anything, "frame_dim": 0, "dim": 0}),
        (dataset, {"task": "conversation", "share": "open", "folds": ("official",)}),
        (fusion, {"arity": (3, None), "wants": "frames"}),
        (loss, {"needs": "views"}),
    ],
)
def test_a_sound_record_is_taken(make: Any, changes: dict[str, Any]):
    assert {name: getattr(make(**changes), name) for name in changes} == changes


@pytest.mark.parametrize("make", [backbone, dataset, fusion, loss])
def test_a_record_cannot_be_changed_afterwards(make: Any):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().name = "other"


@pytest.mark.parametrize(
    ("time_local", "options", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (lambda o: o["layer"] < 3, {"layer": 1}, True),
        (lambda o: o["layer"] < 3, {"layer": 9}, False),
    ],
)
def test_whether_a_frame_is_local_in_time_may_depend_on_the_options(
    time_local: Any, options: dict[str, Any], expected: bool
):
    assert backbone(time_local=time_local).is_time_local(options) is expected


@pytest.mark.parametrize(
    ("speaker", "group", "unit"),
    [
        ("ann", None, "ann"),
        ("ann", "dyad 1", "dyad 1"),
        (None, "dyad 1", "dyad 1"),
        (None, None, None),
        ("ann", "", ""),
    ],
)
def test_what_a_clip_is_kept_together_by_is_its_group_else_its_speaker(
    speaker: str | None, group: str | None, unit: str | None
):
    assert Clip("a", Path("a"), "joy", speaker=speaker, group=group).unit == unit


# LoadContext


@pytest.mark.parametrize(("weights", "untrained"), [(None, True), (Path("w.pth"), False)])
def test_no_weights_means_untrained(weights: Path | None, untrained: bool):
    assert LoadContext("cpu", weights=weights).untrained is untrained


def test_random_numbers_inside_seeded_come_from_the_seed_alone():
    drawn = []
    for outside in (1, 2):  # whatever the global state
        torch.manual_seed(outside)
        with LoadContext("cpu", seed=7).seeded():
            drawn.append(torch.rand(3).tolist())
    with LoadContext("cpu", seed=8).seeded():
        other = torch.rand(3).tolist()
    assert drawn[0] == drawn[1] != other


def test_seeded_leaves_the_global_random_state_as_it_was():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    with LoadContext("cpu", seed=7).seeded():
        torch.rand(3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seeded_leaves_the_global_random_state_as_it_was_when_a_plugin_fails_inside():
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="broken"), LoadContext("cpu", seed=7).seeded():
        raise RuntimeError("broken")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seeded_on_the_cpu_does_not_reseed_the_gpus(monkeypatch: pytest.MonkeyPatch):
    reseeded: list[int] = []
    monkeypatch.setattr(
        torch.cuda, "manual_seed_all", reseeded.append
    )  # what torch.manual_seed calls where there are GPUs
    with LoadContext("cpu", seed=7).seeded():
        torch.rand(3)
    assert reseeded == []
