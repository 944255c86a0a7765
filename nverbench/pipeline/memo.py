"""A memo for plans of thousands of entries: nothing is computed, and no error is found, twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from nverbench.errors import NverbenchError

T = TypeVar("T")


class Memo:
    """Returns the first value of a function for a key, or raises its first error."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``make()``, which is called at most once per key; only an NverbenchError is
        remembered.
        """
        if key not in self._known:
            try:
                self._known[key] = make(), None
            except NverbenchError as error:
                self._known[key] = None, error.with_traceback(None)
        value, wrong = self._known[key]
        if wrong is not None:
            # a new error: one that is raised again keeps every frame that it passed through
            raise type(wrong)(*wrong.args) from wrong.__cause__
        return cast("T", value)
