"""IEMOCAP: ten actors in 151 English dialogues, cut into turns that others judged (by request).

One local copy, two datasets. ``iemocap-6``: whole conversations, six labels scored, every other
turn embedded but not scored. ``iemocap-4``: single utterances in four classes, excited counted as
happy and all else left out, 5,531 in all: the convention of s3prl's and SUPERB's emotion task,
which EmoBox keeps.

Layout, as delivered: ``SessionN/dialog/EmoEvaluation/DIALOG.txt`` has a line per turn, ``[start -
end]<TAB>turn<TAB>label<TAB>[v, a, d]`` (seconds into the dialogue, label of the majority, three
ratings), between lines for the single judges; its folders (Attribute, Categorical, Self-evaluation)
hold what each judge said and are passed over. The audio is
``SessionN/sentences/wav/DIALOG/TURN.wav``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, Source
from nverbench_datasets.file_listing import entries, shown, why_no_audio, why_unreadable
from nverbench_datasets.speakers import SEX
from nverbench_datasets.tones import write_tone

SIX = {"fru": 1849, "neu": 1708, "ang": 1103, "sad": 1084, "exc": 1041, "hap": 595}
FOUR = {"ang": 1103, "hap": 1636, "neu": 1708, "sad": 1084}
MERGED = {"exc": "hap"}
UNSCORED = ("xxx", "dis", "fea", "oth", "sur")
"""No majority, and the labels that are too rare to be scored: 2,659 turns."""
SESSIONS = re.compile(r"Session[1-5]", re.IGNORECASE)
# A turn's name: dialogue (its letter says who wore the markers), then who speaks, F or M, and a
# number.
NAME = re.compile(r"(Ses0([1-5])[FM]_(?:impro|script)[0-9a-z_]+)_([FM])[0-9]{3}")
TIME = r"([0-9]+(?:\.[0-9]+)?)"
LINE = re.compile(rf"\[{TIME} - {TIME}\]\t(\S+)\t([a-z]+)\t\[[0-9., ]+\]")
JUDGE = re.compile(r"[AC]-[A-Z][0-9]*:.*")
"""What a single judge said of the turn above: a category (C) or attributes (A)."""

HOW = (
    "ask for it at https://sail.usc.edu/iemocap, unpack it, then: nverbench data add iemocap-6 PATH"
)
CITATION = """@article{busso2008iemocap,
  title = {{IEMOCAP}: Interactive Emotional Dyadic Motion Capture Database},
  author = {Busso, Carlos and Bulut, Murtaza and Lee, Chi-Chun and Kazemzadeh, Abe and Mower, Emily and Kim, Samuel and Chang, Jeannette N. and
            Lee, Sungbok and Narayanan, Shrikanth S.},
  journal = {Language Resources and Evaluation},
  volume = {42},
  pages = {335--359},
  year = {2008},
  doi = {10.1007/s10579-008-9076-6},
}"""


@dataclass(frozen=True)
class Turn:
    """The content of a line: seconds into the dialogue, and the label (None: not scored)."""

    name: str
    onset: float
    label: str | None


def parse(line: str, dialogue: str) -> Turn | str | None:
    """The turn on a line of a dialogue's file, the reason why it is none, or None for other lines."""
    if not line.strip() or line.startswith("%") or JUDGE.fullmatch(line):
        return None
    match = LINE.fullmatch(line.rstrip())
    if match is None:
        return "expected [start - end], turn, label and [v, a, d] with tabs between"
    start, end, name, label = match.groups()
    named = NAME.fullmatch(name)
    if named is None or named[1] != dialogue:
        return f"turn {name[:60]} is not named {dialogue}_F000 or {dialogue}_M000"
    if not math.isfinite(float(end)) or float(start) > float(end):
        return f"turn {name} ends at {end[:20]}, before it begins at {start[:20]}"
    if label not in SIX and label not in UNSCORED:
        return f"turn {name}: label {label[:20]} is not one of {', '.join((*SIX, *UNSCORED))}"
    return Turn(name, float(start), label if label in SIX else None)


