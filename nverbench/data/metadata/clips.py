"""Labels and speakers of the clips that a loader yields: cleaned for every dataset, and checked for
one's own recordings, whose names nobody has checked yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nverbench.data.metadata import names
from nverbench.errors import DatasetError, abbreviated
from nverbench.plugin.records import Clip


def cleaned(clip: Clip) -> Clip:
    """The clip with its label, speaker, group and facts in composed form and without invisible
    characters at their ends; a speaker or group that is a word for a missing value is None, and
    such a fact is left out.

    Raises:
        DatasetError: ``speaker_facts`` is no mapping of texts.
    """
    label = clip.label if clip.label is None else names.clean(clip.label)
    speaker, group, facts = _person(clip.speaker), _person(clip.group), _facts(clip)
    if (label, speaker, group, facts) == (clip.label, clip.speaker, clip.group, clip.speaker_facts):
        return clip
    return replace(clip, label=label, speaker=speaker, group=group, speaker_facts=facts)


def check_own_names(clips: Sequence[Clip], where: str) -> None:
    """Checks the labels, speakers and groups of one's own recordings.

    Raises:
        DatasetError: a label is a word for a missing value, only some clips have a speaker (or a
            group), or two names look like two spellings of one.
    """
    scored = [clip for clip in clips if clip.label is not None]
    lost = next((c for c in scored if names.is_missing_label(str(c.label))), None)
    if lost is not None:
        raise DatasetError(
            f"{where}: clip {lost.id} has the label {lost.label!r}, a word for a missing value;"
            " give it a label or leave the clip out"
        )
    names.check_spellings(where, "label", (str(c.label) for c in scored), DatasetError)
    _check_people(scored, where, "speaker", lambda clip: clip.speaker)
    _check_people(scored, where, "group", lambda clip: clip.group)


def _check_people(
    clips: Sequence[Clip], where: str, what: str, person: Callable[[Clip], str | None]
) -> None:
    known = [clip for clip in clips if person(clip) is not None]
    if known and len(known) < len(clips):
        # Half-known speakers cannot be kept apart: a clip without one could be of a speaker on the
        # other side of the fold.
        first = next(clip for clip in clips if person(clip) is None)
        raise DatasetError(
            f"{where}: {len(known)} of {len(clips)} clips have a {what}, and {first.id} has none;"
            f" give every clip a {what}, or none"
        )
    names.check_spellings(where, what, (str(person(clip)) for clip in known), DatasetError)


def _facts(clip: Clip) -> dict[str, str]:
    """The facts that are known."""
    given = clip.speaker_facts
    if not isinstance(given, Mapping) or not all(
        isinstance(text, str) for item in given.items() for text in item
    ):
        raise DatasetError(
            f"clip {clip.id}: expected speaker_facts as a mapping of texts to texts, such as"
            f' {{"sex": "female"}}, got {abbreviated(given)}; its author must correct that'
        )
    return {
        name: names.clean(value)
        for name, value in given.items()
        if not names.is_missing_person(value)
    }


def _person(name: str | None) -> str | None:
    return None if name is None or names.is_missing_person(name) else names.clean(name)
