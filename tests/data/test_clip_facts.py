"""Facts of clips: one decode, remembered, and never of another content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nverbench import Clip
from nverbench.data import clip_facts
from nverbench.data.clip_facts import ClipFacts, facts_of, remembered


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path / "home"))
    tone = np.sin(np.arange(8000) * 0.3)
    for i, gain in enumerate((0.5, 0.05)):
        soundfile.write(tmp_path / f"{i}.wav", gain * tone, 8000)
    soundfile.write(tmp_path / "silent.wav", 0 * tone, 8000)
    (tmp_path / "text.wav").write_text("no audio")
    names = ("0", "1", "silent", "text")
    return [Clip(name, tmp_path / f"{name}.wav", "x") for name in names]


def digests(clips: list[Clip]) -> dict[str, str]:
    return {c.id: hashlib.sha256(c.path.read_bytes()).hexdigest() for c in clips}


def test_length_level_and_rate_are_measured(clips: list[Clip]):
    loud, quiet, silent, text = facts_of(clips, digests(clips)).values()
    assert (loud.seconds, loud.rate, loud.channels, loud.reason) == (1.0, 8000, 1, None)
    assert loud.level - quiet.level == pytest.approx(20, abs=0.1)
    assert "is silent" in str(silent.reason)
    assert "cannot be decoded" in str(text.reason)


def test_a_clip_is_decoded_once(clips: list[Clip], monkeypatch: pytest.MonkeyPatch):
    first = facts_of(clips, digests(clips))
    monkeypatch.setattr(clip_facts, "measure", lambda clip: pytest.fail("decoded again"))
    assert facts_of(clips, digests(clips)) == first
    assert remembered(clips, digests(clips)) == first


def test_another_segment_or_content_is_another_clip(clips: list[Clip]):
    facts_of(clips, digests(clips))
    part = [Clip("0", clips[0].path, "x", start=0.0, end=0.25)]
    assert remembered(part, digests(clips)) == {}
    assert facts_of(part, digests(clips))["0"].seconds == 0.25
    assert remembered(clips[:1], {"0": "f" * 64}) == {}


@pytest.mark.parametrize("content", ["", "no json", "[1]", '{"KEY": [1, 2]}', '{"KEY": 5}'])
def test_a_damaged_memory_counts_as_absent(clips: list[Clip], tmp_path: Path, content: str):
    first = facts_of(clips, digests(clips))
    for path in (tmp_path / "home" / "clips").glob("*.json"):
        key = next(iter(__import__("json").loads(path.read_text())))
        path.write_text(content.replace("KEY", key))
    assert remembered(clips, digests(clips)) == {}
    assert facts_of(clips, digests(clips)) == first


def test_facts_are_plain_values():
    assert ClipFacts() == ClipFacts(None, 0.0, 0, 0, clip_facts.FLOOR_DB, 0.0)
