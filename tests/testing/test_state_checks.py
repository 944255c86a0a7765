"""What the kit says of backbones that are not deterministic, not frozen, or reach beyond
themselves.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nverbench import Backbone, Encoder, Frames, LoadContext
from nverbench.plugin.process_state import read, restore
from nverbench.testing import ConformanceError, Pass, Subject
from nverbench.testing.process_state import random_states
from support.conformance import CHECKS, assert_fails_only, failures
from support.tiny_backbone import DIM, Tiny, altered, changed, network, tiny_backbone


@pytest.fixture(autouse=True)
def _random_states_put_back() -> Iterator[None]:
    """What a broken backbone does to the random states ends with its test."""
    states = random_states("cpu")
    before = read(states)
    yield
    restore(states, before)


# --- determinism


def another_every_load() -> Backbone:
    loads = count(1)

    def load(ctx: LoadContext) -> Encoder:
        step = 1e-4 * next(loads)
        return altered(
            network(ctx),
            lambda given, waves, lengths: Frames(given.frames * (1 + step), given.lengths),
        )

    return tiny_backbone(load)


def another_every_pass() -> Backbone:
    passes = count(1)
    return tiny_backbone(
        changed(
            lambda given, waves, lengths: Frames(given.frames + 1e-8 * next(passes), given.lengths)
        )
    )


def one_seed_only() -> Backbone:
    return tiny_backbone(
        lambda ctx: altered(
            network(LoadContext(ctx.device, ctx.dtype)), lambda given, waves, lengths: given
        )
    )


def dropping_out() -> Backbone:
    return tiny_backbone(
        changed(
            lambda given, waves, lengths: Frames(
                nn.functional.dropout(given.frames, 0.1), given.lengths
            )
        )
    )


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (another_every_load(), "from two loads with seed 11, got others; draw weights inside"),
        (another_every_pass(), "the same bits when a clip comes twice"),
        (one_seed_only(), "other numbers with seed 12, got the same bits"),
    ],
)
def test_numbers_that_do_not_come_from_clip_and_seed_alone_are_named(
    part: Backbone, words: str
) -> None:
    assert_fails_only(part, {"determinism"}, words)


def test_dropout_that_stays_on_breaks_everything_that_compares() -> None:
    assert {"determinism", "batch-invariance", "stereo", "no-global-state"} <= set(
        failures(dropping_out())
    )


def test_a_weight_left_random_beside_those_that_are_read_is_named(tmp_path: Path) -> None:
    torch.save(Tiny().state_dict(), tmp_path / "tiny.pt")

    def load(ctx: LoadContext) -> Encoder:
        return altered(
            network(ctx),
            lambda given, waves, lengths: Frames(given.frames + 1e-3 * ctx.seed, given.lengths),
        )

    found = failures(tiny_backbone(load), f"tiny:weights={tmp_path / 'tiny.pt'}")
    assert set(found) == {"determinism"}
    assert "leave no weight random" in found["determinism"]


class Counting(Tiny):
    """Keeps count of its passes in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(1))
        self.passes: Tensor

    def forward(self, waves: Tensor, lengths: Tensor) -> Frames:
        self.passes += 1
        return super().forward(waves, lengths)


def with_a_graph(ctx: LoadContext) -> Encoder:
    tiny, scale = network(ctx), [torch.ones(DIM, requires_grad=True)]
    return altered(
        tiny, lambda given, waves, lengths: Frames(given.frames * scale[0], given.lengths)
    )


def counting(ctx: LoadContext) -> Encoder:
    with ctx.seeded():
        tiny = Counting()
    return altered(
        tiny.to(dtype=torch.float64 if ctx.dtype == "float64" else torch.float32)
        .eval()
        .requires_grad_(False),
        lambda given, *_: given,
    )


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            lambda ctx: altered(network(ctx).train(), lambda given, *_: given),
            "expected a network in eval mode",
        ),
        (
            lambda ctx: altered(network(ctx).requires_grad_(True), lambda given, *_: given),
            "no parameter that requires a gradient",
        ),
        (with_a_graph, "frames without a gradient graph"),
        (counting, "the same weights and buffers after a forward pass"),
    ],
)
def test_a_network_that_is_not_frozen_is_named(load: Any, words: str) -> None:
    assert_fails_only(tiny_backbone(load), {"frozen"}, words)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("mischief", "words"),
    [
        (lambda: torch.manual_seed(3), "random state of torch"),
        (lambda: np.random.seed(3), "random state of numpy"),
        (lambda: random.seed(3), "random state of python"),
        (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "number of threads"),
        (lambda: torch.set_float32_matmul_precision("medium"), "precision of products"),
        (lambda: torch.use_deterministic_algorithms(True), "deterministic mode"),
        (lambda: print("loading tiny"), "nothing printed during"),
        (lambda: print("loading tiny", file=sys.stderr), "'loading tiny\\n'"),
        (lambda: os.write(1, b"from C"), "'from C'"),
        (
            lambda: warnings.warn("tiny is old", UserWarning, stacklevel=2),
            "UserWarning: tiny is old",
        ),
    ],
)
@pytest.mark.parametrize("when", ["load", "a forward pass"])
def test_what_reaches_beyond_the_backbone_is_named(mischief: Any, words: str, when: str) -> None:
    def change(given: Frames, waves: Tensor, lengths: Tensor) -> Frames:
        if when != "load":
            mischief()
        return given

    def load(ctx: LoadContext) -> Encoder:
        if when == "load":
            mischief()
        return altered(network(ctx), change)

    found = failures(tiny_backbone(load))
    assert set(found) == {"no-global-state"}
    assert words in found["no-global-state"]
    assert f"{when}," in found["no-global-state"]


def test_a_plugin_that_imports_torch_to_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy = installed(tmp_path, monkeypatch, "heavy_ear", "import torch")
    with pytest.raises(
        ConformanceError,
        match=(
            r"heavy_ear to be listed without heavy imports, got torch; move these imports inside"
            r" load"
        ),
    ):
        CHECKS["lazy-import"].run(heavy)


def test_a_plugin_that_is_quick_to_list_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(
        CHECKS["lazy-import"].run(installed(tmp_path, monkeypatch, "light_ear", "print('hello')")),
        Pass,
    )


def test_a_plugin_that_cannot_be_imported_alone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = installed(
        tmp_path,
        monkeypatch,
        "lost_ear",
        "import sys\nif len(sys.argv) > 2 and sys.argv[1] == 'lost_ear': raise OSError('no ear')",
    )
    with pytest.raises(
        ConformanceError, match="lost_ear to be listed, got OSError: no ear; correct its import"
    ):
        CHECKS["lazy-import"].run(alone)


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, first: str) -> Subject:
    """A plugin's package as an installer leaves it, whose module begins with ``first``."""
    (folder / f"{name}.py").write_text(
        f"{first}\nfrom nverbench import hookimpl\ndef load(ctx): ...\n@hookimpl\ndef"
        " nverbench_backbones(): return []\n"
    )
    (folder / f"{name}-1.dist-info").mkdir()
    (folder / f"{name}-1.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    )
    (folder / f"{name}-1.dist-info" / "entry_points.txt").write_text(
        f"[nverbench]\n{name} = {name}\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return Subject(tiny_backbone(importlib.import_module(name).load))
