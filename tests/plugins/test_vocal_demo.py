"""vocal-demo: the same bytes every time, complete, short, audible; hard enough to be worth a
benchmark, easy enough to learn.
"""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nverbench import Clip, DatasetError, Misfit
from nverbench_datasets import vocal_demo
from nverbench_datasets.file_listing import of_the_system
from nverbench_datasets.vocal_demo import LABELS, NAME, SPEAKERS, VOCAL_DEMO, synthesise


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("vocal-demo")
    vocal_demo.make(root)
    return root


@pytest.fixture(scope="module")
def clips(corpus: Path) -> list[Clip]:
    items = list(VOCAL_DEMO.load(corpus))
    assert not [item for item in items if isinstance(item, Misfit)]
    return items


def digests(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def samples(path: Path) -> np.ndarray:
    """(s,) in -1 to 1."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 2, 1)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def test_two_makes_give_the_same_bytes(corpus: Path, tmp_path: Path):
    vocal_demo.make(tmp_path)
    assert digests(tmp_path) == digests(corpus)


def test_the_sample_is_a_part_of_the_corpus(corpus: Path, tmp_path: Path):
    vocal_demo.sample(tmp_path)
    part = digests(tmp_path)
    assert part.items() <= digests(corpus).items()
    assert {item.speaker for item in VOCAL_DEMO.load(tmp_path)} == {"spk03", "spk08"}


def test_a_clip_depends_on_its_name_alone_and_not_on_global_random_state():
    first = synthesise("spk04", "laugh")
    np.random.default_rng(1).random(7)
    assert synthesise("spk04", "laugh").tobytes() == first.tobytes()
    assert synthesise("spk05", "laugh").tobytes() != first.tobytes()


def test_every_speaker_gives_every_class(clips: list[Clip]):
    assert {(c.speaker, c.label) for c in clips} == {
        (s, label) for s in SPEAKERS for label in LABELS
    }


def test_there_are_as_many_clips_of_each_class_as_declared(clips: list[Clip]):
    assert (
        {label: sum(c.label == label for c in clips) for label in LABELS}
        == dict(VOCAL_DEMO.counts)
        == dict.fromkeys(LABELS, 10)
    )


def test_no_two_clips_are_the_same(corpus: Path):
    found = digests(corpus)
    assert len(set(found.values())) == len(found) == 61  # README.txt is one


def test_every_clip_is_short_audible_and_not_clipped(clips: list[Clip]):
    waves = {c.id: samples(c.path) for c in clips}
    assert {i for i, w in waves.items() if not 0.5 <= len(w) / 16000 < 1.98} == set()
    assert {i for i, w in waves.items() if not 0.1 < np.abs(w).max() < 1} == set()
    assert {i for i, w in waves.items() if np.sqrt((w**2).mean()) < 0.003} == set()
    assert {i for i, w in waves.items() if abs(w.mean()) > 0.02} == set()


def share_above(wave_: np.ndarray, hertz: float) -> float:
    """Share of the energy above a frequency."""
    power = np.abs(np.fft.rfft(wave_)) ** 2
    return float(power[int(hertz * len(wave_) / 16000) :].sum() / power.sum())


def mean_share(clips: list[Clip], label: str, hertz: float) -> float:
    return float(np.mean([share_above(samples(c.path), hertz) for c in clips if c.label == label]))


@pytest.mark.parametrize(
    ("brighter", "darker"), [("scream", "growl"), ("scream", "sigh"), ("gasp", "growl")]
)
def test_the_classes_differ_in_brightness_as_bodies_do(
    clips: list[Clip], brighter: str, darker: str
):
    assert mean_share(clips, brighter, 1000) > mean_share(clips, darker, 1000)


def test_a_gasp_is_shorter_than_a_cry(clips: list[Clip]):
    seconds = {
        label: np.mean([len(samples(c.path)) for c in clips if c.label == label])
        for label in ("gasp", "cry")
    }
    assert seconds["gasp"] < seconds["cry"]


def log_mel_statistics(path: Path) -> np.ndarray:
    """(80,): mean and standard deviation over time of 40 log-mel bands."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)
    low, mid, high, bins = (
        edges[:-2, None],
        edges[1:-1, None],
        edges[2:, None],
        np.arange(257) * 16000 / 512,
    )
    bank = np.clip(
        np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None
    )  # (40, 257)
    frames = np.lib.stride_tricks.sliding_window_view(samples(path), 400)[::160] * np.hanning(400)
    bands = np.log(np.abs(np.fft.rfft(frames, 512)) ** 2 @ bank.T + 1e-8)  # (t, 40)
    return np.concatenate([bands.mean(0), bands.std(0)])


def test_a_linear_classifier_learns_the_classes_across_speakers_but_not_perfectly(
    clips: list[Clip],
):
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.stack([log_mel_statistics(c.path) for c in clips])
    truth = np.array([c.label for c in clips])
    model = make_pipeline(StandardScaler(), linear_model.LogisticRegression(max_iter=2000))
    predicted = cross_val_predict(
        model, rows, truth, groups=[c.speaker for c in clips], cv=GroupKFold(5)
    )
    assert 0.65 < (predicted == truth).mean() < 0.92  # chance is 1/6


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "spk01/notes.txt",
        "spk11/laugh.wav",
        "spk01/laugh_3.wav",
        "spk01/deep/laugh.wav",
        "laugh.wav",
    ],
)
def test_a_file_that_is_no_clip_is_a_misfit(tmp_path: Path, name: str):
    for file in ("spk01/laugh.wav", "README.txt", name):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    items = list(VOCAL_DEMO.load(tmp_path))
    assert [item.path for item in items if isinstance(item, Misfit)] == [name]
    assert len(items) == 2


@given(
    st.text(
        alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=30,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_other_name_is_a_misfit_or_hidden(tmp_path: Path, name: str):
    folder = tmp_path / hashlib.sha256(name.encode()).hexdigest()[:16]
    (folder / "spk01").mkdir(parents=True, exist_ok=True)
    (folder / "spk01" / "cry.wav").touch()
    if name not in (".", "..", "cry.wav"):
        (folder / "spk01" / name).touch()
    misfits = [item.path for item in VOCAL_DEMO.load(folder) if isinstance(item, Misfit)]
    passed_over = name.startswith(".") or of_the_system(name)
    expected = [] if passed_over or NAME.fullmatch(f"spk01/{name}") else [f"spk01/{name}"]
    assert misfits == expected


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_folder_without_a_clip_is_refused(tmp_path: Path, kind: str):
    with pytest.raises(DatasetError, match=r"expected .*spkNN/CLASS\.wav"):
        list(VOCAL_DEMO.load(tmp_path / "missing" if kind == "missing" else tmp_path))
