"""The law that every parser is held to, whatever it is given; its tally; and ways to spoil bytes,
values and names.

``NVERBENCH_FUZZ=20`` draws twenty times as many examples; ``python benchmarks/reliability/fuzz.py``
prints the tally.
"""

from __future__ import annotations

import copy
import math
import os
import resource
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from nverbench.errors import NverbenchError

T = TypeVar("T")

EXAMPLES = int(os.environ.get("NVERBENCH_FUZZ", "1"))
SECONDS = 5.0
"""Of the processor, for one file of a few kilobytes."""
MEMORY = 2 << 30
"""Address space that one file may cost."""
LONGEST = 2000
TALLY: dict[str, Counter[str]] = defaultdict(Counter)
"""Parser -> refused, read, crashed, hung."""


class Hung(BaseException):
    """Not an Exception: a parser that catches everything must not take its own hang for a damaged
    file.
    """


def often(examples: int) -> settings:
    """The settings of a property: as many examples times ``NVERBENCH_FUZZ``, the same ones every
    time.
    """
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(
        max_examples=examples * EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=checks,
    )


def lawful(parser: str, call: Callable[[], T], *names: str, seconds: float = SECONDS) -> T | None:
    """What the parser made of it, or None where it said in one bounded line, with one of ``names``
    in it, why it makes nothing of it.
    """
    try:
        with _limited(seconds):
            found = call()
    except NverbenchError as error:
        check_line(str(error), *names)
        TALLY[parser]["refused"] += 1
        return None
    except Hung as error:
        TALLY[parser]["hung"] += 1
        raise AssertionError(f"{parser} took more than {seconds} s") from error
    except BaseException:
        TALLY[parser]["crashed"] += 1
        raise
    TALLY[parser]["read"] += 1
    return found


def check_line(text: str, *names: str) -> None:
    """One line of bounded length that names what it is about."""
    assert len(text.splitlines()) == 1, text
    assert len(text) < LONGEST, len(text)
    assert not names or any(name in text for name in names), text


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Seconds of the processor, not of the clock: a busy machine is no hang. pytest-timeout holds
    the clock.
    """

    def stop(*_: object) -> None:
        raise Hung

    before, limits = signal.signal(signal.SIGPROF, stop), resource.getrlimit(resource.RLIMIT_AS)
    used = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if Path("/proc/self/statm").exists()
        else 0
    )
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY if used else limits[0], limits[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, before)


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "\x00",
            "\n",
            "a\nb",
            "\x1b[2J",
            "\u202e",
            "\ud800",
            "../../etc/passwd",
            "/etc/passwd",
            "~",
            "C:\\x",
            "=1+1",
            "<script>",
            "nan",
            "x" * 300,
            "é",
            "e\u0301",
            ".",
            "..",
            "-",
            "--help",
            "%s%n",
            "{0.__class__}",
            "${HOME}",
            "1e999",
            "\ufeff",
            "a" * 5000,
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(
        [
            math.nan,
            math.inf,
            -math.inf,
            1e308,
            -0.0,
            5e-324,
            2**31,
            2**63,
            -(2**63) - 1,
            10**30,
            10**400,
            True,
            False,
        ]
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), TEXTS, NUMBERS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
"""Anything that JSON or YAML can hold, and a little more."""


@st.composite
def spoilt_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with bytes changed, cut off, doubled, moved or put in; or other bytes altogether."""
    size = len(content)
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at, n = draw(st.integers(0, max(0, len(data) - 1))), draw(st.sampled_from([1, 2, 4, 8, 64]))
        match draw(
            st.sampled_from(["flip", "flip", "set", "cut", "drop", "double", "put", "all", "near"])
        ):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "near" if data:  # heads are short and hold the lengths
                data[min(at % 64, len(data) - 1)] = draw(st.integers(0, 255))
            case "set":
                data[at : at + n] = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"])) * n
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + n]
            case "double":
                data[at:at] = data[at : at + size // 2 + 1]
            case "put":
                data[at:at] = draw(st.binary(max_size=32))
            case "all":
                data = bytearray(draw(st.binary(max_size=64)))
    return bytes(data)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a tree of dicts and lists, its own first."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, value: Any, times: int = 2) -> Any:
    """A tree of dicts and lists with values replaced, keys taken out, renamed or added, lists made
    longer.
    """
    tree = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, times))):
        *way, last = draw(st.sampled_from(places(tree)[1:] or [(None,)]))
        inside = tree
        for step in way:
            inside = inside[step]
        if last is None or not isinstance(inside, dict | list):
            return draw(VALUES)
        match draw(st.sampled_from(["like", "like", "replace", "take", "add", "again"])):
            case "like" if isinstance(inside[last], str):
                inside[last] = draw(TEXTS)
            case "like" if isinstance(inside[last], int | float):
                inside[last] = draw(NUMBERS)
            case "like" if isinstance(inside, dict):
                inside[draw(TEXTS)] = inside.pop(last)
            case "replace":
                inside[last] = draw(st.one_of(VALUES, TEXTS, NUMBERS))
            case "take":
                del inside[last]
            case "add" if isinstance(inside, dict):
                inside[draw(TEXTS)] = draw(VALUES)
            case "again" if isinstance(inside, list):
                inside.insert(0, copy.deepcopy(inside[last]))
    return tree
