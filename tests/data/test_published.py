"""A copy that differs from the published corpus says in what: classes, sampling rates, lengths and
digest. A copy as published says nothing.
"""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nverbench import Clip, Dataset, LabelCard
from nverbench.data import corpus as corpora
from nverbench.data.corpus import Corpus
from nverbench.plugin.options import PartRef
from nverbench_datasets import nverbench_datasets
from nverbench_datasets.emogator import EMOGATOR_41
from nverbench_datasets.mesd import MESD
from support.named_corpora import CASES, Case

LABELS = ("anger", "joy", "sadness")


def load(root: Path) -> Iterator[Clip]:
    for path in sorted(root.glob("*/*")):
        yield Clip(id=path.stem, path=path, label=path.parent.name, speaker=path.stem[:2])


TINY = Dataset(
    name="tiny",
    corpus="tiny",
    load=load,
    labels=LABELS,
    label_card=LabelCard(kind="portrayed", setting="acted"),
    rates=(16000, 44100),
)


def wave(seconds: float, rate: int, seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=int(seconds * rate))


def written(
    root: Path,
    rate: int = 16000,
    labels: tuple[str, ...] = LABELS,
    each: int = 4,
    suffix: str = "wav",
    same: bool = False,
) -> Path:
    for number in range(each * len(labels)):
        label = labels[number % len(labels)]
        path = root / label / f"s{number % 3}_{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds = 0.2 if same else 0.1 + 0.001 * number
        soundfile.write(path, wave(seconds, rate, number), rate)
    return root


def loaded(root: Path, dataset: Dataset = TINY, **fields: object) -> Corpus:
    return corpora.load(dataset, PartRef(dataset.name, **fields), root)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_copy_at_a_published_rate_says_nothing(tmp_path: Path, suffix: str, rate: int):
    corpus = loaded(written(tmp_path, rate, suffix=suffix))
    assert (corpus.notes, corpus.partial, corpus.labels) == ((), False, LABELS)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_a_copy_at_another_rate_is_partial_and_says_both_rates(tmp_path: Path, suffix: str):
    corpus = loaded(written(tmp_path, 22050, suffix=suffix))
    assert corpus.partial
    assert corpus.notes == (
        "sampling rate 22,050 Hz in 12 clips, published 16,000 or 44,100 Hz: this copy was altered",
    )


@pytest.mark.parametrize("kind", ["wav", "wavex", "rf64", "w64", "aiff"])
def test_the_rate_of_one_file_is_read_whatever_its_container(tmp_path: Path, kind: str):
    written(tmp_path)
    formats = {"wav": "WAV", "wavex": "WAVEX", "rf64": "RF64", "w64": "W64", "aiff": "AIFF"}
    soundfile.write(
        tmp_path / "joy" / "odd.wav",
        wave(0.3, 8000, 1),
        8000,
        format=formats[kind],
        subtype="PCM_24",
    )
    assert [note[:31] for note in loaded(tmp_path).notes] == ["sampling rate 8,000 Hz in 1 cli"]


def test_a_wav_with_chunks_before_its_format_is_read(tmp_path: Path):
    written(tmp_path)
    path = tmp_path / "joy" / "odd.wav"
    soundfile.write(path, wave(0.3, 8000, 1), 8000)
    content = path.read_bytes()
    for size in (3, 5000):  # inside the bytes that are looked at, and beyond them
        junk = b"JUNK" + struct.pack("<I", size) + bytes(size + size % 2)
        path.write_bytes(content[:12] + junk + content[12:])
        assert len(loaded(tmp_path).notes) == 1


@pytest.mark.parametrize("each", [4, 20])
@pytest.mark.parametrize("declared", [None, 0, 0xFFFFFFFF])
def test_one_length_of_many_clips_is_named(tmp_path: Path, each: int, declared: int | None):
    written(tmp_path, each=each, same=True)
    for path in tmp_path.rglob("*.wav"):
        content = bytearray(path.read_bytes())
        if declared is not None:
            content[40:44] = struct.pack("<I", declared)  # as streams have it
        path.write_bytes(content)
    notes = loaded(tmp_path).notes
    cut = "every clip lasts 0.20 s, and the published ones do not: this copy was cut or padded"
    assert notes == ((cut,) if each == 20 else ())


