"""The tree a dataset's sample writes, and reading it: small, the same every time, offline, wherever
it lies; and what does not belong in it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path, PurePosixPath

from nverbench.data import audio
from nverbench.errors import AudioError, ConformanceError, DatasetError
from nverbench.plugin.records import Clip
from nverbench.testing import process_report
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.datasets.subject import DatasetSubject, Items, with_clips
from nverbench.testing.side_effects import OWN, no_side_effects

MOST = 5_000_000
"""Bytes of a sample: it is written in every test run."""
RATE = 16_000
STRAY = "nverbench-stray"
NO_TREE = Skip("it has no tree of its own: its clips are its user's, or come with the plugin")


def sample(subject: DatasetSubject) -> Pass | Skip:
    """A tree is written, tiny, and the same bytes each time."""
    first, again = subject.root, subject.written("again")
    if first is None or again is None:
        return NO_TREE
    one, two = _digests(first), _digests(again)
    size = sum((first / name).stat().st_size for name in one)
    if size > MOST:
        raise violation(
            subject,
            expected=f"a sample of at most {MOST:,} bytes",
            got=f"{size:,}",
            do="write fewer or shorter clips in sample",
        )
    differ = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    if differ:
        raise violation(
            subject,
            expected="the same bytes each time",
            got=f"others in {differ[0]}",
            do="seed what is random, and write no dates",
        )
    return Pass(f"{len(one)} files, {size:,} bytes")


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def no_download(subject: DatasetSubject) -> Pass | Skip:
    """Writing and loading, with the network off; what a plugin swallows is noted all the same."""
    try:
        subject.load(subject.root)
    except ConformanceError as error:  # the other rules say what it is, unless it is this
        if not subject.asked:
            return Skip(str(error))
    if subject.asked:
        do = "declare it in sources: nothing is fetched but by nverbench data get"
        raise violation(
            subject,
            expected="no network while the sample is written and loaded",
            got=f"a call to {subject.asked[0]}",
            do=do,
        )
    return Pass("the network was not asked for anything")


def ids(subject: DatasetSubject) -> Pass | Skip:
    """Ids that are unique and mean the same on every machine."""
    clips, _ = subject.items
    twice = [name for name, count in Counter(clip.id for clip in clips).items() if count > 1]
    if twice:
        raise violation(
            subject,
            expected="unique ids",
            got=f"{twice[0]!r} more than once",
            do="make the id of the clip's whole path below root",
        )
    for clip in clips:
        name = clip.id
        if (
            not name
            or not name.isprintable()
            or "\\" in name
            or PurePosixPath(name).is_absolute()
            or ".." in PurePosixPath(name).parts
        ):
            do = "make the id of the clip's path below root, with forward slashes"
            raise violation(
                subject, expected="ids that are relative names", got=repr(name)[:120], do=do
            )
    return Pass(f"{len(clips)} ids, such as {clips[0].id}")


def paths(subject: DatasetSubject) -> Pass | Skip:
    """Files that are there, below root."""
    clips, _ = subject.items
    for clip in clips:
        if not clip.path.is_file():
            do = "give a Misfit for what is listed and not there"
            raise violation(
                subject, expected=f"a file at the path of clip {clip.id}", got="none", do=do
            )
        if subject.root is not None and not clip.path.resolve().is_relative_to(
            subject.root.resolve()
        ):
            raise violation(
                subject,
                expected=f"clip {clip.id} inside the root",
                got=str(clip.path),
                do="make paths of the root that load is given",
            )
    return Pass(f"{len(clips)} files")


def readable(subject: DatasetSubject) -> Pass | Skip:
    """Every clip, as the harness decodes it."""
    for clip in subject.items[0]:
        if clip.id in subject.part.defects:
            continue
        if not (clip.start or 0.0) < (clip.end if clip.end is not None else float("inf")):
            raise violation(
                subject,
                expected=f"clip {clip.id} to end after its start",
                got=f"{clip.start} to {clip.end}",
                do="mend start and end",
            )
        try:
            audio.read(clip.path, RATE, clip.start, clip.end)
        except AudioError as error:
            do = "write clips with sound in sample, as WAV, FLAC, OGG or MP3; declare known defects"
            raise violation(
                subject,
                expected=f"clip {clip.id} to be readable audio",
                got=f"one that {error}",
                do=do,
            ) from error
    return Pass(f"{len(subject.items[0])} clips decoded")


def repeatable(subject: DatasetSubject) -> Pass | Skip:
    """A second load."""
    if _rows(subject.load(subject.root), subject.root) != _rows(subject.items, subject.root):
        raise violation(
            subject,
            expected="the same clips and misfits from a second load",
            got="others",
            do="draw nothing at random and keep nothing",
        )
    return Pass(f"{len(subject.items[0])} clips, {len(subject.items[1])} misfits")


def another_root(subject: DatasetSubject) -> Pass | Skip:
    """The same tree in another folder, and what the harness makes of both."""
    elsewhere = subject.copied("elsewhere/far")
    if elsewhere is None:
        return NO_TREE
    do = "make ids, labels and groups of the path below root, never of the whole path"
    if _rows(subject.load(elsewhere), elsewhere) != _rows(subject.items, subject.root):
        raise violation(
            subject, expected="the same clips and misfits from another root", got="others", do=do
        )
    one, two = subject.corpus(subject.root), subject.corpus(elsewhere)
    if one.digest != two.digest:
        raise violation(subject, expected="one digest from two roots", got="two", do=do)
    return Pass(f"digest {one.digest[:12]}")


def _rows(items: Items, root: Path | None) -> list[str]:
    """Everything that is known of clips and misfits but the root, in an order of our own."""
    clips, misfits = items
    return sorted(repr((*_facts(clip), _below(clip.path, root))) for clip in clips) + sorted(
        repr(m) for m in misfits
    )


def _facts(clip: Clip) -> tuple[object, ...]:
    return tuple(value for name, value in vars(clip).items() if name != "path")


def _below(path: Path, root: Path | None) -> str:
    return (
        path.relative_to(root).as_posix()
        if root is not None and path.is_relative_to(root)
        else path.as_posix()
    )


def misfits(subject: DatasetSubject) -> Pass | Skip:
    """What does not belong: named where it is found, and what is gone is no clip."""
    for misfit in subject.items[1]:
        if (
            not misfit.path
            or not misfit.reason
            or Path(misfit.path).is_absolute()
            or "\n" in misfit.path + misfit.reason
        ):
            raise violation(
                subject,
                expected="misfits with a relative path and a reason in one line",
                got=repr(misfit)[:120],
                do="mend them",
            )
    root = subject.copied("damaged")
    if root is None:
        return NO_TREE
    first, last = (
        clip.path.relative_to(subject.root or root)
        for clip in (subject.scored[0], subject.scored[-1])
    )
    stray = (root / first).with_name(STRAY + first.suffix)
    stray.write_text("no recording, and nobody listed it\n" * 10)
    (root / last).unlink()
    try:
        clips, found = subject.load(root)
    except DatasetError as error:
        return Pass(f"refused: {error}")
    gone = [clip for clip in clips if not clip.path.is_file()]
    if gone:
        raise violation(
            subject,
            expected="no clip whose file is gone",
            got=gone[0].id,
            do="give Misfit(path, reason) for it",
        )
    named = any(STRAY in misfit.path for misfit in found)
    if not named and not any(STRAY in clip.path.name for clip in clips):
        do = (
            "yield Misfit(path, reason) for every file that is no clip: what is passed over in"
            " silence is lost"
        )
        raise violation(
            subject,
            expected=f"a stray file {stray.name} among the clips to be named",
            got="nothing",
            do=do,
        )
    return Pass(
        "a stray file is named"
        if named
        else "a stray file is taken for a clip, which decoding names"
    )


def no_global_state(subject: DatasetSubject) -> Pass | Skip:
    """Writing and loading leave the process as it was."""
    states = {**process_report.random_states("cpu"), **process_report.SETTINGS}
    with no_side_effects(subject, "sample and load", states, do=OWN):
        subject.load(subject.written("quiet"))
    return Pass()


ROOM = (
    (
        "sample",
        "sample(root), or make(root), writes a tree of at most 5 MB, the same bytes every time.",
        sample,
    ),
    ("no-download", "Writing the sample and loading it ask the network for nothing.", no_download),
    ("ids", "Clip ids are unique, relative and printable.", ids),
    ("paths", "Every clip's file is there, inside the root.", paths),
    (
        "readable",
        (
            "The harness decodes every clip: sound, finite, not silent, a segment that ends after"
            " its start."
        ),
        readable,
    ),
    ("repeatable", "Loading twice gives the same clips and misfits.", repeatable),
    (
        "another-root",
        "The same tree in another folder gives the same ids, labels, groups and digest.",
        another_root,
    ),
    (
        "misfits",
        (
            "A stray file is named, a clip whose file is gone is none, and misfits have a relative"
            " path and a reason."
        ),
        misfits,
    ),
    (
        "no-global-state",
        (
            "Writing and loading change no random state or setting of the process, print nothing"
            " and never warn."
        ),
        no_global_state,
    ),
)
CHECKS = tuple(Check(name, rule, with_clips(run)) for name, rule, run in ROOM)