def load_six(root: Path) -> Iterator[Clip | Misfit]:
    """Every turn at ``root``, dialogue by dialogue in order of time, and whatever does not fit.

    Args:
        root: the folder that holds ``Session1`` to ``Session5`` (or some of them), or one at most
            two above it.

    Raises:
        DatasetError: no session lies there, or one has no ``dialog/EmoEvaluation``.
    """
    for session in _sessions(root):
        evaluations = session / "dialog" / "EmoEvaluation"
        if not evaluations.is_dir():
            raise DatasetError(
                f"IEMOCAP: expected {shown(evaluations, root)} under {root}, found no such folder;"
                f" unpack the whole release, or {HOW}"
            )
        recordings = session / "sentences" / "wav"
        files = entries(recordings) if recordings.is_dir() else []
        recorded = {entry.name for entry in files}
        for file in entries(evaluations):
            if file.is_dir():  # the folders of single judges
                continue
            if (
                file.suffix != ".txt"
                or not NAME.fullmatch(f"{file.stem}_F000")
                or file.stem[:5] != f"Ses0{session.name[-1]}"
            ):
                yield Misfit(
                    shown(file, root),
                    f"not named as a dialogue of {session.name}"
                    f" (Ses0{session.name[-1]}F_impro01.txt); remove it",
                )
                continue
            recorded.discard(file.stem)
            yield from _dialogue(file, recordings / file.stem, root)
        yield from (
            Misfit(
                shown(recordings / name, root),
                "no dialogue of EmoEvaluation has this name; remove it",
            )
            for name in sorted(recorded)
        )


def load_four(root: Path) -> Iterator[Clip | Misfit]:
    """The turns of four classes, each on its own: excited is happy, and the other labels are left
    out.
    """
    for item in load_six(root):
        if isinstance(item, Misfit):
            yield item
        elif (label := MERGED.get(str(item.label), item.label)) in FOUR:
            yield replace(item, label=label, conversation=None, turn=None)  # each on its own


