"""What the published corpora say about their speakers, and that nothing else depends on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nverbench import Clip, Dataset, DatasetError, Note
from nverbench.data import corpus as corpora
from nverbench.data.folds.assign import make_folds
from nverbench.plugin.options import PartRef
from nverbench_datasets import crema_d, mesd, vocalsound
from support.named_corpora import CASES, NAMED, Case

FEMALE, MALE = {"sex": "female"}, {"sex": "male"}
SAYS = {
    ("ravdess", "03-01-06-01-02-01-12.wav"): FEMALE,
    ("ravdess", "03-01-06-01-02-01-11.wav"): MALE,
    ("emodb", "03a01Fa.wav"): {**MALE, "age": "31"},
    ("emodb", "16b10Tb.wav"): {**FEMALE, "age": "31"},
    ("jnv", "F1_angry_00_R.wav"): FEMALE,
    ("jnv", "M2_angry_00_R.wav"): MALE,
    ("mesd", "Anger_F_A_abajo.wav"): {**FEMALE, "age": "adult"},
    ("mesd", "Anger_C_A_abajo.wav"): {"age": "child"},
    ("asvp-esd", "03-02-03-01-01-01-02-01.wav"): {**FEMALE, "age": "20 to 64"},
    ("asvp-esd", "03-02-03-01-01-02-01-01.wav"): {**MALE, "age": "over 65"},
    ("asvp-esd", "03-02-03-01-01-02-04-01.wav"): {"age": "baby"},
    ("asvp-esd", "03-02-03-01-01-01-09-01.wav"): FEMALE,
    ("vocalsound", "m2641_1_cough.wav"): MALE,
    ("vivae", "S11_anger_low_01.wav"): {},
    ("emogator", "000001-01-1.mp3"): {},
    ("donate-a-cry", "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu.wav"): {
        **MALE,
        "age": "0 to 4 weeks",
    },
}
BY_NAME = {case.dataset.name: case for case in NAMED}


@pytest.mark.parametrize(("name", "file"), SAYS)
def test_a_file_name_says_what_its_corpus_publishes(name: str, file: str) -> None:
    said = BY_NAME[name].parse(file, "Audio")
    assert said.facts == SAYS[name, file]


def test_the_sexes_of_a_whole_corpus_are_the_published_ones(tmp_path: Path) -> None:
    iemocap = next(case for case in CASES if case.dataset.name == "iemocap-6")
    iemocap.dataset.sample(tmp_path)
    for clip in clips(iemocap.dataset, tmp_path):
        assert clip.speaker_facts == (FEMALE if str(clip.speaker).endswith("F") else MALE)
    voices = [mesd.parse(f"Anger_{voice}_A_hoy.wav") for voice in "FMC"]
    assert [said.facts["age"] for said in voices] == ["adult", "adult", "child"]


DEMOGRAPHICS = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","x","y"\n'
META = [["f0003", "female", 27, "US", "English", "no"], ["m0004", "male", 40, "IN", "Hindi", "no"]]


def clips(dataset: Dataset, root: Path) -> list[Clip]:
    return [item for item in dataset.load(root) if isinstance(item, Clip)]


@pytest.mark.parametrize("inside", ["", "AudioWAV"])
def test_a_table_of_speakers_in_the_corpus_is_read(tmp_path: Path, inside: str) -> None:
    crema_d.sample(tmp_path)
    (tmp_path / "VideoDemographics.csv").write_text(DEMOGRAPHICS)
    found = {clip.speaker: clip.speaker_facts for clip in clips(crema_d.CREMA_D, tmp_path / inside)}
    assert found["1001"] == {"sex": "Male", "age": "51"}
    assert found["1002"] == {}


@pytest.mark.parametrize("rows", [META, {row[0]: row[1:] for row in META}], ids=["rows", "mapping"])
def test_a_json_file_of_speakers_adds_to_what_names_say(tmp_path: Path, rows: object) -> None:
    vocalsound.sample(tmp_path)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "all_meta.json").write_text(json.dumps(rows))
    found = {c.speaker: c.speaker_facts for c in clips(vocalsound.VOCALSOUND, tmp_path)}
    assert found["m0004"] == {**MALE, "age": "40", "language": "Hindi"}
    assert found["f0005"] == FEMALE


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '["x"]', "ActorID\n1001", "\0", "\udce9"])
def test_a_damaged_table_of_speakers_stops_nothing(tmp_path: Path, damaged: str) -> None:
    for dataset, name in ((crema_d, "VideoDemographics.csv"), (vocalsound, "meta/all_meta.json")):
        part = dataset.CREMA_D if dataset is crema_d else dataset.VOCALSOUND
        root = tmp_path / part.name
        dataset.sample(root)
        whole = clips(part, root)
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(damaged.encode("utf-8", "surrogateescape"))
        items = list(part.load(root))
        assert [item.id for item in items if isinstance(item, Clip)] == [c.id for c in whole]
        notes = [item.text for item in items if isinstance(item, Note)]
        assert all("its facts about speakers are unknown" in note for note in notes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.dataset.name)
def test_facts_enter_no_digest_no_id_and_no_fold(case: Case, tmp_path: Path) -> None:
    case.dataset.sample(tmp_path)

    def plain(root: Path):
        for item in case.dataset.load(root):
            yield replace(item, speaker_facts={}) if isinstance(item, Clip) else item

    with_facts = corpora.load(case.dataset, PartRef(case.dataset.name), tmp_path)
    without = corpora.load(replace(case.dataset, load=plain), PartRef(case.dataset.name), tmp_path)
    assert with_facts.digest == without.digest
    assert [clip.id for clip in with_facts.clips] == [clip.id for clip in without.clips]
    kind = case.dataset.folds[0]
    folds = [make_folds(c.clips, kind, k=2, seed=1, inner=None) for c in (with_facts, without)]
    assert folds[0] == folds[1]


def test_a_clip_with_facts_can_be_a_key_and_facts_are_cleaned_on_the_way(tmp_path: Path) -> None:
    one = Clip("a", tmp_path / "a.wav", "x", speaker_facts={"sex": "f"})
    assert len({one, replace(one, speaker_facts={})}) == 2
    given = {"sex": " female\u200b", "age": "unknown", "language": ""}
    dataset = Dataset(
        name="d",
        load=lambda root: [
            Clip(str(n), file, "ab"[n], speaker_facts=given) for n, file in enumerate(files)
        ],
        label_card=mesd.MESD.label_card,
    )
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for file in files:
        file.write_bytes(b"RIFF")
    corpus = corpora.load(dataset, PartRef("d"), None)
    assert [clip.speaker_facts for clip in corpus.clips] == [{"sex": "female"}] * 2
    given["age"] = 31  # type: ignore[assignment]
    with pytest.raises(DatasetError, match="clip 0: expected speaker_facts as a mapping of texts"):
        corpora.load(dataset, PartRef("d"), None)
