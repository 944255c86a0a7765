"""A planted confound is found with its accuracy; without one the trees stay at chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nverbench import Clip
from nverbench.data.audit import Measured
from nverbench.data.audit.confounds import FACTS, TOGETHER, confounds, is_confound, strongest_fact
from nverbench.data.audit.records import Confound, Confounds
from nverbench.data.clip_facts import ClipFacts
from nverbench.data.folds import assign

K, SEED = 5, 7


def corpus(
    confound: float, speakers: int = 10, takes: int = 8, rate_of: bool = False
) -> tuple[list[Clip], dict[str, Measured]]:
    """Three classes whose clips' duration says the class in a share of the clips; the rest draw
    theirs.
    """
    rng = np.random.default_rng(0)
    clips, measured = [], {}
    for speaker in range(speakers):
        for row, label in enumerate("abc"):
            for take in range(takes):
                name = f"s{speaker}-{label}{take}"
                fact = row if rng.random() < confound else int(rng.integers(3))
                # no file is read
                clips.append(Clip(name, None, label, f"s{speaker}"))  # type: ignore[arg-type]
                measured[name] = Measured(
                    name,
                    seconds=1.0 + fact + 0.1 * rng.random(),
                    rate=44100 if rate_of and speaker % 2 else 16000,
                    channels=1,
                    rms_db=float(rng.normal(-20, 5)),
                    leading=0.0,
                )
    return sorted(clips, key=lambda c: c.id), measured


def found_in(clips: list[Clip], measured: dict[str, Measured]) -> Confounds:
    return confounds(
        clips,
        measured,
        assign.make_folds(clips, "speaker", k=K, seed=SEED, inner=None),
        k=K,
        seed=SEED,
    )


def row(found: Confounds, target: str, feature: str) -> Confound:
    (one,) = [c for c in found.rows if (c.target, c.feature) == (target, feature)]
    return one


@pytest.mark.parametrize(("share", "accuracy"), [(1.0, 1.0), (0.4, 0.6)])
def test_a_duration_that_says_the_label_is_found_with_its_accuracy(share: float, accuracy: float):
    found = found_in(*corpus(share))
    duration = row(found, "label", "duration")
    assert duration.accuracy == pytest.approx(accuracy, abs=0.08)  # share + (1 - share) / 3
    assert duration.z > 4
    assert duration.p == pytest.approx(1 / 21)
    assert duration.null_mean == pytest.approx(1 / 3, abs=0.08)
    assert row(found, "label", TOGETHER).accuracy == pytest.approx(accuracy, abs=0.12)


def test_without_a_confound_every_fact_is_at_chance():
    found = found_in(*corpus(0.0))
    rows = [c for c in found.rows if c.target == "label"]
    assert [c.feature for c in rows] == [*FACTS, TOGETHER]
    assert all(abs(c.accuracy - 1 / 3) < 0.12 for c in rows)
    assert all(c.z is None or abs(c.z) < 4 for c in rows)
    assert found.shuffled == "within speakers"


def test_a_fact_that_never_varies_scores_what_shuffled_labels_score():
    channels = row(found_in(*corpus(1.0)), "label", "channels")
    assert (channels.accuracy, channels.null_mean, channels.z) == (
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
        None,
    )


def test_a_rate_that_says_the_speaker_is_a_remark_on_speakers():
    found = found_in(*corpus(0.0, rate_of=True))
    rate = row(found, "speaker", "sampling rate")
    assert rate.accuracy == pytest.approx(0.2, abs=0.05)  # two of ten told apart
    assert rate.uniform == 0.1
    assert rate.null_mean is None


def test_speakers_with_one_label_each_are_shuffled_among_all_clips():
    clips, measured = corpus(1.0)
    alone = [c for c in clips if c.label == "abc"[int(c.speaker[1:]) % 3]]
    assert found_in(alone, measured).shuffled == "among all clips"


def test_clips_without_a_duration_are_left_out():
    clips, measured = corpus(1.0)
    measured[clips[0].id] = Measured(clips[0].id, reason="cannot be decoded")
    assert found_in(clips, measured).clips == len(clips) - 1


def test_the_same_seed_gives_the_same_rows():
    assert found_in(*corpus(0.3)) == found_in(*corpus(0.3))


def test_no_folds_no_rows():
    clips, measured = corpus(1.0)
    assert confounds(clips, measured, None, k=K, seed=SEED).reason
    nothing = {c.id: Measured(c.id, reason="gone") for c in clips}
    assert found_in(clips, nothing).reason == "too few clips could be decoded"


def levels(
    kind: str, seed: int, relabelled: int = 0, speakers: int = 12
) -> tuple[list[Clip], dict[str, Measured]]:
    """Six clips of each speaker. ``single``: one label and its level for each speaker; ``balanced``:
    each label equally often, and levels of clips (or speakers) at random.
    """
    rng = np.random.default_rng(seed)
    clips, measured = [], {}
    for s in range(speakers):
        own = rng.normal(-24, 6)
        for take in range(6):
            name, label = f"s{s:02d}-{take}", "abc"[take % 3]
            level = own if kind == "speakers" else rng.normal(-24, 6)
            if kind == "single":
                label, level = "ab"[s % 2], (-14, -34)[s % 2] + rng.normal()
                label = "ab"[1 - s % 2] if take == 0 and s < relabelled else label
            clips.append(Clip(name, None, label, f"s{s}"))  # type: ignore[arg-type]
            measured[name] = Measured(
                name, seconds=1.0, rate=16000, channels=1, rms_db=float(level), leading=0.0
            )
    return clips, measured


@pytest.mark.parametrize("relabelled", [0, 1, 3])
def test_a_level_that_follows_speakers_of_one_label_is_found(relabelled: int):
    level = row(found_in(*levels("single", 0, relabelled)), "label", "level")
    assert is_confound(level)
    assert level.shuffled == "among all clips"
    assert level.accuracy > 0.9


@pytest.mark.parametrize("kind", ["clips", "speakers"])
def test_random_levels_of_a_balanced_corpus_are_no_confound(kind: str):
    alarms = 0
    for seed in range(10):
        alarms += any(is_confound(r) for r in found_in(*levels(kind, seed)).rows)
    assert alarms <= 1


def test_a_run_names_the_fact_that_predicts_the_label():
    clips, measured = levels("single", 0, 1)
    facts = {
        name: ClipFacts(None, m.seconds or 0, m.rate or 0, 1, m.rms_db or 0)
        for name, m in measured.items()
    }
    cut = assign.make_folds(clips, "speaker", k=K, seed=SEED, inner=None)
    found = strongest_fact(clips, facts, cut)
    assert found is not None
    assert (found.feature, found.accuracy > 0.9) == ("level", True)
    clips, measured = levels("clips", 0)
    facts = {name: replace(facts[name], level=m.rms_db or 0) for name, m in measured.items()}
    cut = assign.make_folds(clips, "speaker", k=K, seed=SEED, inner=None)
    assert strongest_fact(clips, facts, cut) is None
