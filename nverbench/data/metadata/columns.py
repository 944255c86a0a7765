"""What the columns of a table mean: the names that the field uses, in one place.

Letter case, spaces, hyphens, underscores and invisible characters of a name do not matter. The
first name of a meaning is nverbench's own; the others are tried where it is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nverbench.data.metadata import names
from nverbench.data.metadata.text import Where
from nverbench.errors import abbreviated

Vocabulary = Mapping[str, tuple[str, ...]]
"""Meaning -> the names of columns that have it, nverbench's own first."""

PATH = (
    "path",
    *("file", "filename", "file_name", "filepath", "wav", "audio", "audio_path", "audio_file"),
    *("wav_path", "wav_file", "audio_filepath", "audio_filename"),
)
LABEL = ("label", "emotion", "emo", "class", "category", "emotion_label", "class_label")
SPEAKER = (
    "speaker",
    *("speaker_id", "spk", "spk_id", "spkr", "subject", "subject_id", "actor", "actor_id"),
    *("client_id", "participant", "participant_id", "user", "user_id", "person", "person_id"),
    *("talker", "talker_id"),
)
IDS = ("clip", "clip_id", "utt", "utt_id", "utterance_id", "segment_id", "key")
CONVERSATION = (
    "conversation",
    *("conversation_id", "conv_id", "dialogue", "dialogue_id", "dialog", "dialog_id", "session_id"),
)
CLIPS: Vocabulary = {
    "path": PATH,
    "label": LABEL,
    "speaker": SPEAKER,
    "group": ("group",),
    "split": ("split", "partition", "set", "subset"),
    "id": ("id",),
    "start": ("start", "start_time", "onset", "begin", "begin_time", "start_s", "start_sec"),
    "end": ("end", "end_time", "stop", "end_s", "end_sec"),
    "duration": ("duration", "dur", "duration_s", "duration_sec"),
}
"""``table:``. An id has one name only: where another column became the id, tables that were read
before would get other ids.
"""
MILLISECONDS = {
    "start_ms": "start",
    "begin_ms": "start",
    "end_ms": "end",
    "duration_ms": "duration",
}
DIALOGUES: Vocabulary = {
    **CLIPS,
    "conversation": CONVERSATION,
    "turn": ("turn", "turn_id", "turn_index", "turn_number", "utterance_id", "utterance_index"),
}
"""``dialogues:``."""
FACTS: Vocabulary = {
    "sex": ("sex", "gender"),
    "age": ("age", "age_years", "age_group", "age_band"),
    "language": ("language", "lang", "native_language", "locale"),
}
"""What a table may say about speakers (``Clip.speaker_facts``)."""
PREDICTIONS: Vocabulary = {
    "id": ("id", *IDS, *PATH),
    "label": (
        *LABEL,
        *("y_true", "true", "true_label", "truth", "target", "ref", "reference", "gold"),
    ),
    "prediction": (
        "prediction",
        *("pred", "predicted", "y_pred", "hyp", "hypothesis", "predicted_label", "pred_label"),
    ),
    "group": ("group",),
    "speaker": SPEAKER,
    "fold": ("fold",),
    "replicate": ("replicate",),
}
"""``nverbench score``."""
PARTS = frozenset(
    {
        *("train", "training", "trn", "test", "testing", "tst", "eval", "evaluation", "dev"),
        *("devel", "development", "val", "valid", "validation"),
    }
)
"""Names of the parts of a split: a column ``set`` or ``subset`` of other values is no split."""
NOT_USED = "-"
"""``speaker=-``: no column is the speaker."""


@dataclass(frozen=True)
class Columns:
    """Which column has which meaning."""

    index: Mapping[str, int]
    rivals: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Meaning -> other columns whose names have it too."""
    own: frozenset[str] = frozenset()
    """Meanings whose column has nverbench's own name, or was named by an option."""


def shown(name: str) -> str:
    """The name of a column for a message: in quotes if it is long or not plain text."""
    plain = name.isprintable() and 0 < len(name) <= 40 and name == name.strip()
    return name if plain else abbreviated(name)


def key(name: str) -> str:
    """The same text for names that differ in letter case and punctuation only."""
    return "".join(c for c in names.clean(name).casefold() if c.isalnum())


def assign(
    columns: Sequence[str], vocabulary: Vocabulary, asked: Mapping[str, str], where: Where, row: int
) -> Columns:
    """The meaning of each column.

    Args:
        columns: the names in the table.
        vocabulary: meanings and their names.
        asked: meaning -> the column that an option names; ``-``: none.
        where: the table, for messages.
        row: the row that names the columns.

    Raises:
        NverbenchError: an option names a column that is not there, or a name is there twice.
    """
    keys = [key(name) for name in columns]
    index: dict[str, int] = {}
    rivals: dict[str, tuple[int, ...]] = {}
    own: set[str] = set()
    for meaning, words in vocabulary.items():
        wanted = asked.get(meaning, "")
        if wanted == NOT_USED:
            continue
        if wanted:
            index[meaning] = _asked(meaning, wanted, columns, where, row)
            own.add(meaning)
            continue
        found = [i for word in words for i, k in enumerate(keys) if k == key(word)]
        found = list(dict.fromkeys(found))
        if not found:
            continue
        _check_once(keys[found[0]], keys, columns, where, row)
        index[meaning] = found[0]
        rivals[meaning] = tuple(found[1:])
        if keys[found[0]] == words[0]:
            own.add(meaning)
    return Columns(index, rivals, frozenset(own))


def lacking(
    columns: Sequence[str],
    vocabulary: Vocabulary,
    asked: Mapping[str, str],
    required: Iterable[str],
) -> list[str]:
    """The required meanings that no column has, by its name or by an option."""
    keys = {key(name) for name in columns}
    wanted = {
        meaning: (asked[meaning],) if asked.get(meaning) else vocabulary[meaning]
        for meaning in required
    }
    return [meaning for meaning, words in wanted.items() if keys.isdisjoint(map(key, words))]


def _asked(meaning: str, wanted: str, columns: Sequence[str], where: Where, row: int) -> int:
    """The column that an option names: as written, else whatever its letter case."""
    exact = [i for i, name in enumerate(columns) if name == names.clean(wanted)]
    alike = exact or [i for i, name in enumerate(columns) if key(name) == key(wanted)]
    if len(alike) == 1:
        return alike[0]
    listed = ", ".join(shown(name) for name in columns[:12] if name)
    found = f"{len(alike)} of this name" if alike else listed or "none"
    raise where.fault(f"{meaning}={wanted}: expected one column of this name, found {found}", row)


def _check_once(
    name: str, keys: Sequence[str], columns: Sequence[str], where: Where, row: int
) -> None:
    same = [column for column, k in zip(columns, keys, strict=True) if k == name]
    if len(same) > 1:
        one = shown(names.clean(same[0]).lower())
        raise where.fault(
            f"expected one column {one}, found {len(same)}; rename or remove the others", row
        )