def test_streams_of_different_lengths_are_not_called_equal(tmp_path: Path):
    written(tmp_path, each=20)
    for path in tmp_path.rglob("*.wav"):
        content = bytearray(path.read_bytes())
        content[40:44] = b"\xff\xff\xff\xff"
        path.write_bytes(content)
    assert loaded(tmp_path).notes == ()


def test_a_dataset_without_declared_rates_is_not_looked_into(tmp_path: Path):
    written(tmp_path, 22050, each=20, same=True)
    assert loaded(tmp_path, replace(TINY, rates=())).notes == ()


def test_a_damaged_file_is_no_matter_of_rates(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "joy" / "x1.wav").write_bytes(b"RIFF....WAVE")
    (tmp_path / "joy" / "x2.wav").write_bytes(b"nothing")
    assert loaded(tmp_path).notes == ()


def test_another_digest_than_the_published_one_is_partial(tmp_path: Path):
    digest = loaded(written(tmp_path)).digest
    known = replace(TINY, data_digest=digest)
    assert loaded(tmp_path, known).notes == ()
    path = min(tmp_path.rglob("*.wav"))
    soundfile.write(path, wave(0.1, 16000, 99), 16000)
    [note] = loaded(tmp_path, known).notes
    assert f"published {digest[:12]}: files of this copy were altered" in note
    assert loaded(tmp_path, known, exclude=("joy",)).notes == ()


def test_only_the_classes_found_are_classes_and_the_absent_ones_are_named(tmp_path: Path):
    corpus = loaded(written(tmp_path, labels=("sadness", "anger")))
    assert corpus.labels == ("anger", "sadness")  # in the declared order
    assert corpus.partial
    assert corpus.notes == ("no clip of joy: the classes of this copy are the other 2",)


def test_excluded_classes_are_not_called_absent(tmp_path: Path):
    corpus = loaded(written(tmp_path), exclude=("joy",))
    assert (corpus.labels, corpus.notes) == (("anger", "sadness"), ())


def test_a_copy_of_one_class_is_refused(tmp_path: Path):
    with pytest.raises(corpora.DatasetError, match="at least two classes, found anger"):
        loaded(written(tmp_path, labels=("anger",)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.dataset.name)
def test_the_tiny_tree_of_every_corpus_has_a_published_rate(case: Case, tmp_path: Path):
    case.dataset.sample(tmp_path)
    corpus = corpora.load(case.dataset, PartRef(case.dataset.name), tmp_path)
    assert not [note for note in corpus.notes if "sampling rate" in note]
    found = {label for label, _ in case.clips.values()}
    assert set(corpus.labels) == found - {None}


def test_every_wav_of_an_altered_corpus_is_counted(tmp_path: Path):
    MESD.sample(tmp_path)
    for path in list(tmp_path.iterdir())[:8]:
        samples, _ = soundfile.read(path)
        soundfile.write(path, samples, 44100)
    notes = corpora.load(MESD, PartRef("mesd"), tmp_path).notes
    altered = "sampling rate 44,100 Hz in 8 clips, published 48,000 Hz: this copy was altered"
    assert altered in notes


def test_the_published_rates_are_declared():
    rates = {d.name: d.rates for d in nverbench_datasets() if d.rates}
    assert rates == {
        "donate-a-cry": (8000,),
        "vivae": (44100,),
        "vivae-core": (44100,),
        "vocalsound": (16000, 44100),
        "crema-d": (16000,),
        "emodb": (16000,),
        "mesd": (48000,),
        "ravdess": (48000,),
        "iemocap-6": (16000,),
        "iemocap-4": (16000,),
    }


def test_the_digest_of_emogator_41_is_the_registered_one():
    from nverbench import registry

    assert EMOGATOR_41.data_digest == registry.load().datasets["emogator-41"].digest


def test_the_rates_of_1440_files_are_read_in_half_a_second(tmp_path: Path):
    root = written(tmp_path / "one", each=4)
    for number in range(120):
        shutil.copytree(root, tmp_path / "all" / str(number), copy_function=shutil.copyfile)
    clips = [
        Clip(id=str(path), path=path, label="a")
        for path in sorted((tmp_path / "all").rglob("*.wav"))
    ]
    from nverbench.data import published

    began = time.process_time()
    notes = published.differences(replace(TINY, labels=("a",)), clips, {}, "", ())
    assert (len(clips), notes) == (1440, [])
    assert time.process_time() - began < 0.5
