"""vocal-demo: a procedural corpus of synthetic vocal bursts, so that the whole harness runs on a
fresh, offline install.

Ten synthetic speakers, six classes, one take: 60 clips of 16 kHz PCM16 (``spk01/laugh.wav``). A
control and a teaching aid: a score on it says that the pipeline works, nothing about people.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, Source
from nverbench_datasets.file_listing import entries, shown, walk, why_unreadable
from nverbench_datasets.source_filter import RATE, Voice, render
from nverbench_datasets.vocal_gestures import GESTURES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 20230102
LABELS = tuple(GESTURES)
# f0 in Hz, tract in cm: from a low male voice to a high female one; the rest makes each speaker
# recognisable (ours).
SPEAKERS = {
    "spk01": Voice(f0=85, tract=18.0, breathiness=0.02, tempo=0.9, tilt=-0.5, floor=42),
    "spk02": Voice(f0=105, tract=17.4, breathiness=0.10, tempo=1.1, tilt=0.6, floor=55),
    "spk03": Voice(f0=120, tract=16.9, breathiness=0.04, tempo=1.0, tilt=0.0, floor=36),
    "spk04": Voice(f0=140, tract=16.4, breathiness=0.15, tempo=0.9, tilt=-0.8, floor=60),
    "spk05": Voice(f0=165, tract=15.8, breathiness=0.01, tempo=1.2, tilt=0.8, floor=45),
    "spk06": Voice(f0=185, tract=15.2, breathiness=0.08, tempo=1.0, tilt=-0.3, floor=33),
    "spk07": Voice(f0=205, tract=14.7, breathiness=0.18, tempo=0.8, tilt=0.3, floor=50),
    "spk08": Voice(f0=230, tract=14.2, breathiness=0.03, tempo=1.1, tilt=-0.6, floor=40),
    "spk09": Voice(f0=260, tract=13.7, breathiness=0.12, tempo=1.0, tilt=0.9, floor=58),
    "spk10": Voice(f0=300, tract=13.2, breathiness=0.06, tempo=1.2, tilt=-0.1, floor=38),
}
NAME = re.compile(rf"({'|'.join(SPEAKERS)})/({'|'.join(LABELS)})\.wav")
README = f"""vocal-demo: 60 synthetic vocal bursts ({", ".join(LABELS)}) by 10 synthetic speakers.

No person speaks here: every clip is computed by a source-filter synthesiser (nverbench_datasets/source_filter.py, seed {SEED}).
16 kHz, 16 bit, mono; SPEAKER/CLASS.wav. Apache-2.0. A control for testing a pipeline, not a result about people.
"""


def make(root: Path) -> None:
    """Writes the corpus into the folder ``root``: 60 clips and a README.txt, the same bytes every
    time.
    """
    _write(root, tuple(SPEAKERS))


def sample(root: Path) -> None:
    """Writes the clips of two of the ten speakers."""
    _write(root, ("spk03", "spk08"))


def load(root: Path) -> Iterator[Clip | Misfit]:
    """Every clip of the corpus, sorted by id, and whatever else lies in its folder.

    Raises:
        DatasetError: the folder holds no clip.
    """
    again = "remove the folder, and it is made again on the next run"
    if not root.is_dir():
        raise DatasetError(
            f"vocal-demo: expected a folder with spkNN/CLASS.wav at {root}, found none; {again}"
        )
    files = list(walk(root, root))
    if not any(isinstance(item, Path) and NAME.fullmatch(shown(item, root)) for item in files):
        raise DatasetError(
            f"vocal-demo: expected spkNN/CLASS.wav in {root}, found {len(entries(root))} entries"
            f" and no clip; {again}"
        )
    for item in files:
        name = item.path if isinstance(item, Misfit) else shown(item, root)
        match = NAME.fullmatch(name)
        if isinstance(item, Misfit):
            yield item
        elif match is None:
            if name != "README.txt":
                yield Misfit(name, "not named spkNN/CLASS.wav as the clips are; remove it")
        elif (reason := why_unreadable(item)) is not None:
            yield Misfit(name, reason)
        else:
            yield Clip(id=name.removesuffix(".wav"), path=item, label=match[2], speaker=match[1])


def synthesise(speaker: str, label: str) -> NDArray[np.int16]:
    """One clip (s,), int16; it depends on its two arguments and the corpus's seed alone."""
    import numpy as np

    rng = np.random.Generator(
        np.random.PCG64([SEED, list(SPEAKERS).index(speaker), LABELS.index(label)])
    )
    clip = render(SPEAKERS[speaker], GESTURES[label](SPEAKERS[speaker], rng), rng)
    return np.round(clip * 32767).astype("<i2")


def _write(root: Path, speakers: tuple[str, ...]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "README.txt").write_text(README, encoding="utf-8", newline="\n")
    for speaker in speakers:
        (root / speaker).mkdir()
        for label in LABELS:
            with wave.open(str(root / speaker / f"{label}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(synthesise(speaker, label).tobytes())


VOCAL_DEMO = Dataset(
    name="vocal-demo",
    corpus="vocal-demo",
    load=load,
    labels=LABELS,
    label_card=LabelCard(
        kind="portrayed",
        setting="synthetic: no person speaks",
        raters="none; the label is the recipe the clip was made by",
        languages="none",
        ages="none",
        consent="not needed: no person speaks",
    ),
    folds=("speaker", "random", "leave-one-group-out"),
    make=make,
    sample=sample,
    sources=(
        Source(
            address="made by nverbench itself, from a seed",
            licence="Apache-2.0",
            how="nothing: it is made on first use",
        ),
    ),
    counts=dict.fromkeys(LABELS, len(SPEAKERS)),
    share="open",
    licence="Apache-2.0 (synthetic)",
)
