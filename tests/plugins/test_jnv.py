"""JNV: the folder and the name agree on the speaker, and one of the four speakers is left out at a
time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench.data import corpus as corpora
from nverbench.data.folds import assign
from nverbench.errors import FoldError
from nverbench.plugin.options import PartRef
from nverbench_datasets.jnv import EMOTIONS, JNV, KINDS, SPEAKERS, parse, sample
from nverbench_datasets.named_files import Said


def test_four_speakers_are_left_out_one_at_a_time_and_cannot_fill_five_folds(tmp_path: Path):
    sample(tmp_path)
    clips = list(JNV.load(tmp_path))
    assert [name for name, _ in assign.assign(clips, JNV.folds[0], k=5, seed=1)] == list(SPEAKERS)
    with pytest.raises(FoldError, match="leave-one-group-out and random can"):
        assign.assign(clips, "speaker", k=5, seed=1)


def test_a_copy_with_fewer_clips_than_105_per_speaker_is_said_to_be_partial(tmp_path: Path):
    sample(tmp_path)
    corpus = corpora.load(JNV, PartRef("jnv"), tmp_path)
    assert corpus.partial
    assert corpus.notes == (
        "partial copy: 16 of 420 clips; F1 4 of 105, F2 4 of 105, M1 4 of 105, M2 4 of 105",
        "no clip of disgust, fear, happy, surprise: the classes of this copy are the other 2",
    )


SEX = {"F": {"sex": "female"}, "M": {"sex": "male"}}


@given(
    *(
        st.sampled_from(c)
        for c in ((*SPEAKERS, "F3", "X1"), (*EMOTIONS, "calm"), ("1", "01", "105"), (*KINDS, "X"))
    )
)
def test_only_a_published_speaker_emotion_and_kind_make_a_clip(
    speaker: str, emotion: str, take: str, kind: str
):
    inside = speaker in SPEAKERS and emotion in EMOTIONS and kind in KINDS
    said = parse(f"{speaker}_{emotion}_{take}_{kind}.wav")
    assert (
        said == Said(f"{speaker}_{emotion}_{take}_{kind}", emotion, speaker, facts=SEX[speaker[0]])
        if inside
        else isinstance(said, str)
    )
