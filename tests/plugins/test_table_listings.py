"""What people already have is read through ``table:``: audiofolder, Kaldi, audformat and EmoBox
folders; dialogues; and the options that name columns.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nverbench import Clip, Dataset, DatasetError, Note, UsageError
from nverbench.data import corpus as corpora
from nverbench.plugin.options import resolve
from nverbench_datasets.table import DIALOGUES, TABLE


def tree(root: Path, **texts: str) -> Path:
    """Four audio files under ``wavs``, and files of text; ``__`` in a name is a dot."""
    for name in ("a", "b", "c", "d"):
        (root / "wavs").mkdir(parents=True, exist_ok=True)
        (root / "wavs" / f"{name}.wav").write_bytes(name.encode())
    for name, text in texts.items():
        (root / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return root


def loaded(text: str, dataset: Dataset = TABLE) -> tuple[list[Clip], list[str]]:
    """The clips and the notes that a reference stands for."""
    items = list(dataset.load(None, **resolve(dataset, text).full))
    notes = [item.text for item in items if isinstance(item, Note)]
    return [item for item in items if isinstance(item, Clip)], notes


def refused(text: str, dataset: Dataset = TABLE) -> str:
    with pytest.raises(DatasetError) as error:
        loaded(text, dataset)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def summary(clips: list[Clip]) -> list[tuple[str, str | None, str | None]]:
    return [(clip.id, clip.label, clip.speaker) for clip in clips]


# options


def test_options_name_columns(tmp_path: Path) -> None:
    tree(tmp_path, t__csv="recording,mood,who\nwavs/a.wav,x,s\nwavs/b.wav,y,t\n")
    text = f"table:{tmp_path / 't.csv'},path=recording,label=mood,speaker=who"
    assert summary(loaded(text)[0]) == [("wavs/a.wav", "x", "s"), ("wavs/b.wav", "y", "t")]


@pytest.mark.parametrize("form", ["table:{}", "table:path={}", "table:table={}"])
def test_the_table_can_be_given_by_name(tmp_path: Path, form: str) -> None:
    tree(tmp_path, t__csv="path,label\nwavs/a.wav,x\nwavs/b.wav,y\n")
    assert len(loaded(form.format(tmp_path / "t.csv"))[0]) == 2


def test_no_option_enters_the_identity_of_a_result(tmp_path: Path) -> None:
    plain = resolve(TABLE, "table:t.csv").identity()
    assert plain == {"name": "table", "options": {}, "untrained": False}
    text = "table:t.csv,path=a,label=b,speaker=c,group=d,split=e,id=f,start=g,end=h,sep=tab"
    assert resolve(TABLE, text).identity() == plain


def test_a_folder_whose_name_looks_like_an_option_is_written_with_a_dot(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write table:\./run=3/t\.csv"):
        resolve(TABLE, "table:run=3/t.csv")
    assert resolve(TABLE, "table:./run=3/t.csv").full["table"] == "./run=3/t.csv"


def test_a_wrong_option_is_no_path() -> None:
    with pytest.raises(UsageError) as error:
        resolve(TABLE, "table:t.csv,lable=emotion")
    assert "write table:./" not in str(error.value)


def test_a_table_is_needed() -> None:
    with pytest.raises(UsageError, match=r"write table:FILE\.csv"):
        loaded("table")


# paths


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("wavs/a.wav\u200b", "wavs/a.wav"),
        ("\ufeffwavs/a.wav", "wavs/a.wav"),
        ("wavs/a.wav\u00a0", "wavs/a.wav"),
        ("wavs\\a.wav", "wavs/a.wav"),
    ],
)
def test_invisible_characters_at_the_ends_of_a_path_do_not_matter(
    tmp_path: Path, written: str, name: str
) -> None:
    tree(tmp_path, t__csv=f"path,label\nwavs/b.wav,y\n{written},x\n")
    assert loaded(f"table:{tmp_path / 't.csv'}")[0][1].id == name


@pytest.mark.parametrize(("disk", "written"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_accents_of_a_path_are_found_in_either_form(
    tmp_path: Path, disk: str, written: str
) -> None:
    (tmp_path / f"{disk}.wav").write_bytes(b"x")
    tree(tmp_path, t__csv=f"path,label\n{written}.wav,x\nwavs/a.wav,y\n")
    clip = loaded(f"table:{tmp_path / 't.csv'}")[0][0]
    assert (clip.id, clip.path) == ("\u00e9.wav", tmp_path / f"{disk}.wav")


# listings


def test_an_audiofolder_is_read(tmp_path: Path) -> None:
    tree(tmp_path, metadata__csv="file_name,label,speaker_id\nwavs/a.wav,x,s\nwavs/b.wav,y,t\n")
    assert summary(loaded(f"table:{tmp_path}")[0]) == [
        ("wavs/a.wav", "x", "s"),
        ("wavs/b.wav", "y", "t"),
    ]


def test_an_audiofolder_of_json_lines_is_read(tmp_path: Path) -> None:
    lines = [{"file_name": f"wavs/{n}.wav", "emotion": n, "text": "..."} for n in "ab"]
    tree(tmp_path, metadata__jsonl="\n".join(map(json.dumps, lines)))
    clips, notes = loaded(f"table:{tmp_path}")
    assert summary(clips) == [("wavs/a.wav", "a", None), ("wavs/b.wav", "b", None)]
    assert notes == ["column text is not used (speaker=COLUMN names the speakers)"]


KALDI = {
    "wav__scp": "u1 wavs/a.wav\nu2 wavs/b.wav\n",
    "utt2spk": "u1 s\nu2\tt\n",
    "utt2emo": "u1 laugh\nu2 cry\n",
}


@pytest.mark.parametrize("labels", ["utt2emo", "utt2label"])
def test_a_kaldi_folder_is_read(tmp_path: Path, labels: str) -> None:
    files = {labels if name == "utt2emo" else name: text for name, text in KALDI.items()}
    tree(tmp_path, **files)
    clips, _ = loaded(f"table:{tmp_path}")
    assert summary(clips) == [("u1", "laugh", "s"), ("u2", "cry", "t")]
    assert clips[0].path == tmp_path / "wavs/a.wav"


def test_kaldi_segments_are_clips(tmp_path: Path) -> None:
    segments = {"wav__scp": "r wavs/a.wav\n", "segments": "u1 r 0.5 1.25\nu2 r 2 -1\n"}
    tree(tmp_path, **{**KALDI, **segments})
    clips, _ = loaded(f"table:{tmp_path}")
    assert [(c.id, c.start, c.end) for c in clips] == [("u1", 0.5, 1.25), ("u2", 2.0, None)]


KALDI_FAULTS = {
    "a command": ({"wav__scp": "u1 touch hacked |\nu2 wavs/b.wav\n"}, "does not run"),
    "a label that is missing": ({"utt2emo": "u1 laugh\n"}, "u2 has no label"),
    "a speaker that is missing": ({"utt2spk": "u2 t\n"}, "u1 has no speaker"),
    "a key twice": ({"utt2emo": "u1 x\nu1 y\nu2 z\n"}, "'u1' is there twice"),
    "a key without a value": ({"utt2emo": "u1\nu2 z\n"}, "'u1' has no value"),
    "a file that is not there": ({"wav__scp": "u1 no.wav\nu2 wavs/b.wav\n"}, "no.wav (row 1)"),
}


@pytest.mark.parametrize("fault", KALDI_FAULTS)
def test_a_faulty_kaldi_folder_is_refused(tmp_path: Path, fault: str) -> None:
    files, expected = KALDI_FAULTS[fault]
    tree(tmp_path, **{**KALDI, **files})
    assert expected in refused(f"table:{tmp_path}")
    assert not (Path.cwd() / "hacked").exists()


AUDFORMAT = {
    "db__yaml": "name: mine\n",
    "db__emotion__csv": "file,emotion,emotion.confidence\nwavs/a.wav,x,0.9\nwavs/b.wav,y,1.0\n",
    "db__files__csv": "file,duration,speaker\nwavs/b.wav,0 days 00:00:01,11\nwavs/a.wav,0 days 00:00:02,3\n",
}


def test_an_audformat_database_is_read_with_the_speakers_of_its_files(tmp_path: Path) -> None:
    tree(tmp_path, **AUDFORMAT)
    clips, notes = loaded(f"table:{tmp_path}")
    assert summary(clips) == [("wavs/a.wav", "x", "3"), ("wavs/b.wav", "y", "11")]
    assert "speakers are those of db.files.csv" in notes
    assert loaded(f"table:{tmp_path / 'db.emotion.csv'}")[0] == clips


def test_a_multi_index_table_of_audformat_is_read(tmp_path: Path) -> None:
    rows = "wavs/a.wav,0 days,0 days 00:00:00.5,x,s\nwavs/a.wav,0 days 00:00:00.500000,NaT,y,t\n"
    tree(tmp_path, t__csv="file,start,end,emotion,speaker\n" + rows)
    clips, _ = loaded(f"table:{tmp_path / 't.csv'}")
    assert [(c.id, c.start, c.end) for c in clips] == [
        ("wavs/a.wav#0-0.5", 0.0, 0.5),
        ("wavs/a.wav#0.5-", 0.5, None),
    ]


def test_of_several_audformat_tables_one_must_be_named(tmp_path: Path) -> None:
    other = {"db__gold__csv": AUDFORMAT["db__emotion__csv"]}
    tree(tmp_path, **AUDFORMAT, **other)
    assert "db.emotion.csv, db.gold.csv; give one, as table:" in refused(f"table:{tmp_path}")


def emobox(name: str, label: str) -> str:
    return json.dumps({"key": name, "dataset": "d", "wav": f"wavs/{name}.wav", "emo": label})


@pytest.mark.parametrize("form", ["{}.jsonl", "mine_{}_fold_1.jsonl"])
def test_a_fold_of_emobox_is_read_with_its_split(tmp_path: Path, form: str) -> None:
    tree(tmp_path)
    fold = tmp_path / "data" / "mine" / "fold_1"
    fold.mkdir(parents=True)
    (fold / form.format("train")).write_text(emobox("a", "x") + "\n" + emobox("b", "y"))
    (fold / form.format("test")).write_text(emobox("c", "x"))
    clips, _ = loaded(f"table:{fold}")
    assert sorted((c.id, c.label, c.split) for c in clips) == [
        ("wavs/a.wav", "x", "train"),
        ("wavs/b.wav", "y", "train"),
        ("wavs/c.wav", "x", "test"),
    ]


def test_a_folder_without_a_listing_is_refused_and_names_folder(tmp_path: Path) -> None:
    assert f"folder:{tmp_path}" in refused(f"table:{tree(tmp_path)}")


def test_a_folder_with_two_listings_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, **KALDI, metadata__csv="file_name,label\nwavs/a.wav,x\n")
    assert "metadata.csv and wav.scp" in refused(f"table:{tmp_path}")


# dialogues

HEADER = "path,Emotion,Speaker,Dialogue_ID,Utterance_ID\n"
APART = (
    HEADER
    + "wavs/a.wav,joy,s,0,0\nwavs/b.wav,,t,0,1\nwavs/c.wav,sad,u,1,0\nwavs/d.wav,joy,v,1,1.0\n"
)


def test_dialogues_keep_turns_and_context(tmp_path: Path) -> None:
    tree(tmp_path, t__csv=APART)
    corpus = corpora.load_local(DIALOGUES, f"dialogues:{tmp_path / 't.csv'}")
    assert [(c.id, c.conversation, c.turn, c.label) for c in corpus.heard] == [
        ("wavs/a.wav", "0", 0, "joy"),
        ("wavs/b.wav", "0", 1, None),
        ("wavs/c.wav", "1", 0, "sad"),
        ("wavs/d.wav", "1", 1, "joy"),
    ]
    assert [clip.unit for clip in corpus.heard] == ["0", "0", "1", "1"]
    assert corpus.remarks == ()


def test_dialogues_that_share_speakers_are_said_to(tmp_path: Path) -> None:
    tree(tmp_path, t__csv=APART.replace(",u,", ",s,"))
    clips, notes = loaded(f"dialogues:{tmp_path / 't.csv'}", DIALOGUES)
    assert [clip.unit for clip in clips] == ["0", "0", "1", "1"]
    assert "not speaker-independent" in notes[0]


def test_dialogues_that_share_a_speaker_are_one_group(tmp_path: Path) -> None:
    rows = "wavs/a.wav,joy,s,0,0\nwavs/b.wav,sad,s,1,0\nwavs/c.wav,sad,u,2,0\n"
    tree(tmp_path, t__csv=HEADER + rows)
    clips, _ = loaded(f"dialogues:{tmp_path / 't.csv'}", DIALOGUES)
    assert [clip.unit for clip in clips] == ["0", "0", "2"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("wavs/b.wav,sad,t,0,one", "expected the turn as a whole number"),
        ("wavs/b.wav,sad,t,,1", "row 3: expected a conversation"),
        ("wavs/b.wav,sad,t,0,", "row 3: expected a turn"),
        ("wavs/b.wav,Joy,t,0,1", "look like one label"),
    ],
)
def test_a_faulty_turn_is_refused(tmp_path: Path, row: str, expected: str) -> None:
    tree(tmp_path, t__csv=f"{HEADER}wavs/a.wav,joy,s,0,0\n{row}\n")
    assert expected in refused(f"dialogues:{tmp_path / 't.csv'}", DIALOGUES)


def test_a_table_without_conversations_is_no_dialogue(tmp_path: Path) -> None:
    tree(tmp_path, t__csv="path,label\nwavs/a.wav,joy\n")
    assert "conversation and turn missing" in refused(f"dialogues:{tmp_path / 't.csv'}", DIALOGUES)