def sample(root: Path) -> None:
    """Writes 60 turns in the published layout: 5 sessions, an improvised and a scripted dialogue
    each, 6 turns of 6 labels and one of none.
    """
    for session in range(1, 6):
        for number, dialogue in enumerate(
            (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1b")
        ):
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            for turn, label in enumerate(
                ("neu", "fru", "xxx", "ang", ("sad", "hap")[number], "exc")
            ):
                name = f"{dialogue}_{'FM'[turn % 2]}{turn // 2:03d}"
                lines += [
                    (
                        f"[{2 * turn + 0.25:.4f} -"
                        f" {2 * turn + 1.75:.4f}]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]"
                    ),
                    "C-E1:\tNeutral;\t()",
                    "",
                ]
                path = root / f"Session{session}" / "sentences" / "wav" / dialogue / f"{name}.wav"
                write_tone(
                    path, 90.0 + 15 * session + 40 * (turn % 2) + 5 * turn, falling=label == "sad"
                )
            file = root / f"Session{session}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines), encoding="ascii", newline="\n")


def _sessions(root: Path) -> list[Path]:
    """The sessions in ``root`` and in folders at most two below it, in order of their numbers.

    Raises:
        DatasetError: there is none, or one lies in two places.
    """
    if not root.is_dir():
        state = "a file" if root.exists() else "nothing"
        raise DatasetError(
            f"IEMOCAP: expected a folder with Session1 to Session5 at {root}, found {state} there;"
            f" {HOW}"
        )
    level, found = [root], {}
    for _ in range(3):
        folders = [path for top in level for path in entries(top) if path.is_dir()]
        for path in filter(lambda path: SESSIONS.fullmatch(path.name), folders):
            first = found.setdefault(path.name[-1], path)
            if first != path:
                both = f"{shown(first, root)} and {shown(path, root)} in {root}"
                raise DatasetError(f"IEMOCAP: {both} are one session; compare and remove one")
        level = [path for path in folders if path not in found.values()]
    if found:
        return [found[number] for number in sorted(found)]
    names = [" ".join(shown(path, root).split()) for path in entries(root)]
    what = f"{len(names)} entries, none of them a clip ({', '.join(names[:3])})"
    what = what if names else "an empty folder"
    raise DatasetError(f"IEMOCAP: expected Session1 to Session5 under {root}, found {what}; {HOW}")


def _dialogue(file: Path, folder: Path, root: Path) -> Iterator[Clip | Misfit]:
    """The turns of one dialogue in order of time (ties by name), each with its place there; lines
    and files that do not fit are named.
    """
    try:
        text = file.read_bytes().decode("latin-1")
    except OSError as error:
        yield Misfit(
            shown(file, root),
            why_unreadable(file)
            or f"it may not be read ({error.strerror}); correct its permissions",
        )
        return
    turns: dict[str, Turn] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        turn = parse(line, file.stem)
        if isinstance(turn, Turn) and turn.name in turns:
            turn = f"turn {turn.name} has a line already"
        if isinstance(turn, str):
            yield Misfit(shown(file, root), f"line {number}: {turn}; correct or remove the line")
        elif turn is not None:
            turns[turn.name] = turn
    inside = entries(folder) if folder.is_dir() else []
    files = {path.stem + path.suffix.lower(): path for path in inside}
    for place, turn in enumerate(sorted(turns.values(), key=lambda turn: (turn.onset, turn.name))):
        yield _clip(
            turn, place, files.pop(f"{turn.name}.wav", folder / f"{turn.name}.wav"), file.stem, root
        )
    yield from (
        Misfit(shown(path, root), f"no line of {file.name} has this name; remove it")
        for path in files.values()
    )


def _clip(turn: Turn, place: int, path: Path, dialogue: str, root: Path) -> Clip | Misfit:
    """A turn whose audio is there; its place counts the turns whose audio is not, so that it is the
    same in every copy.
    """
    if not path.exists() and not path.is_symlink():
        return Misfit(
            shown(path, root), f"missing, though {dialogue}.txt has a line for it; restore it"
        )
    reason = "a folder among the clips; remove it" if path.is_dir() else why_no_audio(path)
    if reason is not None:
        return Misfit(shown(path, root), reason)
    session = dialogue[:5]
    speaker = f"{session}{turn.name[-4]}"
    sex = SEX[speaker[-1].lower()]
    clip = Clip(turn.name, path, turn.label, speaker, session, onset=turn.onset, speaker_facts=sex)
    return replace(clip, conversation=dialogue, turn=place)


IEMOCAP_6 = Dataset(
    name="iemocap-6",
    corpus="iemocap",
    task="conversation",
    load=load_six,
    labels=tuple(SIX),
    label_card=LabelCard(
        kind="perceived",
        setting=(
            "acted: ten actors (five pairs of a woman and a man) in scripted and improvised"
            " dialogues"
        ),
        raters=(
            "several people per turn; the label is that of the majority, xxx where there was none"
        ),
        languages="English",
    ),
    group="session",
    folds=("leave-one-group-out", "random"),
    sample=sample,
    sources=(
        Source(
            address="https://sail.usc.edu/iemocap (by request)",
            licence="by request (USC, research only)",
            how=HOW,
        ),
    ),
    rates=(16000,),
    counts=SIX,
    share="none",
    licence="by request (USC, research only)",
    citation=CITATION,
)
# hap counts excited turns too: it is not what other corpora call happy (common.py).
COMMON = {"ang": "anger", "neu": "neutral", "sad": "sadness"}
IEMOCAP_4 = replace(
    IEMOCAP_6,
    name="iemocap-4",
    task="clip",
    load=load_four,
    labels=tuple(FOUR),
    counts=FOUR,
    common=COMMON,
)
