"""A memory of what was worked out, for plans of thousands of entries: nothing is computed, and
nothing fails, twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from nverbench.errors import NverbenchError

T = TypeVar("T")


class Memo:
    """Gives what a function gave the first time it was asked for a key, or raises what it
    raised.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives for ``key``; it is called at most once for each key. Errors of other
        kinds than ours are not remembered.
        """
        if key not in self._known:
            try:
                self._known[key] = make(), None
            except NverbenchError as error:
                self._known[key] = None, error.with_traceback(None)
        value, wrong = self._known[key]
        if wrong is not None:
            raise type(wrong)(
                *wrong.args
                # a fresh one: an error that is raised again keeps every frame it went through
            ) from wrong.__cause__
        return cast("T", value)
