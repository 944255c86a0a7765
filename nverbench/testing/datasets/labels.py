"""What the clips of a dataset's sample are labelled with, whom they are grouped by, and whether
every class can be trained in every fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nverbench.data.folds import assign
from nverbench.errors import FoldError
from nverbench.plugin.records import Clip
from nverbench.testing.check import Check, Pass, Skip, violation
from nverbench.testing.datasets.subject import DatasetSubject, with_clips

K, SEED = 5, 0
SHOWN = 4


def labels(subject: DatasetSubject) -> Pass | Skip:
    """Labels that are declared, at least two of them heard."""
    part, heard = (
        subject.part,
        Counter(str(clip.label) for clip in subject.items[0] if clip.label is not None),
    )
    strange = sorted(set(heard) - set(part.labels)) if part.labels else []
    if strange:
        raise violation(
            subject,
            expected=f"labels among {', '.join(part.labels)}",
            got=repr(strange[0]),
            do="declare it in labels, or yield a Misfit",
        )
    if len(heard) < 2:
        raise violation(
            subject,
            expected="clips of at least two classes",
            got=", ".join(heard),
            do="write another class in sample",
        )
    for what, words in (("display", part.display), ("common", part.common)):
        unknown = [label for label in words if label not in (part.labels or heard)]
        if unknown:
            raise violation(
                subject, expected=f"{what} of known labels", got=repr(unknown[0]), do=f"mend {what}"
            )
    missing = [label for label in part.labels if label not in heard]
    return Pass(
        f"{len(heard)} of {len(part.labels) or len(heard)} labels in the sample"
        + (f", not {_some(missing)}" if missing else "")
    )


def groups(subject: DatasetSubject) -> Pass | Skip:
    """What folds keep together, and official splits, where folds need them."""
    part = subject.part
    bases = {kind.partition("=")[0] for kind in part.folds}
    needing = sorted(bases & set(assign.DISJOINT))
    without = [clip for clip in subject.scored if clip.unit is None]
    if needing and without and not subject.own:
        do = "give speaker= or group= with every clip, or leave these folds out"
        raise violation(
            subject,
            expected=f"a {part.group} for every clip (folds {', '.join(needing)})",
            got=f"none for {without[0].id}",
            do=do,
        )
    unsplit = [clip for clip in subject.scored if clip.split is None]
    if "official" in bases and unsplit:
        do = "give split= with every clip, or leave official out of folds"
        raise violation(
            subject,
            expected="a split for every clip (folds official)",
            got=f"none for {unsplit[0].id}",
            do=do,
        )
    if not needing:
        return Skip(f"folds {', '.join(part.folds)} keep nobody together")
    return Pass(f"{len({clip.unit for clip in subject.scored})} groups ({part.group})")


def trainable(subject: DatasetSubject) -> Pass | Skip:
    """Every class in the training part of every fold, for every kind of folds."""
    said = []
    for kind in subject.part.folds:
        clips, small = subject.scored, ""
        if kind.partition("=")[0] in ("speaker", "random"):
            most = len({clip.unit for clip in clips}) if kind == "speaker" else len(clips)
            small = f" in {most} folds: the sample is too small for {K}" if most < K else ""
            k = min(K, most)
        else:
            k = K
        if k < 2:
            said.append(f"{kind}: the sample has one group only")
            continue
        try:
            cut = assign.make_folds(clips, kind, k=k, seed=SEED, inner=None)
        except FoldError as error:
            do = "write a sample that these folds can cut, or leave them out"
            raise violation(
                subject, expected=f"folds of kind {kind}", got=str(error), do=do
            ) from error
        lone = _check_trained(subject, kind, cut.folds, clips)
        said.append(f"{kind}{small}" + (f"; one clip only of {_some(lone)}" if lone else ""))
    return Pass(", ".join(said))


def _check_trained(
    subject: DatasetSubject, kind: str, parts: Sequence[assign.Fold], clips: Sequence[Clip]
) -> list[str]:
    """The classes of which the sample has one clip, so that a fold must lack it; any other must be
    in every training part.
    """
    heard = Counter(str(clip.label) for clip in clips)
    for fold in parts:
        trained = {str(clips[row].label) for row in fold.train}
        lacking = sorted(
            label for label, count in heard.items() if count > 1 and label not in trained
        )
        if lacking:
            do = (
                f"have a second {subject.part.group} say it in sample; where the corpus has none"
                f" either, leave {kind} out of folds"
            )
            expected = f"every class in the training part of every fold ({kind})"
            raise violation(
                subject, expected=expected, got=f"no {lacking[0]} outside fold {fold.name}", do=do
            )
    return sorted(label for label, count in heard.items() if count == 1)


def conversations(subject: DatasetSubject) -> Pass | Skip:
    """Turns that have a place."""
    clips = subject.items[0]
    if subject.part.task != "conversation":
        talking = next((clip for clip in clips if clip.conversation is not None), None)
        if talking is not None:
            do = "declare task='conversation', or leave conversation out"
            raise violation(
                subject,
                expected="no conversations: task is clip",
                got=f"one of {talking.id}",
                do=do,
            )
        return Skip("task is clip")
    for clip in clips:
        if clip.conversation is None or clip.turn is None:
            raise violation(
                subject,
                expected="a conversation and a turn for every clip",
                got=f"none for {clip.id}",
                do="give conversation= and turn=",
            )
    places = Counter((clip.conversation, clip.turn) for clip in clips)
    twice = [place for place, count in places.items() if count > 1]
    if twice:
        raise violation(
            subject,
            expected="one clip per turn",
            got=f"{places[twice[0]]} for turn {twice[0][1]} of {twice[0][0]}",
            do="count turns from 0",
        )
    heard_only = sum(clip.label is None for clip in clips)
    return Pass(
        f"{len({clip.conversation for clip in clips})} conversations, {heard_only} of {len(clips)}"
        " turns heard only"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )


ROOM = (
    (
        "labels",
        "Clips have declared labels, at least two of them, and words for labels name labels.",
        labels,
    ),
    (
        "groups",
        "Every clip has the group, or the official split, that the allowed folds need.",
        groups,
    ),
    (
        "folds",
        (
            "Every class is in the training part of every fold of every allowed kind, as far as the"
            " sample's size permits."
        ),
        trainable,
    ),
    (
        "conversations",
        "Turns of a conversation dataset have a conversation and a place of their own.",
        conversations,
    ),
)
CHECKS = tuple(Check(name, rule, with_clips(run)) for name, rule, run in ROOM)
