"""What a reader must know about a result before its numbers, in one wording."""

from __future__ import annotations

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
        f"{PRETRAINED}: {seen}": bool(seen),
    }
    return [note for note, holds in notes.items() if holds]
