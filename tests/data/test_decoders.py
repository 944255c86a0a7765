"""The decoder of a corpus: found once for each file, and recorded where it is not libsndfile with
the file as it is.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench import registry
from nverbench.cli.common import load_catalog
from nverbench.data import audio
from nverbench.data import corpus as corpora
from nverbench.data.audio import source
from nverbench.data.corpus import Corpus
from nverbench.pipeline.plan import plan
from nverbench.pipeline.selection import Selection
from nverbench_datasets.table import TABLE


def table(folder: Path, suffix: str, start: str = "") -> str:
    """A table of twelve clips of six speakers; returns its name for ``--dataset``."""
    rows = []
    for i in range(12):
        wave = 0.3 * np.sin(np.arange(16_000) * (0.02 + 0.01 * i))
        soundfile.write(folder / f"{i:02d}{suffix}", wave, 16_000)
        rows.append((f"{i:02d}{suffix}", ("laugh", "cry")[i % 2], f"p{i // 2}", start))
    path = folder / f"clips{suffix}{start}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "speaker", "start"), *rows])
    return f"table:{path}"


def loaded(reference: str) -> Corpus:
    return corpora.load_local(TABLE, reference)


def identity(reference: str) -> dict[str, Any]:
    """What the id of a job on these clips is the digest of."""
    chosen = Selection(backbones=("logmel-stats",), fusions=("linear",), datasets=(reference,))
    (job,) = plan(registry.load(), load_catalog(None, None), chosen).jobs
    return dict(job.identity)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_files_that_libsndfile_decodes_as_they_are_have_no_decoder_in_the_identity(
    tmp_path: Path, suffix: str
) -> None:
    reference = table(tmp_path, suffix)
    assert loaded(reference).decoders == ()
    assert "decoders" not in identity(reference)


def test_another_decoder_is_part_of_the_identity(tmp_path: Path) -> None:
    reference = table(tmp_path, ".mp3", "0.25")
    assert loaded(reference).decoders == ("from the start",)
    assert identity(reference)["decoders"] == ["from the start"]


def test_a_file_that_was_seen_before_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = table(tmp_path, ".mp3", "0.25")
    loaded(reference)
    source._WAYS.clear()
    monkeypatch.setattr(source, "_way", lambda path: pytest.fail(f"{path} is read again"))
    assert loaded(reference).decoders == ("from the start",)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    soundfile.write(path, 0.1 * np.ones(4000), 16_000, format="WAV")
    audio.look_up_decoders([path])
    assert audio.decoder(path, 0.1) == ""
    soundfile.write(path, 0.1 * np.ones(4000), 16_000, format="MP3")
    os.utime(path, (1, 1))
    audio.look_up_decoders([path])
    assert audio.decoder(path, 0.1) == "from the start"
