"""conversation-demo: procedural dialogues in which atmosphere and order have a known strength, so
that a study of context can be checked.

Four datasets of one shape: 5 sessions of two speakers, 300 conversations of 8 to 14 turns of 0.08
to 0.16 s, four labels, one turn in ten not scored. They differ in where the generator put
information (``conversation_design.py``) and in nothing else:

================================  ==========  =====  ========  ====  =====
dataset                           atmosphere  order  one turn  bag   order
================================  ==========  =====  ========  ====  =====
``conversation-demo``             0.35        1      60        65.3  68.9
``conversation-demo-atmosphere``  0.6         0      60        70.4  70.4
``conversation-demo-order``       0           1      60        60.3  73.9
``conversation-demo-plain``       0           0      60        60    60
================================  ==========  =====  ========  ====  =====

On the right, accuracy in % of the ideal observer that sees one turn, all turns as a bag, or all in
their order (``conversation_ideal.expected`` over 4,000 conversations, good to half a point;
``judge`` gives those of this very corpus). A model must gain from context exactly where an observer
does, and shuffling the turns of the training conversations must cost exactly where the last column
exceeds the one before it.

``turns.csv`` has a line per turn, ``sesN/cNN/tNN.wav`` its audio.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, Source
from nverbench_datasets.conversation_design import (
    ATMOSPHERE,
    BOTH,
    DESIGNS,
    LABELS,
    ORDER,
    PLAIN,
    SEED,
    Design,
    Dialogue,
    dialogues,
)
from nverbench_datasets.conversation_sound import RATE, sound
from nverbench_datasets.file_listing import shown, walk, why_unreadable

LISTING = "turns.csv"
HEADER = "turn,speaker,onset,seconds,label"
LINE = re.compile(
    rf"(ses[1-5])/(c[0-9]{{2}})/t([0-9]{{2}}),\1([fm]),([0-9]+\.[0-9]{{2}}),([0-9]\.[0-9]{{2}}),({'|'.join(LABELS)}|-)"
)
HEAD = 44
"""Bytes of a WAV file before its samples."""
AGAIN = "remove the folder, and it is made again on the next run"


def make(design: Design, root: Path) -> None:
    """Writes the corpus of a design into ``root``: a listing, a README.txt and 3,331 turns, 6.5 MB,
    the same bytes every time.
    """
    _write(root, design, list(dialogues(design)))


def sample(design: Design, root: Path) -> None:
    """Writes the first two conversations of three of the five sessions: every label is then spoken
    in two sessions or more.
    """
    _write(root, design, [d for d in dialogues(design) if d.number < 3 and d.session < 4])


def load(design: Design, root: Path) -> Iterator[Clip | Misfit]:
    """Every turn of the corpus in the order of the listing, and every line and file that does not
    fit.

    Raises:
        DatasetError: no listing lies in ``root``, or none of its turns is there.
    """
    lines = _lines(design, root)
    seen, clips = {LISTING, "README.txt"}, 0
    for number, line in enumerate(lines, 2):
        match = LINE.fullmatch(line)
        name = line.partition(",")[0] + ".wav"
        if match is None:
            yield Misfit(
                LISTING,
                f"line {number}: expected {HEADER}, as in ses1/c01/t00,ses1f,0.00,0.31,{LABELS[0]};"
                f" {AGAIN}",
            )
        elif name in seen:
            yield Misfit(LISTING, f"line {number}: {name} has a line already; {AGAIN}")
        else:
            seen.add(name)
            item = _clip(root / name, name, match)
            clips += isinstance(item, Clip)
            yield item
    if not clips:
        raise DatasetError(
            f"{design.name}: expected the turns that {LISTING} in {root} lists, found none of them;"
            f" {AGAIN}"
        )
    for item in walk(root, root):
        name = item.path if isinstance(item, Misfit) else shown(item, root)
        if isinstance(item, Misfit):
            yield item
        elif name not in seen:
            yield Misfit(name, f"no line of {LISTING} has this name; remove it")


def _lines(design: Design, root: Path) -> list[str]:
    """The listing without its header."""
    try:
        lines = (root / LISTING).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{design.name}: expected {LISTING} in {root}, but it cannot be read"
            f" ({type(error).__name__}); {AGAIN}"
        ) from error
    if lines[:1] != [HEADER]:
        raise DatasetError(
            f"{design.name}: expected {root / LISTING} to begin with {HEADER}, got"
            f" {''.join(lines[:1])[:60]!r}; {AGAIN}"
        )
    return lines[1:]


def _clip(path: Path, name: str, match: re.Match[str]) -> Clip | Misfit:
    """A turn whose audio is there in its full length; its place counts turns whose audio is not."""
    session, conversation, turn, speaker, onset, seconds, label = match.groups()
    expected = HEAD + round(float(seconds) * RATE)
    reason = (
        why_unreadable(path)
        if path.exists() or path.is_symlink()
        else f"missing, though {LISTING} has a line for it; {AGAIN}"
    )
    if reason is None and path.stat().st_size != expected:
        reason = f"{path.stat().st_size} bytes, expected {expected}: a damaged copy; {AGAIN}"
    if reason is not None:
        return Misfit(name, reason)
    return Clip(
        id=name.removesuffix(".wav"),
        path=path,
        label=None if label == "-" else label,
        speaker=session + speaker,
        group=session,
        conversation=f"{session}/{conversation}",
        turn=int(turn),
        onset=float(onset),
    )


def _write(root: Path, design: Design, some: list[Dialogue]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    lines = [HEADER]
    for dialogue in some:
        folder, onset = f"ses{dialogue.session}/c{dialogue.number:02d}", 0
        (root / folder).mkdir(parents=True)
        for place, turn in enumerate(dialogue.turns):
            name = f"{folder}/t{place:02d}"
            label = LABELS[turn.label] if turn.scored else "-"
            lines.append(
                f"{name},ses{dialogue.session}{turn.speaker},{onset / 100:.2f},{turn.hundredths / 100:.2f},{label}"
            )
            _write_turn(root / f"{name}.wav", dialogue, place)
            onset += turn.hundredths
    (root / LISTING).write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")
    (root / "README.txt").write_text(_readme(design), encoding="ascii", newline="\n")


def _write_turn(path: Path, dialogue: Dialogue, place: int) -> None:
    """One turn as 16 kHz, 8 bit, mono; its noise is the same whatever the design."""
    import numpy as np

    turn = dialogue.turns[place]
    rng = np.random.Generator(np.random.PCG64([SEED, dialogue.session, dialogue.number, place]))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(
            sound(dialogue.session, turn.speaker, turn.hundredths, turn.evidence, rng).tobytes()
        )


def _readme(design: Design) -> str:
    return f"""{design.name}: 300 synthetic dialogues, atmosphere {design.atmosphere:g}, order {design.order:g}.

