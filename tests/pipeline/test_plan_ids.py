"""A job's id: everything that could change a number is in it, nothing else, and no torch is needed
to know it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection


def protocol_seed(bench: Any) -> None:
    rules = dict(bench.rules.protocols)
    rules["nver-1"] = rules["nver-1"].model_copy(update={"seed": 99})
    object.__setattr__(bench.rules, "protocols", rules)


def relabelled(bench: Any) -> None:
    load = bench.parts["datasets"][0].load

    def other(root: Any, *, take: int = 0) -> Any:
        from dataclasses import replace

        return [
            replace(c, label={"x": "y", "y": "x"}[c.label]) if c.speaker == "s0" else c
            for c in load(root)
        ]

    bench.swap("datasets", "toys", load=other)


@pytest.mark.parametrize(
    "asked",
    [
        {"backbones": ("bee",)},
        {"backbones": ("ant:layer=3",)},
        {"fusions": ("head:width=8",)},
        {"losses": ("plain:width=8",)},
        {"datasets": ("demo",)},
        {"datasets": ("toys:take=1",)},
        {"folds": ("random",)},
        {"protocol": "other"},
        {"selection": "test"},
        {"seeds": 2},
        {"dtype": "bfloat16"},
        {"device": "cuda"},
        {"skip_bad": True},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_the_id_changes_with_whatever_is_asked_otherwise(bench: Any, asked: dict[str, Any]) -> None:
    assert bench.only(**asked).id != bench.only().id


@pytest.mark.parametrize(
    "change",
    [
        lambda b: (b.root / "toys" / "s0-x0").write_text("other audio"),
        lambda b: b.swap("datasets", "toys", load=b.write("more", 7)),
        lambda b: b.swap("backbones", "ant", revision="2"),
        relabelled,
        protocol_seed,
    ],
    ids=["audio", "clips", "revision", "labels", "protocol seed"],
)
def test_the_id_changes_with_every_ingredient(bench: Any, change: Callable[[Any], Any]) -> None:
    before = bench.only().id
    change(bench)
    assert bench.only().id != before


def test_the_id_changes_with_the_version_of_a_plugin(bench: Any) -> None:
    asked = Selection(backbones=("ant",), fusions=("head",), datasets=("toys",))
    first, second = (
        plan(bench.rules, bench.catalog(version), asked).jobs[0].id for version in ("1.0", "1.1")
    )
    assert first != second


def test_the_id_changes_with_weights_and_not_with_their_path(bench: Any) -> None:
    def of(name: str, content: str) -> str:
        path = bench.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return str(bench.only(backbones=(f"cow:weights={path}",)).id)

    first = of("a.pth", "one")
    assert of("elsewhere/b.pth", "one") == first
    assert of("c.pth", "two") != first


def test_the_id_changes_with_the_revision_of_a_backbone_that_has_weights(bench: Any) -> None:
    (bench.root / "a.pth").write_text("one")
    before = bench.only(backbones=(f"cow:weights={bench.root}/a.pth",)).id
    bench.swap("backbones", "cow", revision="2")
    assert bench.only(backbones=(f"cow:weights={bench.root}/a.pth",)).id != before


def test_untrained_weights_are_another_job(bench: Any) -> None:
    (bench.root / "a.pth").write_text("one")
    assert (
        bench.only(backbones=("cow",), untrained=True).id
        != bench.only(backbones=(f"cow:weights={bench.root}/a.pth",)).id
    )


@pytest.mark.parametrize("same", ["ant:layer=-1", "ant"])
def test_the_id_does_not_change_with_a_default_that_is_written_out(bench: Any, same: str) -> None:
    assert bench.only(backbones=(same,)).id == bench.only().id


def test_the_id_does_not_change_with_the_folder_of_the_corpus(bench: Any) -> None:
    first = bench.only().id
    (bench.root / "toys").rename(bench.root / "moved")
    bench.swap("datasets", "toys", load=bench.write("toys-again", 6))
    assert bench.only().id == first


def test_the_id_does_not_change_with_the_summary_of_a_protocol(bench: Any) -> None:
    first = bench.only().id
    rules = dict(bench.rules.protocols)
    rules["nver-1"] = rules["nver-1"].model_copy(update={"summary": "other words"})
    object.__setattr__(bench.rules, "protocols", rules)
    assert bench.only().id == first


def test_the_id_changes_with_what_is_left_out_but_its_identity_holds_no_clip_id(bench: Any) -> None:
    ids = []
    for defects in ({}, {"s0/x0": "silent"}, {"s0/x0": "silent", "s1/y2": "silent"}):
        bench.swap("datasets", "toys", defects=defects)
        job = bench.only()
        ids.append(job.id)
        assert "s0/" not in str(job.identity)
        assert bool(job.identity["dataset"]["left_out"]) == bool(defects)
    assert len(set(ids)) == 3


def test_every_held_out_group_is_another_job_but_its_identity_names_none(bench: Any) -> None:
    jobs = [bench.only(folds=(f"holdout=s{i}",)) for i in range(3)]
    assert len({job.id for job in jobs}) == 3
    assert {job.identity["folds"]["kind"] for job in jobs} == {"holdout"}
    assert "holdout=" not in str([job.identity for job in jobs])


SILENT = """
import sys
from nverbench import registry
from nverbench.plugin import discovery as catalog
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
jobs = plan(registry.load(), catalog.discover(), Selection(backbones=("audio-mamba-tiny",), fusions=("reno",))).jobs
print(jobs[0].id, sorted({"torch", "torchaudio", "transformers", "mlflow"} & set(sys.modules)))
"""


def test_an_id_is_known_without_torch_and_is_the_same_in_every_process() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", SILENT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert runs[0].endswith(" []\n")
