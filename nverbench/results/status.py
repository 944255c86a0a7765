"""What a reader must know about a result before its numbers, in one wording."""

from __future__ import annotations

from nverbench.data.overlaps import POSSIBLY
from nverbench.results.record import Result

CONTROL = "control, not a result"
OPTIMISTIC = "optimistic: the stopping epoch was chosen on the test part"
PRETRAINED = "pretrained on these recordings"


def status_notes(result: Result) -> list[str]:
    """Return a note for each of: the result is a control, it is optimistic, its backbones were
    pretrained on the corpus that it is scored on. Names in the notes are not escaped.
    """
    seen = ", ".join(result.heard_in_pretraining)
    notes = {
        CONTROL: result.control,
        OPTIMISTIC: result.optimistic,
        f"{pretraining_note(result)}: {seen}": bool(seen),
    }
    return [note for note, holds in notes.items() if holds]


def pretraining_note(result: Result) -> str:
    """Return whether backbones were, or only may have been, pretrained on the corpus of a result;
    empty where nothing is known.
    """
    named = result.heard_in_pretraining
    certain = any(POSSIBLY not in backbone for backbone in named)
    return (PRETRAINED if certain else f"possibly {PRETRAINED}") if named else ""