No person speaks here: every turn is coloured noise, computed from seed {SEED}
(nverbench_datasets/conversation_design.py); the names of the labels are names.
16 kHz, 8 bit, mono; sesN/cNN/tNN.wav, listed in {LISTING} ("-": heard, not scored). Apache-2.0. A control for studies of context.
"""


def _dataset(design: Design, counts: tuple[int, ...]) -> Dataset:
    return Dataset(
        name=design.name,
        corpus=design.name,
        task="conversation",
        load=partial(load, design),
        labels=LABELS,
        label_card=LabelCard(
            kind="portrayed",
            setting=(
                f"synthetic dialogues: no person speaks; atmosphere {design.atmosphere:g}, order"
                f" {design.order:g}"
            ),
            raters="none; the label is the recipe the turn was made by",
            languages="none",
            ages="none",
            consent="not needed: no person speaks",
        ),
        group="session",
        folds=("leave-one-group-out", "random"),
        make=partial(make, design),
        sample=partial(sample, design),
        sources=(
            Source(
                address="made by nverbench itself, from a seed",
                licence="Apache-2.0 (synthetic)",
                how="nothing: it is made on first use",
            ),
        ),
        counts=dict(zip(LABELS, counts, strict=True)),
        share="open",
        licence="Apache-2.0 (synthetic)",
    )


COUNTS = {
    BOTH: (753, 738, 730, 763),
    ATMOSPHERE: (743, 759, 706, 776),
    ORDER: (752, 754, 741, 737),
    PLAIN: (756, 738, 735, 755),
}
"""Scored turns per label."""
CONVERSATION_DEMOS = tuple(_dataset(design, COUNTS[design]) for design in DESIGNS)
