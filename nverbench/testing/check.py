"""What a conformance check is, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from nverbench.errors import ConformanceError, NverbenchError

if TYPE_CHECKING:
    from nverbench.testing.backbones.subject import Subject

S = TypeVar("S")
"""What is checked: a backbone, dataset, fusion or loss as a subject."""
LONGEST = 300
"""Characters kept of somebody else's error."""


@dataclass(frozen=True)
class Pass:
    """The rule holds."""

    measured: str = ""
    """What was measured, where the rule has a tolerance."""


@dataclass(frozen=True)
class Skip:
    """The rule does not apply to this part, or cannot be tried on this machine."""

    reason: str


@dataclass(frozen=True)
class Check(Generic[S]):
    """One rule, and the function that tries it.

    ``run(subject)`` gives :class:`Pass` or :class:`Skip`; it raises ConformanceError, or the
    PartError the harness itself would raise, with one line that says what was expected, what came
    and what to do.
    """

    name: str
    rule: str
    run: Callable[[S], Pass | Skip]
    slow: bool = False
    """True: left out unless asked for."""


def violation(subject: object, *, expected: str, got: str, do: str) -> ConformanceError:
    """The error of a rule that does not hold, in one line."""
    return ConformanceError(f"{subject}: expected {expected}, got {got}; {do}")


def describe_error(error: BaseException) -> str:
    """Somebody else's error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]


@contextmanager
def expecting(
    subject: object,
    wanted: str,
    do: str = "mend it, or raise PartError or UsageError with a line that says what to do",
) -> Iterator[None]:
    """Whatever a plugin raises inside becomes one line; what it raises on purpose passes
    through.
    """
    try:
        yield
    except NverbenchError:
        raise
    except Exception as error:
        raise violation(subject, expected=wanted, got=describe_error(error), do=do) from error


def only_encoders(run: Callable[[Subject], Pass | Skip]) -> Callable[[Subject], Pass | Skip]:
    """The same check, skipped for a part that looks stored features up instead of listening."""

    def checked(subject: Subject) -> Pass | Skip:
        if subject.part.load is None:
            return Skip(
                f"{subject.part.name} looks stored features up: there is no encoder to check"
            )
        return run(subject)

    return checked
