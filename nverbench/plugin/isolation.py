"""Runs the code of a plugin in isolation: its output and warnings are captured, its changes of
global state are reverted, and its time is limited.

Python cannot stop ``os._exit``, a crash in compiled code, or a wait inside a C call that no signal
ends.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Generic, TypeVar

from nverbench.plugin import process_state as process
from nverbench.plugin.process_state import Shared
from nverbench.plugin.time_limit import Clock

T = TypeVar("T")
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings for developers, which Python does not show to users by default."""
LONGEST = 160
"""Characters of a plugin's text that are quoted."""
# State that is read only if the library is imported: nverbench list imports none of them.
LIBRARIES: dict[str, Callable[[], Shared]] = {
    "logging": process.logging_settings,
    "numpy": process.numpy_settings,
    "torch": lambda: {**process.torch_settings(), **process.torch_random()},
}


@dataclass
class Outcome(Generic[T]):
    """The outcome of a plugin's code."""

    answer: T | None = None
    error: BaseException | None = None
    """The error that it raised; :class:`ImportTimeout` if it took too long."""
    remarks: list[str] = field(default_factory=list)
    """Its reverted changes, its output and its warnings, each in words."""

    def get(self) -> T | None:
        """The answer; the error of the code is raised again."""
        if self.error is not None:
            raise self.error
        return self.answer


def isolated_call(action: Callable[[], T], seconds: float | None) -> Outcome[T]:
    """Run a plugin's code for at most ``seconds``, without the import of numpy and torch; None: no
    limit.
    """
    outcome: Outcome[T] = Outcome()
    clock = Clock(seconds) if seconds is not None else None
    with process.captured_output(QUIET) as captured:
        filters = _global_filters()
        with _settings_kept(outcome.remarks, clock):
            try:
                with clock.running() if clock else contextlib.nullcontext():
                    outcome.answer = action()
            except KeyboardInterrupt:  # from the user
                raise
            except BaseException as error:  # a plugin may raise anything, SystemExit included
                outcome.error = error
        if _global_filters() != filters:
            outcome.remarks.append("changes filters of warnings (put back)")
    if captured.text.strip():
        outcome.remarks.append(f"prints {_quoted(captured.text)}")
    outcome.remarks.extend(
        f"warns {_quoted(warning)}" for warning in dict.fromkeys(captured.warnings)
    )
    return outcome


@contextlib.contextmanager
def _settings_kept(remarks: list[str], clock: Clock | None) -> Iterator[None]:
    """Restores every setting of the process that is changed inside, and adds a remark."""
    libraries = {name: settings() for name, settings in LIBRARIES.items() if _imported(name)}
    shared = {"": process.python_settings(), **libraries}
    before = {name: process.read(settings) for name, settings in shared.items()}

    def first_seen(name: str) -> None:
        shared[name] = LIBRARIES[name]()
        before[name] = process.read(shared[name])

    watch = _Watch([name for name in LIBRARIES if name not in libraries], first_seen, clock)
    sys.meta_path.insert(0, watch)
    try:
        yield
    finally:
        sys.meta_path.remove(watch)
        changed = [
            what
            for name, settings in shared.items()
            for what in process.restore(settings, before[name])
        ]
        if changed:
            remarks.append(f"changes {', '.join(changed)} (put back)")


class _Watch:
    """A finder that notices when a plugin imports a library first: the state of the library then is
    the one to restore, and the time of its import does not count.

    Compiled code whose import is interrupted cannot be imported again in the same process: another
    reason not to count the time.
    """

    def __init__(
        self, names: list[str], first_seen: Callable[[str], None], clock: Clock | None
    ) -> None:
        self.names, self.first_seen, self.clock = names, first_seen, clock

    def find_spec(
        self, name: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that Python finds, with a wrapped loader; None for modules not watched."""
        spec = PathFinder.find_spec(name, path) if name in self.names else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module  # importlib.util.find_spec alone does not call it

        def exec_module(module: ModuleType) -> None:
            if name in self.names:
                self.names.remove(name)
            with self.clock.paused() if self.clock else contextlib.nullcontext():
                execute(module)
                self.first_seen(name)

        vars(spec.loader)["exec_module"] = exec_module
        return spec


def _imported(name: str) -> bool:
    """Whether a library is imported completely."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def _global_filters() -> list[Any]:
    """Warning filters for all messages of all modules, of a kind that users see (libraries add
    narrower ones when they are imported).
    """
    return [
        f
        for f in warnings.filters
        if f[1] is None and f[3] is None and issubclass(UserWarning, f[2])
    ]


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line[:LONGEST]}{"…" if len(line) > LONGEST else ""}"'
