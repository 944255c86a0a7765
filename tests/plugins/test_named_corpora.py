"""What the name of a clip says, in every corpus: a published name is read, any other is refused in
words; and what each record declares.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nverbench import Clip, DatasetError, Misfit, registry
from nverbench.data.folds import assign
from nverbench_datasets import nverbench_datasets, vocalsound
from nverbench_datasets.conversation_demo import CONVERSATION_DEMOS
from nverbench_datasets.named_files import Said
from support.named_corpora import CASES, NAMED, Case
from support.wrong_names import mutated

MADE = {"vocal-demo", *(dataset.name for dataset in CONVERSATION_DEMOS)}
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.dataset.name)
each_name = pytest.mark.parametrize("case", NAMED, ids=lambda case: case.dataset.name)
GOOD = [
    pytest.param(c, *key, id=f"{c.dataset.name}-{i}") for c in NAMED for i, key in enumerate(c.good)
]
WRONG = [
    pytest.param(c, *key, id=f"{c.dataset.name}-{i}")
    for c in NAMED
    for i, key in enumerate(c.wrong)
]


@pytest.mark.parametrize(("case", "name", "folder"), GOOD)
def test_a_published_name_says_id_label_and_group(case: Case, name: str, folder: str):
    said = case.parse(name, folder)
    assert isinstance(said, Said), said
    assert (said.id, said.label, said.speaker or said.group) == case.good[name, folder]
    assert case.published(name)


@pytest.mark.parametrize(("case", "name", "folder"), WRONG)
def test_a_wrong_name_is_refused_with_its_reason(case: Case, name: str, folder: str):
    said = case.parse(name, folder)
    assert isinstance(said, str)
    assert case.wrong[name, folder] in said


@each_name
@given(data=st.data())
def test_a_name_is_a_clip_only_if_the_published_scheme_has_it(case: Case, data: st.DataObject):
    good, folder = data.draw(st.sampled_from(sorted(case.good)))
    name = data.draw(mutated(good))
    said = case.parse(name, folder)
    assert isinstance(said, Said) <= case.published(name), name
    if isinstance(said, str):
        assert said
        assert "\n" not in said
        assert len(said) < 500
    elif said is not None:
        assert said.label in case.dataset.labels


@each_name
@given(
    name=st.one_of(
        st.text(),
        st.text().map(lambda text: f"{text}.wav"),
        st.text().map(lambda text: f"{text}.mp3"),
    )
)
@example(name="")
@example(name="\x00")
def test_any_text_is_read_or_refused_in_words(case: Case, name: str):
    said = case.parse(name, "")
    assert isinstance(said, str) if not case.published(name) else said is not None


@each
def test_the_counts_sum_to_the_published_total_and_name_every_label(case: Case):
    dataset = case.dataset
    assert sum((dataset.counts or dataset.group_counts).values()) == case.total
    assert not dataset.counts or tuple(dataset.counts) == dataset.labels
    assert not (dataset.counts and dataset.group_counts) or sum(dataset.counts.values()) == sum(
        dataset.group_counts.values()
    )


@each
def test_the_record_says_where_the_corpus_is_had_what_a_label_is_and_whom_to_cite(case: Case):
    dataset, card, source = case.dataset, case.dataset.label_card, case.dataset.sources[0]
    assert source.licence == dataset.licence
    assert card.kind in {"portrayed", "perceived"}
    assert card.setting.split(":")[0] in {"acted", "elicited", "in the wild"}
    assert all((card.raters, card.languages, card.ages, card.consent))
    assert dataset.citation.startswith("@")
    assert dataset.citation.count("{") == dataset.citation.count("}")
    assert (
        f"nverbench data add {dataset.corpus}" in source.how
        if source.how
        else source.address.startswith("https://")
    )


def test_only_what_no_program_can_fetch_says_how_a_person_gets_it():
    by_hand = {case.dataset.corpus for case in CASES if case.dataset.sources[0].how}
    assert by_hand == {"crema-d", "emodb", "iemocap", "mesd"}


def test_a_pin_of_the_registry_has_the_address_revision_and_licence_of_the_record():
    records = {dataset.name: dataset for dataset in nverbench_datasets() if dataset.sources}
    pins = {
        name: (p.source, p.revision, p.licence)
        for name, p in registry.load().datasets.items()
        if name not in MADE
    }
    assert pins == {
        name: (
            records[name].sources[0].address,
            records[name].sources[0].revision,
            records[name].licence,
        )
        for name in pins
    }


def test_every_dataset_with_a_published_layout_has_a_case_and_is_yielded_once():
    names = [dataset.name for dataset in nverbench_datasets()]
    assert len(names) == len(set(names))
    assert set(names) - {case.dataset.name for case in CASES} == {
        "emogator-41",
        "dialogues",
        "folder",
        "table",
        *MADE,
    }


def test_pleasure_of_vivae_is_shown_for_what_it_is_and_keeps_its_name():
    shown = {
        case.dataset.name: dict(case.dataset.display) for case in CASES if case.dataset.display
    }
    care = {"pleasure": "sexual pleasure (portrayed)"}
    assert shown == {"vivae": care, "vivae-core": care}


def test_the_known_unusable_clips_are_named_as_clips_would_be():
    defects = {
        case.dataset.name: list(case.dataset.defects) for case in NAMED if case.dataset.defects
    }
    silent = defects.pop("emogator")
    assert defects == {"crema-d": ["1076_MTI_SAD_XX"]}
    assert (silent[0], len(silent)) == ("000086-04-1", 17)
    assert {clip[:6] for clip in silent[1:]} == {"000160"}
    assert all(
        case.published(f"{clip}.wav") or case.published(f"{clip}.mp3")
        for case in NAMED
        for clip in case.dataset.defects
    )


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    vocalsound.sample(tmp_path)
    return tmp_path


def heard(root: Path) -> list[Clip]:
    return sorted(
        (item for item in vocalsound.load(root) if not isinstance(item, Misfit)), key=lambda c: c.id
    )


@pytest.mark.parametrize("below", ["", "audio_16k"])
def test_vocalsound_gives_the_official_split_and_it_can_be_cut(sounds: Path, below: str):
    found = heard(sounds / below)
    cut = assign.make_folds(found, "official", k=5, seed=1, inner=None)
    assert [sum(c.split == split for c in found) for split in ("train", "valid", "test")] == [
        16,
        4,
        4,
    ]
    assert [[found[i].split for i in fold.test] for fold in cut.folds] == [["test"] * 4]


def test_vocalsound_without_its_split_still_loads_and_says_so_when_cut(sounds: Path):
    shutil.rmtree(sounds / "datafiles")
    assert {c.split for c in heard(sounds)} == {None}
    with pytest.raises(assign.FoldError, match="no official split"):
        assign.make_folds(heard(sounds), "official", k=5, seed=1, inner=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"data": 1}',
        '{"data": [{}]}',
        '{"data": [{"wav": 1}]}',
        "[" * 100_000,
        "\x00",
    ],
)
def test_a_broken_file_of_the_vocalsound_split_is_one_line_that_names_it(sounds: Path, text: str):
    (sounds / "datafiles" / "val.json").write_text(text)
    with pytest.raises(DatasetError, match=r"val\.json: expected") as error:
        list(vocalsound.load(sounds))
    assert "\n" not in str(error.value)


def test_a_vocalsound_clip_in_two_splits_is_refused(sounds: Path):
    (sounds / "datafiles" / "te.json").write_text(
        json.dumps({"data": [{"wav": "f0003_0_sigh.wav"}]})
    )
    with pytest.raises(DatasetError, match=r"te\.json: clip f0003_0_sigh is also in tr\.json"):
        list(vocalsound.load(sounds))
