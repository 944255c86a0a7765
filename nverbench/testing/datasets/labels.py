"""Rules about the clips of the sample: labels, groups, folds and conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nverbench.data.folds import assign
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip
from nverbench.testing.check import Pass, Skip, rule, violation
from nverbench.testing.datasets.subject import DatasetSubject

K, SEED = 5, 0
SHOWN = 4


@rule(
    "labels", "Clips have declared labels, at least two of them, and words for labels name labels."
)
def labels(subject: DatasetSubject) -> Pass | Skip:
    part, counts = (
        subject.part,
        Counter(str(clip.label) for clip in subject.items[0] if clip.label is not None),
    )
    undeclared = sorted(set(counts) - set(part.labels)) if part.labels else []
    if undeclared:
        do = "declare it in labels, or yield a Misfit"
        raise violation(subject, f"labels among {', '.join(part.labels)}", repr(undeclared[0]), do)
    if len(counts) < 2:
        do = "write another class in sample"
        raise violation(subject, "clips of at least two classes", ", ".join(counts), do)
    for what, words in (("display", part.display), ("common", part.common)):
        unknown = [label for label in words if label not in (part.labels or counts)]
        if unknown:
            raise violation(subject, f"{what} of known labels", repr(unknown[0]), f"correct {what}")
    missing = [label for label in part.labels if label not in counts]
    return Pass(
        f"{len(counts)} of {len(part.labels) or len(counts)} labels in the sample"
        + (f", not {_some(missing)}" if missing else "")
    )


@rule("groups", "Every clip has the group, or the official split, that the allowed folds need.")
def groups(subject: DatasetSubject) -> Pass | Skip:
    part = subject.part
    bases = {kind.partition("=")[0] for kind in part.folds}
    needing = sorted(bases & set(assign.DISJOINT))
    without = [clip for clip in subject.scored if clip.unit is None]
    if needing and without and not subject.own:
        do = "give speaker= or group= with every clip, or leave these folds out"
        expected = f"a {part.group} for every clip (folds {', '.join(needing)})"
        raise violation(subject, expected, f"none for {without[0].id}", do)
    unsplit = [clip for clip in subject.scored if clip.split is None]
    if "official" in bases and unsplit:
        do = "give split= with every clip, or leave official out of folds"
        expected = "a split for every clip (folds official)"
        raise violation(subject, expected, f"none for {unsplit[0].id}", do)
    if not needing:
        return Skip(f"folds {', '.join(part.folds)} keep no groups together")
    return Pass(f"{len({clip.unit for clip in subject.scored})} groups ({part.group})")


@rule(
    "folds",
    "Every class is in the training part of every fold of every allowed kind, as far as the"
    " sample's size permits.",
)
def trainable(subject: DatasetSubject) -> Pass | Skip:
    found = []
    for kind in subject.part.folds:
        clips, small = subject.scored, ""
        if kind.partition("=")[0] in ("speaker", "random"):
            most = len({clip.unit for clip in clips}) if kind == "speaker" else len(clips)
            small = f" in {most} folds: the sample is too small for {K}" if most < K else ""
            k = min(K, most)
        else:
            k = K
        if k < 2:
            found.append(f"{kind}: the sample has one group only")
            continue
        try:
            cut = assign.make_folds(clips, kind, k=k, seed=SEED, inner=None)
        except FoldError as error:
            do = "write a sample that can be split into these folds, or leave them out"
            raise violation(subject, f"folds of kind {kind}", str(error), do) from error
        lone = _check_trained(subject, kind, cut.folds, clips)
        found.append(f"{kind}{small}" + (f"; one clip only of {_some(lone)}" if lone else ""))
    return Pass(", ".join(found))


def _check_trained(
    subject: DatasetSubject, kind: str, parts: Sequence[assign.Fold], clips: Sequence[Clip]
) -> list[str]:
    """The classes with one clip, which one training part must lack; every other class must be in
    every training part.
    """
    counts = Counter(str(clip.label) for clip in clips)
    for fold in parts:
        trained = {str(clips[row].label) for row in fold.train}
        lacking = sorted(
            label for label, count in counts.items() if count > 1 and label not in trained
        )
        if lacking:
            do = (
                f"have a second {subject.part.group} say it in sample; where the corpus has none"
                f" either, leave {kind} out of folds"
            )
            expected = f"every class in the training part of every fold ({kind})"
            raise violation(subject, expected, f"no {lacking[0]} outside fold {fold.name}", do)
    return sorted(label for label, count in counts.items() if count == 1)


@rule(
    "conversations", "Turns of a conversation dataset have a conversation and a place of their own."
)
def conversations(subject: DatasetSubject) -> Pass | Skip:
    clips = subject.items[0]
    if subject.part.task != "conversation":
        placed = next((clip for clip in clips if clip.conversation is not None), None)
        if placed is not None:
            do = "declare task='conversation', or leave conversation out"
            raise violation(subject, "no conversations: task is clip", f"one of {placed.id}", do)
        return Skip("task is clip")
    for clip in clips:
        if clip.conversation is None or clip.turn is None:
            expected = "a conversation and a turn for every clip"
            do = "give conversation= and turn="
            raise violation(subject, expected, f"none for {clip.id}", do)
    places = Counter((clip.conversation, clip.turn) for clip in clips)
    twice = [place for place, count in places.items() if count > 1]
    if twice:
        got = f"{places[twice[0]]} for turn {twice[0][1]} of {twice[0][0]}"
        do = "count turns from 0"
        raise violation(subject, "one clip per turn", got, do)
    heard_only = sum(clip.label is None for clip in clips)
    return Pass(
        f"{len({clip.conversation for clip in clips})} conversations, {heard_only} of {len(clips)}"
        " turns counts only"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )


CHECKS = (labels, groups, trainable, conversations)
