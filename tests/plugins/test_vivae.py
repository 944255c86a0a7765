"""VIVAE: each record reads its own set, and the full one knows how many clips each speaker has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Dataset, DatasetError
from nverbench_datasets.named_files import Said
from nverbench_datasets.vivae import INTENSITIES, STATES, VIVAE, VIVAE_CORE, parse, sample


def test_the_counts_are_the_published_ones():
    assert dict(VIVAE.counts) == {
        "achievement": 161,
        "anger": 174,
        "fear": 176,
        "pain": 185,
        "pleasure": 202,
        "surprise": 187,
    }
    assert list(VIVAE.group_counts.items())[:3] == [("S01", 93), ("S02", 101), ("S03", 101)]
    assert VIVAE.group_counts["S11"] == 54
    assert set(VIVAE_CORE.counts.values()) == {80}


@pytest.mark.parametrize(
    ("kept", "dataset", "other"), [("full_set", VIVAE, VIVAE_CORE), ("core_set", VIVAE_CORE, VIVAE)]
)
def test_a_copy_of_one_set_serves_that_set_only(
    tmp_path: Path, kept: str, dataset: Dataset, other: Dataset
):
    sample(tmp_path)
    shutil.rmtree(tmp_path / ({"full_set", "core_set"} - {kept}).pop())
    assert list(dataset.load(tmp_path))
    with pytest.raises(DatasetError, match=r"expected (full|core)_set/S##_STATE_INTENSITY_ID\.wav"):
        list(other.load(tmp_path))


@given(
    st.integers(0, 99),
    st.sampled_from((*STATES, "triumph")),
    st.sampled_from((*INTENSITIES, "loud")),
    st.integers(0, 99),
)
def test_only_a_published_speaker_state_and_intensity_make_a_clip(
    speaker: int, state: str, intensity: str, take: int
):
    inside = 1 <= speaker <= 11 and state in STATES and intensity in INTENSITIES
    stem = f"S{speaker:02d}_{state}_{intensity}_{take:02d}"
    said = parse(f"{stem}.wav")
    assert said == Said(stem, state, stem[:3]) if inside else isinstance(said, str)
