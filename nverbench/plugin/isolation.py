"""Runs a plugin's own code so that it harms only itself: what it prints and warns is kept, what it
changes is put back, and it may not take for ever.

What Python cannot stop is not stopped: ``os._exit``, a crash in compiled code, a wait inside a C
call that no signal ends.
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
"""Warnings for developers, which Python does not show to users either."""
LONGEST = 160
"""Characters of a plugin's text that are quoted."""
# Looked at only where somebody imports them: a look at the list imports none of them.
LIBRARIES: dict[str, Callable[[], Shared]] = {
    "logging": process.logging_settings,
    "numpy": process.numpy_settings,
    "torch": lambda: {**process.torch_settings(), **process.torch_random()},
}


@dataclass
class Outcome(Generic[T]):
    """What came of a plugin's code."""

    answer: T | None = None
    error: BaseException | None = None
    """What it raised; ``nverbench.plugin.time_limit.ImportTimeout`` when it took too long."""
    remarks: list[str] = field(default_factory=list)
    """What it did that is nobody else's business, undone."""

    def get(self) -> T | None:
        """The answer; what the code raised is raised again."""
        if self.error is not None:
            raise self.error
        return self.answer


def isolated_call(action: Callable[[], T], seconds: float | None) -> Outcome[T]:
    """Run a plugin's code. It may take ``seconds``, not counting the import of numpy and torch;
    None: as long as it likes.
    """
    outcome: Outcome[T] = Outcome()
    clock = Clock(seconds) if seconds is not None else None
    with process.captured_output(QUIET) as heard:
        blanket = _blanket_filters()
        with _settings_kept(outcome.remarks, clock):
            try:
                with clock.running() if clock else contextlib.nullcontext():
                    outcome.answer = action()
            except KeyboardInterrupt:  # the user's
                raise
            except (
                BaseException
            ) as error:  # a plugin may raise anything, SystemExit and worse; it harms only itself
                outcome.error = error
        if _blanket_filters() != blanket:
            outcome.remarks.append("changes filters of warnings (put back)")
    if heard.text.strip():
        outcome.remarks.append(f"prints {_quoted(heard.text)}")
    outcome.remarks.extend(f"warns {_quoted(warning)}" for warning in dict.fromkeys(heard.warnings))
    return outcome


@contextlib.contextmanager
def _settings_kept(remarks: list[str], clock: Clock | None) -> Iterator[None]:
    """Puts back every setting of the process that is changed inside, and says which."""
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
    """Sees a library being imported by a plugin: what the library holds then is what everybody else
    expects, and the time is not the plugin's.

    An import of compiled code that is broken off cannot be done again in the same process: another
    reason not to count it.
    """

    def __init__(
        self, names: list[str], first_seen: Callable[[str], None], clock: Clock | None
    ) -> None:
        self.names, self.first_seen, self.clock = names, first_seen, clock

    def find_spec(
        self, name: str, path: Any, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that Python finds anyway, with an ear at its loader; None for everything that is
        not watched.
        """
        spec = PathFinder.find_spec(name, path) if name in self.names else None
        if spec is None or spec.loader is None:
            return None
        execute = (
            spec.loader.exec_module
        )  # not called by who only asks whether the library is there

        def exec_module(module: ModuleType) -> None:
            if name in self.names:
                self.names.remove(name)
            with self.clock.paused() if self.clock else contextlib.nullcontext():
                execute(module)
                self.first_seen(name)

        vars(spec.loader)["exec_module"] = exec_module
        return spec


def _imported(name: str) -> bool:
    """Whether a library is imported, whole."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def _blanket_filters() -> list[Any]:
    """Filters that hold for any message of any module, of a kind that users see (libraries add
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
