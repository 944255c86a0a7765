"""Writes IEMOCAP-shaped trees for tests: the real names of folders, dialogues and turns,
EmoEvaluation files, and a short sound per turn.

The sound of a turn is a tone of its label's pitch in a little noise, so that something can be
learnt from it; no person speaks. Overlapping turns, two turns of one speaker in a row, judges'
lines, and the folders that hold what single judges said are there as in the real corpus.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCORED = ("fru", "neu", "ang", "sad", "exc", "hap")
UNSCORED = ("xxx", "oth", "sur")
DIALOGUES = ("F_impro01", "M_script01_1", "M_impro02", "F_script02_2", "F_impro03", "M_script03_1b")
"""Names of a session's dialogues, in the order they are taken."""
PITCH = dict(zip((*SCORED, *UNSCORED), np.geomspace(300, 3400, 9), strict=True))
RATE = 16000


@dataclass(frozen=True)
class Written:
    """One turn of the tree, in the order of time."""

    name: str
    conversation: str
    turn: int
    speaker: str
    label: str
    onset: float

    @property
    def scored(self) -> str | None:
        """The label where it is scored."""
        return self.label if self.label in SCORED else None


def write_tree(
    root: Path,
    *,
    dialogues: int = 2,
    turns: int = 8,
    sessions: int = 5,
    seconds: float = 0.25,
    seed: int = 0,
) -> list[Written]:
    """Writes ``sessions`` sessions of ``dialogues`` dialogues (1 to 6) of ``turns`` turns (2 or
    more) each.

    Args:
        root: becomes the folder that holds Session1 to Session5.
        seconds: length of the shortest turn; the longest has twice that.

    Returns:
        Every turn, dialogues sorted by name, each in the order of time. One turn in four or so is
        not scored; labels are drawn at random, but the first two turns of a session's n-th dialogue
        are labelled so that every scored label occurs in every session from three dialogues up.
    """
    rng = np.random.default_rng(seed)
    written = []
    for session in range(1, sessions + 1):
        for number, ending in enumerate(DIALOGUES[:dialogues]):
            labels = _labels(number, turns, rng)
            written += _dialogue(
                root / f"Session{session}", f"Ses0{session}{ending}", labels, seconds, rng
            )
        for folder in (
            "Attribute",
            "Categorical",
            "Self-evaluation",
        ):  # read by nobody, there in every copy
            path = (
                root
                / f"Session{session}"
                / "dialog"
                / "EmoEvaluation"
                / folder
                / f"Ses0{session}F_impro01_e1_cat.txt"
            )
            path.parent.mkdir(parents=True)
            path.write_text(f"Ses0{session}F_impro01_F000 :Neutral state; ()\n", encoding="ascii")
    return sorted(written, key=lambda turn: (turn.conversation, turn.turn))


def _labels(number: int, turns: int, rng: np.random.Generator) -> list[str]:
    certain = [SCORED[2 * number % 6], SCORED[(2 * number + 1) % 6]]
    rest = [str(rng.choice(UNSCORED if rng.random() < 0.25 else SCORED)) for _ in range(turns - 3)]
    return [*certain, *rest, UNSCORED[number % 3]][:turns]


def _dialogue(
    session: Path, dialogue: str, labels: list[str], seconds: float, rng: np.random.Generator
) -> list[Written]:
    """One dialogue's turns and its evaluation file, whose lines are grouped by speaker: not in the
    order of time.
    """
    spoken = {"F": 0, "M": 0}
    onset, written, lines = 0.5, [], list[tuple[str, str]]()
    for turn, label in enumerate(labels):
        who = "FM"[turn % 2] if turn % 5 else "F"
        name = f"{dialogue}_{who}{spoken[who]:03d}"
        spoken[who] += 1
        samples = int(RATE * seconds * rng.uniform(1, 2))
        _tone(session / "sentences" / "wav" / dialogue / f"{name}.wav", PITCH[label], samples, rng)
        lines.append((name, _line(name, label, onset, onset + samples / RATE)))
        written.append(
            Written(name, dialogue, turn, f"{dialogue[:5]}{who}", label, round(onset, 4))
        )
        onset += (
            samples / RATE * rng.uniform(0.8, 1.3)
        )  # now and then a turn begins before the last one ended
    file = session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(line for _, line in sorted(lines))
    file.write_text(
        f"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n{body}",
        encoding="ascii",
        newline="\n",
    )
    return written


def _line(name: str, label: str, start: float, end: float) -> str:
    judges = (
        "C-E2:\tNeutral;\t()\nC-E3:\tFrustration; Anger;\t()\nA-E3:\tval 3; act 2; dom "
        " 2;\t()\nA-F1:\tval 3; act 2; dom  1;\t()\n"
    )
    return f"[{start:.4f} - {end:.4f}]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n{judges}"


def _tone(path: Path, hertz: float, samples: int, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.2 * np.sin(
        2 * np.pi * hertz * np.arange(samples) / RATE
    ) + 0.02 * rng.standard_normal(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(32767 * sound).astype("<i2").tobytes())
