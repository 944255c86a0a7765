"""``nverbench figure reno-2``: what the cache holds of a finished result, drawn without another
pass; what is missing names the command.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from nverbench._io import paths


@pytest.fixture
def finished(world: Any) -> str:
    assert world.job().code == 0
    world.passes = 0
    (path,) = world.results
    return str(path.stem)


def test_a_result_is_drawn_from_the_cache_with_its_numbers(world: Any, finished: str) -> None:
    ran = world.run("figure", "reno-2", finished[:8], "-o", "map.svg", "--json")
    assert (ran.code, world.passes) == (0, 0)
    emotion, speaker = json.loads(ran.out)
    assert [(p["by"], p["clips"], p["labels"]) for p in (emotion, speaker)] == [
        ("emotion", 48, 3),
        ("speaker", 48, 8),
    ]
    assert emotion["purity"]["value"] > emotion["purity"]["high"]  # three pitches lie apart
    assert np.isfinite(speaker["silhouette"]["chance"])


def test_a_figure_names_nobody(world: Any, finished: str) -> None:
    assert world.run("figure", "reno-2", finished, "-o", "map.svg").code == 0
    text = (world.root / "map.svg").read_text(encoding="utf-8")
    assert "spk" not in text
    assert "speaker 08" in text


def test_embeddings_that_are_gone_name_the_command_that_makes_them(
    world: Any, finished: str
) -> None:
    shutil.rmtree(paths.embeddings_folder())
    ran = world.run("figure", "reno-2", finished, "-o", "map.png")
    assert ran.code == 2
    assert "48 of 48 clips of tiny-bursts are not in the cache for tiny-spectrum" in ran.err
    assert (
        "this computes them: nverbench run --backbone tiny-spectrum --fusion linear --dataset"
        " tiny-bursts" in ran.err
    )


def test_another_copy_of_the_corpus_is_refused(world: Any, finished: str) -> None:
    (world.corpus / "spk3" / "low-1.wav").unlink()
    ran = world.run("figure", "reno-2", finished, "-o", "map.png")
    assert ran.code == 2
    assert "the copy of tiny-bursts here has digest" in ran.err
