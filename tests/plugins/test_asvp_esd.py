"""ASVP-ESD: the first seven fields of a name are read strictly, speech is no part of it, and clips
lie at any depth.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip, Dataset, Misfit
from nverbench_datasets.asvp_esd import (
    ASVP_ESD,
    ASVP_ESD_12,
    ASVP_ESD_BABIES,
    EMOTIONS,
    TWELVE,
    parse,
    sample,
)
from nverbench_datasets.named_files import Said

ALL = (ASVP_ESD, ASVP_ESD_12, ASVP_ESD_BABIES)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    sample(tmp_path)
    return tmp_path


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")


def test_the_counts_are_the_published_ones():
    assert tuple(ASVP_ESD_BABIES.counts.values()) == (
        450,
        284,
        1255,
        2143,
        389,
        1010,
        709,
        1094,
        131,
        330,
        780,
        77,
        172,
    )
    assert set(EMOTIONS) - set(TWELVE) == {"breath"}
    assert {dataset.corpus for dataset in ALL} == {"asvp-esd"}


@pytest.mark.parametrize("last", ["01", "02", "77", "x", "02-77"])
def test_an_actor_is_one_unit_whatever_the_source(tree: Path, last: str):
    put(tree / "Audio" / "actor_01" / f"03-02-05-01-01-01-02-{last}.wav")
    (angry,) = (clip for clip in ASVP_ESD.load(tree) if clip.label == "angry")
    assert angry.unit == "01"


def test_the_stray_emotion_17_is_named_so(tree: Path):
    put(tree / "Audio" / "actor_01" / "03-02-17-01-01-01-02-01-01.wav")
    (misfit,) = (item for item in ASVP_ESD.load(tree) if isinstance(item, Misfit))
    assert misfit.path == "Audio/actor_01/03-02-17-01-01-01-02-01-01.wav"
    assert "emotion 17 is not one of 01 to 13" in misfit.reason


@pytest.mark.parametrize("dataset", ALL, ids=lambda d: d.name)
def test_speech_is_passed_over_without_a_word(tree: Path, dataset: Dataset):
    put(tree / "Audio" / "actor_03" / "03-01-17-01-01-03-02-01-01.wav")
    items = list(dataset.load(tree))
    assert all(isinstance(item, Clip) and item.path.name[3:5] == "02" for item in items)


@pytest.mark.parametrize("below", ["", "more/deeper"])
def test_clips_may_lie_at_any_depth_of_audio(tree: Path, below: str):
    put(tree / "Audio" / below / "03-02-05-01-01-09-02-01-01.wav")
    (angry,) = (clip for clip in ASVP_ESD.load(tree) if clip.label == "angry")
    assert angry.id == "/".join(filter(None, ("Audio", below, "03-02-05-01-01-09-02-01-01")))


def test_a_link_that_leads_back_up_is_named_and_ends(tree: Path):
    (tree / "Audio" / "actor_01" / "again").symlink_to(tree / "Audio")
    misfits = [item for item in ASVP_ESD.load(tree) if isinstance(item, Misfit)]
    assert misfits == [
        Misfit("Audio/actor_01/again", "a link to a folder that it lies in; remove the link")
    ]


@given(
    st.sampled_from([3, 3, 3, 1]),
    st.sampled_from([1, 2, 2, 3]),
    st.integers(0, 20),
    st.integers(1, 999),
    st.lists(st.sampled_from(["01", "02", "66", "77"]), max_size=7),
)
def test_the_first_seven_fields_decide_and_eight_to_twelve_are_read(
    modality: int, channel: int, emotion: int, actor: int, rest: list[str]
):
    stem = "-".join(
        [
            f"{modality:02d}",
            f"{channel:02d}",
            f"{emotion:02d}",
            "01",
            "01",
            f"{actor:02d}",
            "02",
            *rest,
        ]
    )
    said = parse(f"{stem}.wav", "Audio")
    fits = modality == 3 and 1 <= len(rest) <= 5
    if fits and channel == 2 and 1 <= emotion <= 13:
        assert said == Said(
            f"Audio/{stem}",
            EMOTIONS[emotion - 1],
            f"{actor:02d}",
            facts={"sex": "female" if actor % 2 else "male", "age": "20 to 64"},
        )
    elif fits and channel == 1:
        assert said is None
    else:
        assert isinstance(said, str)
