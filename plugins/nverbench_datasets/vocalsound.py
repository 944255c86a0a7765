"""VocalSound: laughs, sighs, coughs, throat clearings, sneezes and sniffs that 3,365 crowd workers
recorded themselves.

Layout, as published: ``audio_16k/f0003_0_cough.wav`` (or ``audio_44k``: the same recordings; sex
and number of the speaker, number of the collection, sound), and the official split in
``datafiles/tr.json``, ``val.json`` and ``te.json``. Without them clips have no split, and only
folds by speaker or at random can be cut. ``meta/all_meta.json`` has rows of speaker, sex, age,
country, native language and health condition.

Counts: the corpus' README says 21,024 files, the paper "over 21,000" in balanced classes; 21,024 is
six times 3,504. The 21,044 that one also reads is not a multiple of six, so the README is followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, Note, Source
from nverbench_datasets.named_files import Layout, Said, read
from nverbench_datasets.speakers import SEX, above, with_facts
from nverbench_datasets.tones import write_tone

SOUNDS = ("laughter", "sigh", "cough", "throatclearing", "sneeze", "sniff")
COLLECTIONS = 3504
"""A collection is one recording of each sound by one speaker; a few of the 3,365 recorded more than
once.
"""
SPLITS = {"train": "tr.json", "valid": "val.json", "test": "te.json"}
NAME = re.compile(r"([fm][0-9]{4})_([0-9]+)_([a-z]+)\.wav")

LAYOUT = Layout(
    title="VocalSound",
    corpus="vocalsound",
    clips="audio_16k/f0003_0_cough.wav (speaker, collection, sound)",
    places=("audio_16k", "audio_44k", ""),
    apart=("audio_16k", "audio_44k"),
)


def parse(name: str, folder: str = "") -> Said | str:
    """What a file name says, or the reason why it says nothing."""
    match = NAME.fullmatch(name)
    if match is None:
        return "not named SPEAKER_COLLECTION_SOUND.wav (f0003_0_cough.wav); rename or remove it"
    speaker, _, sound = match.groups()
    if sound not in SOUNDS:
        return f"sound {sound} is not one of {', '.join(SOUNDS)}; remove it"
    sex = SEX[speaker[0]]
    return Said(id=name.removesuffix(".wav"), label=sound, speaker=speaker, facts=sex)


def load(root: Path) -> Iterator[Clip | Misfit | Note]:
    """Every clip at ``root``: the unpacked download, or the folder of wav files in it.

    Raises:
        DatasetError: ``root`` is neither, or a file of the split cannot be read, or two of them
            name the same clip.
    """
    splits: dict[str, str] | None = None
    clips = read(root, LAYOUT, parse)
    for item in with_facts(clips, root, "meta/all_meta.json", {"age": 2, "language": 4}):
        if not isinstance(item, Clip):
            yield item
            continue
        if splits is None:
            splits = _splits(above(item.path, root, "datafiles"))
        yield replace(item, split=splits.get(item.id))


def sample(root: Path) -> None:
    """Writes 24 clips in the published layout, 6 speakers and 2 sounds, and a split of them by
    speaker.
    """
    parts: dict[str, list[dict[str, str]]] = {split: [] for split in SPLITS}
    for number in range(6):
        speaker = f"{'fm'[number % 2]}{number + 3:04d}"
        for collection in (0, 1):
            for sound in ("laughter", "sigh"):
                name = f"{speaker}_{collection}_{sound}.wav"
                write_tone(
                    root / "audio_16k" / name,
                    90.0 + 12 * number + 20 * collection,
                    falling=sound == "sigh",
                )
                parts["test" if number == 5 else "valid" if number == 4 else "train"].append(
                    {"wav": f"/data/sls/audio_16k/{name}"}
                )
    (root / "datafiles").mkdir()
    for split, file in SPLITS.items():
        (root / "datafiles" / file).write_text(json.dumps({"data": parts[split]}), encoding="utf-8")


def _splits(folder: Path | None) -> dict[str, str]:
    """Clip id -> split, from the files of the official split; empty where there are none."""
    found: dict[str, str] = {}
    for split, file in SPLITS.items() if folder is not None else ():
        path = folder / file
        if not path.is_file():
            continue
        try:
            names = [
                Path(row["wav"]).stem
                for row in json.loads(path.read_text(encoding="utf-8"))["data"]
            ]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise DatasetError(
                f'VocalSound: {path}: expected {{"data": [{{"wav": PATH}}, ...]}}, got {why};'
                f" {LAYOUT.advice}"
            ) from error
        for name in names:
            if found.setdefault(name, split) != split:
                raise DatasetError(
                    f"VocalSound: {path}: clip {name} is also in {SPLITS[found[name]]}; expected"
                    f" one split per clip; {LAYOUT.advice}"
                )
    return found


VOCALSOUND = Dataset(
    name="vocalsound",
    corpus="vocalsound",
    load=load,
    labels=SOUNDS,
    label_card=LabelCard(
        kind="portrayed",
        setting=(
            "elicited: crowd workers recorded each of the six sounds when asked; a label is a kind"
            " of sound, not an emotion"
        ),
        raters="unknown; the label is the sound that was asked for",
        languages="many (the corpus' metadata give each speaker's)",
        ages="18 to 80",
    ),
    folds=("speaker", "official", "random"),
    sample=sample,
    sources=(
        Source(
            address="https://www.dropbox.com/s/c5ace70qh1vbyzb/vs_release_16k.zip?dl=1",
            licence="CC BY-SA 4.0",
        ),
    ),
    rates=(16000, 44100),
    counts=dict.fromkeys(SOUNDS, COLLECTIONS),
    share="open",
    licence="CC BY-SA 4.0",
    citation="""@inproceedings{gong2022vocalsound,
  title = {{VocalSound}: A Dataset for Improving Human Vocal Sounds Recognition},
  author = {Gong, Yuan and Yu, Jin and Glass, James},
  booktitle = {Proc. ICASSP},
  year = {2022},
  doi = {10.1109/ICASSP43922.2022.9746828},
}""",
)
