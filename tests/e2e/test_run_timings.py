"""What extraction cost stands in every result, and never in its digest."""

from __future__ import annotations

import json
from typing import Any

import pytest


def result_of(world: Any, *words: object) -> dict[str, Any]:
    assert world.job(*words).code == 0
    (path,) = world.results
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_throughput_and_the_busy_share_are_recorded_and_are_no_part_of_the_digest(
    world: Any,
) -> None:
    first, again = result_of(world), result_of(world, "--rerun")
    timings = first["timings"]
    assert timings["clips_per_second"]["tiny-spectrum"] > 1
    assert 0 < timings["busy"]["tiny-spectrum"] <= 1
    assert timings["decoding"]["tiny-spectrum"] > 0
    assert first["counts"]["halvings"] == {"tiny-spectrum": 0}
    assert (
        again["timings"]["clips_per_second"] == again["timings"]["busy"] == {"tiny-spectrum": None}
    )
    assert first["result_digest"] == again["result_digest"]


def test_halvings_are_recorded_and_do_not_change_the_digest(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    plain = result_of(world)
    encode = world.encode

    def narrow(waves: torch.Tensor, lengths: torch.Tensor) -> Any:
        if len(waves) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(waves, lengths)

    monkeypatch.setattr(world, "encode", narrow)
    monkeypatch.setenv("NVERBENCH_HOME", str(world.root / "another"))
    from nverbench._io.state import write_state

    write_state("corpora", "paths", "tiny-bursts", str(world.corpus))
    halved = result_of(world, "--rerun")
    assert halved["counts"]["halvings"] == {"tiny-spectrum": 16}  # 48 clips in batches of three
    assert halved["counts"]["forward_passes"] == {"tiny-spectrum": 48}
    assert halved["result_digest"] == plain["result_digest"]


def test_what_a_backbone_costs_is_still_known_when_everything_comes_from_the_cache(
    world: Any,
) -> None:
    first, again = result_of(world), result_of(world, "--rerun")
    for name in ("embed_per_clip", "real_time_factor"):
        assert first["timings"][name]["tiny-spectrum"] > 0
        assert again["timings"][name] == first["timings"][name]
    assert again["counts"]["forward_passes"] == {"tiny-spectrum": 0}
    assert again["provenance"]["parameters_frozen"] == first["provenance"]["parameters_frozen"]


def test_a_cost_that_was_never_measured_here_is_not_invented(world: Any) -> None:
    from nverbench._io.paths import home

    first = result_of(world)
    (home() / "costs.json").unlink()
    again = result_of(world, "--rerun")
    assert first["timings"]["embed_per_clip"]["tiny-spectrum"] > 0
    assert (
        again["timings"]["embed_per_clip"]
        == again["provenance"]["parameters_frozen"]
        == {"tiny-spectrum": None}
    )
    assert first["result_digest"] == again["result_digest"]
