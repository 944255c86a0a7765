"""A run over many jobs: embeddings first and once, a failed job recorded while the rest go on,
memory bounded.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from nverbench.pipeline import embeddings
from nverbench.results.store import read_result

CLIPS = 48


def grid(world: Any, *words: object) -> Any:
    """Two backbones under two fusions each."""
    world.backbones = [world.backbone("tiny-spectrum"), world.backbone("tiny-other")]
    (world.root / "grid.yaml").write_text(
        "entries: [{name: both, backbones: [[tiny-spectrum], [tiny-other]], fusions: [tiny-linear,"
        " tiny-wide], datasets: [tiny-bursts], protocol: quick}]"
    )
    return world.run(
        "run",
        "--dataset",
        "tiny-bursts",
        "--registry",
        "tiny.yaml",
        "--registry",
        "grid.yaml",
        "--fusion",
        "tiny-linear",
        "--fusion",
        "tiny-wide",
        *words,
    )


def failures(world: Any) -> list[Any]:
    return [
        json.loads(path.read_text())
        for path in sorted((world.root / "nverbench-runs" / "failures").glob("*.json"))
    ]


def test_every_embedding_is_made_before_the_first_training(world: Any) -> None:
    heard: list[int] = []
    build = world.fusions[0].build

    def spied(dims: tuple[int, ...], classes: int) -> Any:
        heard.append(world.passes)
        return build(dims, classes)

    world.fusions = [replace(f, build=spied) for f in world.fusions]
    assert grid(world).code == 0
    assert set(heard) == {2 * CLIPS}


def test_each_backbone_hears_each_clip_once_however_many_fusions_there_are(world: Any) -> None:
    grid(world)
    assert world.passes == 2 * CLIPS


def test_embeddings_given_up_for_memory_are_read_again_and_results_say_what_they_cost(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "MOST_BYTES", 1)
    grid(world)
    assert world.passes == 2 * CLIPS
    assert {
        passes
        for path in world.results
        for passes in read_result(path).counts.forward_passes.values()
    } == {CLIPS}


def test_a_backbone_that_cannot_embed_fails_its_jobs_once_each_and_no_other(world: Any) -> None:
    calls: list[int] = []

    def load(ctx: Any) -> Any:
        calls.append(1)
        raise RuntimeError("no weights in it")

    world.backbones = [world.backbone("tiny-spectrum"), world.backbone("tiny-broken", load=load)]
    (world.root / "grid.yaml").write_text(
        "entries: [{name: both, backbones: [[tiny-spectrum], [tiny-broken]], fusions:"
        " [tiny-linear], datasets: [tiny-bursts], protocol: quick}, {name: more, backbones:"
        " [[tiny-broken]], fusions: [tiny-wide], datasets: [tiny-bursts], protocol: quick}]"
    )
    ran = world.run(
        "run", "--dataset", "tiny-bursts", "--registry", "tiny.yaml", "--registry", "grid.yaml"
    )
    assert (ran.code, len(calls)) == (1, 1)
    assert len(failures(world)) == 2
    assert all("no weights in it" in failure["reason"] for failure in failures(world))
    assert "2 failed" in ran.err


def test_a_failed_job_is_recorded_with_its_reason_until_it_finishes(world: Any) -> None:
    words = ("--protocol", "quick")
    assert world.job(*words, fusion="tiny-broken").code == 1
    (failure,) = failures(world)
    assert "the stranger forgot something" in failure["reason"]
    assert not failure["users_mistake"]
    world.fusions = [replace(f, build=world.fusions[0].build) for f in world.fusions]  # mended
    assert world.job(*words, fusion="tiny-broken").code == 0
    assert failures(world) == []


def test_the_same_backbone_twice_is_heard_once_and_counted_once(world: Any) -> None:
    twice = (
        "run",
        "--backbone",
        "tiny-spectrum",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "tiny-bursts",
    )
    (record,) = world.run(
        *twice, "--protocol", "quick", "--registry", "tiny.yaml", "--json"
    ).records
    assert list(record["counts"]["forward_passes"].values()) == [CLIPS, 0]
    assert world.passes == CLIPS
