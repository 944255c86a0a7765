"""Rules about the sample tree and its files: small, reproducible, offline, movable."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path, PurePosixPath

from nverbench.data import audio
from nverbench.errors import AudioError, ConformanceError, DatasetError
from nverbench.plugin.records import Clip
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.datasets.subject import DatasetSubject, Items
from nverbench.testing.process_state import OWN, SETTINGS, no_side_effects, random_states

MOST = 5_000_000
"""Bytes of a sample: it is written in every test run."""
RATE = 16_000
STRAY = "nverbench-stray"
NO_TREE = Skip("it has no tree of its own: its clips belong to the user, or come with the plugin")


@rule(
    "sample",
    "sample(root), or make(root), writes a tree of at most 5 MB, the same bytes every time.",
)
def sample(subject: DatasetSubject) -> Pass | Skip:
    first, again = subject.root, subject.written("again")
    if first is None or again is None:
        return NO_TREE
    one, two = _digests(first), _digests(again)
    size = sum((first / name).stat().st_size for name in one)
    if size > MOST:
        do = "write fewer or shorter clips in sample"
        raise violation(subject, f"a sample of at most {MOST:,} bytes", f"{size:,}", do)
    differ = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    if differ:
        do = "seed what is random, and write no dates"
        raise violation(subject, "the same bytes each time", f"others in {differ[0]}", do)
    return Pass(f"{len(one)} files, {size:,} bytes")


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@rule("no-download", "Writing the sample and loading it ask the network for nothing.")
def no_download(subject: DatasetSubject) -> Pass | Skip:
    try:
        subject.load(subject.root)
    except ConformanceError as error:  # another rule reports it, unless the network is the cause
        if not subject.requests:
            return Skip(str(error))
    if subject.requests:
        do = "declare it in sources: only nverbench data get downloads"
        expected = "no network while the sample is written and loaded"
        raise violation(subject, expected, f"a call to {subject.requests[0]}", do)
    return Pass("no network access")


@rule("ids", "Clip ids are unique, relative and printable.")
def ids(subject: DatasetSubject) -> Pass | Skip:
    clips, _ = subject.items
    twice = [name for name, count in Counter(clip.id for clip in clips).items() if count > 1]
    if twice:
        do = "make the id from the clip's whole path below root"
        raise violation(subject, "unique ids", f"{twice[0]!r} more than once", do)
    for clip in clips:
        name = clip.id
        if (
            not name
            or not name.isprintable()
            or "\\" in name
            or PurePosixPath(name).is_absolute()
            or ".." in PurePosixPath(name).parts
        ):
            do = "make the id from the clip's path below root, with forward slashes"
            raise violation(subject, "ids that are relative names", repr(name)[:120], do)
    return Pass(f"{len(clips)} ids, such as {clips[0].id}")


@rule("paths", "Every clip's file is there, inside the root.")
def paths(subject: DatasetSubject) -> Pass | Skip:
    clips, _ = subject.items
    for clip in clips:
        if not clip.path.is_file():
            do = "yield a Misfit for a file that is listed but missing"
            raise violation(subject, f"a file at the path of clip {clip.id}", "none", do)
        if subject.root is not None and not clip.path.resolve().is_relative_to(
            subject.root.resolve()
        ):
            do = "make paths from the root that load is given"
            raise violation(subject, f"clip {clip.id} inside the root", str(clip.path), do)
    return Pass(f"{len(clips)} files")


@rule(
    "readable",
    "The harness decodes every clip: sound, finite, not silent, a segment that ends after"
    " its start.",
)
def readable(subject: DatasetSubject) -> Pass | Skip:
    for clip in subject.items[0]:
        if clip.id in subject.part.defects:
            continue
        if not (clip.start or 0.0) < (clip.end if clip.end is not None else float("inf")):
            expected = f"clip {clip.id} to end after its start"
            raise violation(
                subject, expected, f"{clip.start} to {clip.end}", "correct start and end"
            )
        try:
            audio.read(clip.path, RATE, clip.start, clip.end)
        except AudioError as error:
            do = "write clips with sound in sample, as WAV, FLAC, OGG or MP3; declare known defects"
            expected = f"clip {clip.id} to be readable audio"
            raise violation(subject, expected, f"one that {error}", do) from error
    return Pass(f"{len(subject.items[0])} clips decoded")


@rule("repeatable", "Loading twice gives the same clips and misfits.")
def repeatable(subject: DatasetSubject) -> Pass | Skip:
    if _rows(subject.load(subject.root), subject.root) != _rows(subject.items, subject.root):
        do = "use no random numbers and keep no state between loads"
        raise violation(subject, "the same clips and misfits from a second load", "others", do)
    return Pass(f"{len(subject.items[0])} clips, {len(subject.items[1])} misfits")


@rule(
    "another-root", "The same tree in another folder gives the same ids, labels, groups and digest."
)
def another_root(subject: DatasetSubject) -> Pass | Skip:
    elsewhere = subject.copied("elsewhere/far")
    if elsewhere is None:
        return NO_TREE
    do = "make ids, labels and groups from the path below root, never from the whole path"
    if _rows(subject.load(elsewhere), elsewhere) != _rows(subject.items, subject.root):
        raise violation(subject, "the same clips and misfits from another root", "others", do)
    one, two = subject.corpus(subject.root), subject.corpus(elsewhere)
    if one.digest != two.digest:
        raise violation(subject, "one digest from two roots", "two", do)
    return Pass(f"digest {one.digest[:12]}")


def _rows(items: Items, root: Path | None) -> list[str]:
    """All fields of clips and misfits, with paths relative to the root, sorted."""
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


@rule(
    "misfits",
    "A stray file is named, a clip whose file is gone is none, and misfits have a relative"
    " path and a reason.",
)
def misfits(subject: DatasetSubject) -> Pass | Skip:
    for misfit in subject.items[1]:
        if (
            not misfit.path
            or not misfit.reason
            or Path(misfit.path).is_absolute()
            or "\n" in misfit.path + misfit.reason
        ):
            expected = "misfits with a relative path and a reason in one line"
            raise violation(subject, expected, repr(misfit)[:120], "correct them")
    root = subject.copied("damaged")
    if root is None:
        return NO_TREE
    first, last = (
        clip.path.relative_to(subject.root or root)
        for clip in (subject.scored[0], subject.scored[-1])
    )
    stray = (root / first).with_name(STRAY + first.suffix)
    stray.write_text("not a recording, and not listed\n" * 10)
    (root / last).unlink()
    try:
        clips, found = subject.load(root)
    except DatasetError as error:
        return Pass(f"refused: {error}")
    gone = [clip for clip in clips if not clip.path.is_file()]
    if gone:
        do = "give Misfit(path, reason) for it"
        raise violation(subject, "no clip whose file is gone", gone[0].id, do)
    named = any(STRAY in misfit.path for misfit in found)
    if not named and not any(STRAY in clip.path.name for clip in clips):
        do = (
            "yield Misfit(path, reason) for every file that is no clip: what is passed over in"
            " silence is lost"
        )
        expected = f"a stray file {stray.name} among the clips to be named"
        raise violation(subject, expected, "nothing", do)
    return Pass(
        "a stray file is named"
        if named
        else "a stray file is taken for a clip, which decoding names"
    )


@rule(
    "no-global-state",
    "Writing and loading change no random state or setting of the process, print nothing"
    " and never warn.",
)
def no_global_state(subject: DatasetSubject) -> Pass | Skip:
    states = {**random_states("cpu"), **SETTINGS}
    with no_side_effects(subject, "sample and load", states, do=OWN):
        subject.load(subject.written("quiet"))
    return Pass()


CHECKS = (
    sample,
    no_download,
    ids,
    paths,
    readable,
    repeatable,
    another_root,
    misfits,
    no_global_state,
)
