"""The rule about options of fusions and losses: the harness can set each of them, and a mistyped
word is refused.
"""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from nverbench.errors import NverbenchError, UsageError
from nverbench.plugin.options import check_plain, declared, resolve
from nverbench.plugin.records import Fusion, Loss
from nverbench.testing.check import Pass, Skip, describe_error, expecting, rule, violation

NONSENSE = "no-such-choice"
GIVEN = 2
"""Arguments that the harness gives to ``build``: (dims, classes), or (classes, counts)."""


class BuiltPart(Protocol):
    """The subject of a fusion or a loss."""

    @property
    def part(self) -> Fusion | Loss:
        """The part under test."""

    @property
    def options(self) -> dict[str, Any]:
        """Every option of the reference, defaults included."""

    def build(self, **options: Any) -> object:
        """Builds the part with these options."""


@rule(
    "options",
    "Options are keyword-only with plain defaults that build; unknown options and mistyped words"
    " are refused.",
)
def options(subject: BuiltPart) -> Pass | Skip:
    part, full = subject.part, subject.options
    parameters = list(inspect.signature(part.build).parameters.values())
    loose = [p.name for p in parameters[GIVEN:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    if loose:
        do = f"write a * before {loose[0]} in build's signature"
        expected = "keyword-only options: the harness sets no others"
        raise violation(subject, expected, f"{loose[0]} among the arguments", do)
    for problem in check_plain(part):
        raise violation(
            subject, "options with plain defaults", problem, "correct build's signature"
        )
    try:
        resolve(part, f"{part.name}:{NONSENSE.replace('-', '_')}=1")
    except UsageError:
        pass
    else:
        do = "take no **options in build"
        raise violation(subject, "an unknown option to be refused", "a reference", do)
    known = ", ".join(declared(part.build)) or "none"
    with expecting(subject, f"build to take its own defaults ({known})"):
        subject.build(**full)
    for name, value in full.items():
        if isinstance(value, str):
            _check_refused(subject, name)
    return Pass(f"{len(declared(part.build))} options: {known}")


def _check_refused(subject: BuiltPart, name: str) -> None:
    """Raises ConformanceError when build accepts a word that is not one of the choices."""
    expected = f"{name}={NONSENSE} to be refused with UsageError"
    do = (
        f"raise UsageError in build if {name} is not one of its choices: a mistyped word would run"
        " as something else"
    )
    try:
        subject.build(**{**subject.options, name: NONSENSE})
    except NverbenchError:
        return
    except Exception as error:
        raise violation(subject, expected, describe_error(error), do) from error
    raise violation(subject, expected, "a part that was built", do)
