"""That the process around a plugin is as it was: random states, settings, what is printed and what
is warned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from nverbench.plugin import process_state
from nverbench.plugin.process_state import Shared
from nverbench.testing import process_report
from nverbench.testing.check import violation

SEEDED = (
    "use `with ctx.seeded():` for random weights, generators of your own elsewhere, and put"
    " settings back"
)
OWN = "draw from generators of your own, seed nothing that others share, and put settings back"


@contextmanager
def no_side_effects(
    subject: object,
    during: str,
    states: Shared,
    *,
    also: Collection[str] = (),
    may: Collection[str] = (),
    do: str = SEEDED,
) -> Iterator[None]:
    """Raises ConformanceError when what ran inside left ``states`` changed, printed or warned; the
    states are put back all the same.

    Args:
        subject: whose message it is.
        during: what ran, in words.
        states: what must be as it was.
        also: other settings found changed, filled in meanwhile.
        may: names of states that may change.
        do: what its author does about a change.
    """
    kept = process_state.read(states)
    process_report.draw_one()
    before = process_state.read(states)
    try:
        with process_state.captured_output() as heard:
            yield
        changed = [
            name for name in process_state.restore(states, before) if name not in may
        ] + sorted(also)
    finally:
        process_state.restore(states, kept)
    if changed:
        raise violation(
            subject,
            expected=f"the process as it was before {during}",
            got=f"another {', '.join(changed)}",
            do=do,
        )
    if heard.text:
        raise violation(
            subject,
            expected=f"nothing printed during {during}",
            got=repr(heard.text[:80]),
            do="silence the library that prints it",
        )
    if heard.warnings:
        mend = "mend the cause, or catch it where it is known to be harmless"
        raise violation(
            subject,
            expected=f"no warning during {during}",
            got=repr(heard.warnings[0][:120]),
            do=mend,
        )
