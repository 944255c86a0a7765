"""Audio containers of all kinds and faults are decoded as ffmpeg decodes them, or refused in one line:
a sample of benchmarks/reliability/audio_containers.py.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from audio_cases import KINDS, Case, bases, cases
from audio_containers import outcome

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
SAMPLE = 110


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Case]]:
    """Some cases of every kind."""
    every = list(cases(bases(tmp_path_factory.mktemp("audio"), 0, 1), 0, 1))
    chosen = random.Random(0).sample(every, SAMPLE)
    return {kind: [case for case in chosen if case.kind == kind] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_container_is_decoded_as_ffmpeg_does_or_refused(
    made: dict[str, list[Case]], tmp_path: Path, kind: str
):
    found = {case.fault: outcome(case, tmp_path / "case") for case in made[kind]}
    assert {f: o for f, o in found.items() if o[0] not in ("same", "refused")} == {}
