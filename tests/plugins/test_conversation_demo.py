"""conversation-demo: the same bytes every time, the statistics that its constants promise, and one
way only from label to sound.
"""

from __future__ import annotations

import hashlib
import wave
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nverbench import Clip
from nverbench.data import corpus as corpora
from nverbench.data.folds import assign
from nverbench.plugin.options import PartRef
from nverbench_datasets.conversation_demo import CONVERSATION_DEMOS
from nverbench_datasets.conversation_design import (
    ATMOSPHERE,
    BOTH,
    CONVERSATIONS,
    DESIGNS,
    EVIDENCE,
    FEWEST,
    LABELS,
    LONGEST,
    MOST,
    ORDER,
    PLAIN,
    SESSIONS,
    SHORTEST,
    UNSCORED,
    Design,
    Dialogue,
    dialogues,
    marginals,
    transition,
    turns,
)
from nverbench_datasets.conversation_ideal import judge

K = len(LABELS)
DEMO = CONVERSATION_DEMOS[0]
CORPORA = dict(zip(DESIGNS, CONVERSATION_DEMOS, strict=True))
every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("conversation-demo")
    DEMO.make(root)
    return root


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    DEMO.sample(tmp_path)
    return tmp_path


def digests(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@cache
def said(design: Design) -> tuple[Dialogue, ...]:
    return tuple(dialogues(design))


def many(design: Design, dominant: int, conversations: int = 800) -> list[np.ndarray]:
    """The labels of freshly drawn conversations."""
    draws = (np.random.Generator(np.random.PCG64([7, dominant, i])) for i in range(conversations))
    return [np.array([turn.label for turn in turns(design, dominant, rng)]) for rng in draws]


def samples(path: Path) -> np.ndarray:
    """(s,) in -1 to 1."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16000, 1, 1)
        return (np.frombuffer(file.readframes(file.getnframes()), "u1") - 128.0) / 127


# What is made


def test_two_makes_give_the_same_bytes(corpus: Path, tmp_path: Path):
    DEMO.make(tmp_path)
    assert digests(tmp_path) == digests(corpus)


def test_no_two_turns_are_the_same_and_the_corpus_is_small(corpus: Path):
    found = digests(corpus)
    assert len(set(found.values())) == len(found) == 3331 + 2
    assert sum(p.stat().st_size for p in corpus.rglob("*.wav")) < 7e6


def test_the_sample_has_turns_of_the_corpus(corpus: Path, copy: Path):
    part = {name: digest for name, digest in digests(copy).items() if name.endswith(".wav")}
    assert part.items() <= digests(corpus).items()
    assert {c.conversation for c in DEMO.load(copy)} == {
        f"ses{session}/c{number:02d}" for session in (1, 2, 3) for number in (1, 2)
    }


@every_design
def test_there_are_as_many_scored_turns_of_each_label_as_declared(design: Design):
    scored = Counter(LABELS[turn.label] for d in said(design) for turn in d.turns if turn.scored)
    assert scored == dict(CORPORA[design].counts)


def test_the_conversations_have_the_documented_shape():
    assert Counter(d.session for d in said(BOTH)) == dict.fromkeys(
        range(1, SESSIONS + 1), CONVERSATIONS
    )
    assert Counter((d.session, d.dominant) for d in said(BOTH)) == {
        (s, k): CONVERSATIONS / K for s in range(1, SESSIONS + 1) for k in range(K)
    }
    assert {len(d.turns) for d in said(BOTH)} == set(range(FEWEST, MOST + 1))
    assert {turn.hundredths for d in said(BOTH) for turn in d.turns} == set(
        range(SHORTEST, LONGEST + 1)
    )
    assert all({turn.speaker for turn in d.turns} == {"f", "m"} for d in said(BOTH))
    assert all(any(turn.scored for turn in d.turns) for d in said(BOTH))


@pytest.mark.parametrize("design", [ATMOSPHERE, ORDER, PLAIN], ids=lambda d: d.name)
def test_the_four_corpora_differ_in_labels_and_their_evidence_only(design: Design):
    for one, other in zip(said(BOTH), said(design), strict=True):
        for a, b in zip(one.turns, other.turns, strict=True):
            assert (a.scored, a.speaker, a.hundredths) == (b.scored, b.speaker, b.hundredths)
            noise = [np.array(turn.evidence) - EVIDENCE * np.eye(K)[turn.label] for turn in (a, b)]
            np.testing.assert_allclose(*noise, atol=1e-12)


# What the labels do


@every_design
@pytest.mark.parametrize("dominant", range(K))
def test_every_turn_has_the_marginals_and_follows_the_transitions_of_its_conversation(
    design: Design, dominant: int
):
    labels = many(design, dominant)
    expected = marginals(design, dominant)
    np.testing.assert_allclose(expected @ transition(design, dominant), expected, atol=1e-12)
    for place in (0, 3, FEWEST - 1):
        found = np.bincount([conversation[place] for conversation in labels], minlength=K) / len(
            labels
        )
        np.testing.assert_allclose(found, expected, atol=0.06)  # 3.4 standard errors at 1/2
    pairs = np.zeros((K, K))
    for conversation in labels:
        np.add.at(pairs, (conversation[:-1], conversation[1:]), 1)
    seen = pairs.sum(1) > 500
    np.testing.assert_allclose(
        (pairs / pairs.sum(1, keepdims=True))[seen], transition(design, dominant)[seen], atol=0.07
    )


@pytest.mark.parametrize(
    ("design", "share"),
    [(BOTH, 0.548), (ATMOSPHERE, 0.7), (ORDER, 0.25), (PLAIN, 0.25)],
    ids=lambda x: getattr(x, "name", x),
)
def test_a_conversation_has_a_dominant_label_where_there_is_an_atmosphere_and_flat_marginals_elsewhere(
    design: Design, share: float
):
    assert marginals(design, 2)[2] == pytest.approx(share, abs=1e-3)
    if not design.atmosphere:
        np.testing.assert_allclose(marginals(design, 2), 1 / K, atol=1e-12)
    labels = np.array([[turn.label == d.dominant for d in said(design) for turn in d.turns]])
    assert labels.mean() == pytest.approx(share, abs=0.04)


def test_where_there_is_order_alone_a_label_stays_or_goes_on_to_the_next():
    steps = Counter((b.label - a.label) % K for d in said(ORDER) for a, b in pairwise(d.turns))
    assert set(steps) == {0, 1}
    assert steps[1] / steps.total() == pytest.approx(0.5, abs=0.05)


def test_where_there_is_neither_the_label_before_says_nothing():
    labels = np.concatenate(many(PLAIN, 0))
    assert np.corrcoef(np.eye(K)[labels[:-1]].T, np.eye(K)[labels[1:]].T)[:K, K:] == pytest.approx(
        np.zeros((K, K)), abs=0.04
    )


def test_one_turn_in_ten_is_not_scored_whatever_its_label_and_it_sounds_like_its_label():
    unscored = [turn for d in said(BOTH) for turn in d.turns if not turn.scored]
    assert len(unscored) / 3331 == pytest.approx(UNSCORED, abs=0.025)
    by_label = np.bincount([turn.label for turn in unscored], minlength=K)
    assert (
        (by_label - len(unscored) / K) ** 2 / (len(unscored) / K)
    ).sum() < 11.3  # chi-square on 3 degrees of freedom, p = 0.01
    assert np.mean([np.argmax(turn.evidence) == turn.label for turn in unscored]) > 0.45


# What the sound says


def log_mel_means(path: Path) -> np.ndarray:
    """(40,) mean over time of 40 log-mel bands."""
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
    return np.log(np.abs(np.fft.rfft(frames, 512)) ** 2 @ bank.T + 1e-8).mean(0)


def across_sessions(rows: np.ndarray, clips: list[Clip]) -> float:
    """Accuracy of a linear classifier that never heard the session it is tested on."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth = np.array([c.label for c in clips])
    model = make_pipeline(StandardScaler(), linear_model.LogisticRegression(max_iter=2000, C=0.03))
    predicted = cross_val_predict(
        model, rows, truth, groups=[c.group for c in clips], cv=LeaveOneGroupOut()
    )
    return float((predicted == truth).mean())


@pytest.fixture(scope="module")
def scored(corpus: Path) -> list[Clip]:
    return [clip for clip in DEMO.load(corpus) if clip.label is not None]


def test_log_mel_frames_carry_nearly_all_that_one_turn_says(scored: list[Clip]):
    accuracy = across_sessions(np.stack([log_mel_means(c.path) for c in scored]), scored)
    assert judge(BOTH, said(BOTH)).single - 0.05 < accuracy < judge(BOTH, said(BOTH)).single + 0.02


def test_length_level_speaker_and_place_say_nothing_of_the_label(scored: list[Clip]):
    waves = [samples(c.path) for c in scored]
    rows = [
        [len(w), w.std(), abs(w).max(), abs(w.mean()), c.speaker[-1] == "f", c.turn, c.onset]
        for c, w in zip(scored, waves, strict=True)
    ]
    assert across_sessions(np.array(rows, float), scored) < 0.25 + 0.04  # three standard errors


def test_every_turn_is_audible_and_not_clipped(scored: list[Clip]):
    waves = {c.id: samples(c.path) for c in scored}
    assert {i for i, w in waves.items() if not 0.09 < np.sqrt((w**2).mean()) < 0.19} == set()
    assert {i for i, w in waves.items() if np.abs(w).max() >= 1} == set()


# How it is read


def test_turns_come_in_order_with_speaker_session_and_onset(corpus: Path):
    clips = list(DEMO.load(corpus))
    corpora_ = corpora.load(DEMO, PartRef("conversation-demo"), corpus)
    assert (len(clips), len(corpora_.clips), corpora_.partial, corpora_.misfits) == (
        3331,
        2984,
        False,
        (),
    )
    by_conversation: dict[str, list[Clip]] = {}
    for clip in clips:
        by_conversation.setdefault(clip.conversation, []).append(clip)
        assert clip.speaker in (f"{clip.group}f", f"{clip.group}m")
        assert clip.id.startswith(f"{clip.group}/")
    for conversation in by_conversation.values():
        assert [clip.turn for clip in conversation] == list(range(len(conversation)))
        ends = np.cumsum([0.0] + [len(samples(clip.path)) / 16000 for clip in conversation])
        np.testing.assert_allclose([clip.onset for clip in conversation], ends[:-1], atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("leave-one-group-out", [f"ses{n}" for n in range(1, 6)]), ("holdout=ses5", ["ses5"])],
)
def test_sessions_are_left_out_and_no_speaker_or_conversation_is_on_both_sides(
    scored: list[Clip], kind: str, names: list[str]
):
    rows = sorted(scored, key=lambda c: c.id)
    cut = assign.make_folds(rows, kind, k=5, seed=1, inner=None)
    assert [fold.name for fold in cut.folds] == names
    for fold in cut.folds:
        assert not {rows[i].speaker for i in fold.train} & {rows[i].speaker for i in fold.test}
    assert DEMO.folds[0] == "leave-one-group-out"
