"""A conformance check and its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from nverbench.errors import ConformanceError, NverbenchError

if TYPE_CHECKING:
    from nverbench.testing.backbones.subject import Subject

S = TypeVar("S", contravariant=True)
"""The subject of a check: a backbone, dataset, fusion or loss under test."""
LONGEST = 300
"""Characters of a plugin's error that are quoted."""


@dataclass(frozen=True)
class Pass:
    """The rule holds."""

    measured: str = ""
    """The measured value, if the rule has a tolerance."""


@dataclass(frozen=True)
class Skip:
    """The rule does not apply to this part, or cannot be tried on this machine."""

    reason: str


@dataclass(frozen=True)
class Check(Generic[S]):
    """One rule, and the function that tries it.

    ``run(subject)`` returns :class:`Pass` or :class:`Skip`. It raises ConformanceError, or the
    PartError that the harness itself would raise, with one line that says what was expected, what
    came and what to do.
    """

    name: str
    rule: str
    run: Callable[[S], Pass | Skip]
    slow: bool = False
    """True: tried only on request."""


def rule(
    name: str, text: str, *, slow: bool = False
) -> Callable[[Callable[[S], Pass | Skip]], Check[S]]:
    """A decorator that makes a :class:`Check` of the function that tries the rule."""
    return lambda run: Check(name, text, run, slow)


def violation(subject: object, expected: str, got: str, do: str) -> ConformanceError:
    """The error of a rule that does not hold, in one line."""
    return ConformanceError(f"{subject}: expected {expected}, got {got}; {do}")


def describe_error(error: BaseException) -> str:
    """A plugin's error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]


@contextmanager
def expecting(
    subject: object,
    expected: str,
    do: str = "correct it, or raise PartError or UsageError with a line that says what to do",
) -> Iterator[None]:
    """Turns any error of a plugin inside into a ConformanceError of one line; an NverbenchError,
    which a plugin raises on purpose, passes through.
    """
    try:
        yield
    except NverbenchError:
        raise
    except Exception as error:
        raise violation(subject, expected, describe_error(error), do) from error


def only_encoders(run: Callable[[Subject], Pass | Skip]) -> Callable[[Subject], Pass | Skip]:
    """The same check, skipped for a backbone that looks stored features up and has no encoder."""

    def checked(subject: Subject) -> Pass | Skip:
        if subject.part.load is None:
            return Skip(
                f"{subject.part.name} looks stored features up: there is no encoder to check"
            )
        return run(subject)

    return checked
