"""The state of the process that a plugin shares with everybody else, and what it lets be seen and
heard. Importing this imports no heavy library.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Shared = Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]]
"""Name -> (how it is read, as something that can be compared; how it is set)."""
MOST_CAPTURED = 65536
"""Bytes of what was printed that are read back."""


def python_settings() -> Shared:
    """What Python itself holds for everybody."""
    return {
        "environment variables": (_environment, _set_environment),
        "working folder": (_working_folder, lambda value: os.chdir(value) if value else None),
        "sys.path": (
            lambda: list(sys.path),
            lambda value: sys.path.__setitem__(slice(None), value),
        ),
        "standard streams": (lambda: (sys.stdin, sys.stdout, sys.stderr), _set_streams),
        "sys.excepthook": (lambda: sys.excepthook, lambda value: setattr(sys, "excepthook", value)),
        "signal handlers": (_handlers, _set_handlers),
        "random state of python": (random.getstate, random.setstate),
    }


def logging_settings() -> Shared:
    """The logger that everybody's messages reach."""
    import logging

    root = logging.root

    def put(value: tuple[Any, ...]) -> None:
        level, disabled, handlers = value
        root.setLevel(level)
        logging.disable(disabled)
        root.handlers[:] = handlers

    return {"root logger": (lambda: (root.level, root.manager.disable, tuple(root.handlers)), put)}


def numpy_settings() -> Shared:
    """What numpy holds; it must be imported already, or will be."""
    import numpy as np

    def state() -> tuple[Any, ...]:
        name, key, *rest = np.random.get_state(legacy=True)
        return (name, tuple(np.asarray(key).tolist()), *rest)

    return {
        "random state of numpy": (state, np.random.set_state),
        "numpy's treatment of errors": (np.geterr, lambda value: np.seterr(**value)),
    }


def torch_settings() -> Shared:
    """What torch holds, but for its random state; it must be imported already, or will be."""
    import torch

    cpu = torch.device("cpu")
    return {
        "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        # A default device of "cpu" would look at every call of torch; None is how torch begins.
        "default device": (
            torch.get_default_device,
            lambda value: torch.set_default_device(None if value == cpu else value),
        ),
        "number of threads": (torch.get_num_threads, torch.set_num_threads),
        "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "deterministic mode": (
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
        "precision of products": (
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        "benchmark mode of cuDNN": (
            lambda: torch.backends.cudnn.benchmark,
            lambda value: setattr(torch.backends.cudnn, "benchmark", value),
        ),
    }


def torch_random() -> Shared:
    """The global random state of torch on the processor."""
    import torch

    return {
        "random state of torch": (
            lambda: torch.get_rng_state().numpy().tobytes(),
            lambda value: torch.set_rng_state(as_state(value)),
        )
    }


def as_state(state: bytes) -> Any:
    """The bytes of a random state as the tensor that torch takes."""
    import torch

    return torch.frombuffer(bytearray(state), dtype=torch.uint8)


def read(shared: Shared) -> dict[str, Any]:
    """What every one of them is now."""
    return {name: get() for name, (get, _) in shared.items()}


def restore(shared: Shared, before: Mapping[str, Any]) -> list[str]:
    """The names of those that are no longer what they were; they are again."""
    now = read(shared)
    changed = [name for name in shared if now[name] != before[name]]
    for name in changed:
        shared[name][1](before[name])
    return [_named(name, before[name], now[name]) for name in changed]


def _named(name: str, before: Any, now: Any) -> str:
    """The name, and which keys of it changed where it has keys; never a value, which may be a
    secret.
    """
    if not isinstance(before, dict):
        return name
    return (
        f"{name}"
        f" ({', '.join(str(key) for key in sorted({*before, *now}, key=str) if before.get(key) != now.get(key))})"
    )


def _environment() -> dict[str, str]:
    """All variables but those of the OpenMP runtime: scikit-learn sets them on its first import,
    and a second runtime may abort without them.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}


def _set_environment(value: dict[str, str]) -> None:
    for name in set(_environment()) - set(value):
        del os.environ[name]
    os.environ.update(value)


def _working_folder() -> Path | None:
    with contextlib.suppress(OSError):  # the folder may be gone
        return Path.cwd()
    return None


def _set_streams(value: tuple[Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr = value


def _handlers() -> dict[str, Any]:
    """Handlers by signal; only the main thread can set them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number.name: signal.getsignal(number) for number in signal.Signals}


def _set_handlers(value: dict[str, Any]) -> None:
    for name, handler in value.items():
        if (
            signal.getsignal(signal.Signals[name]) != handler and handler is not None
        ):  # None: set by C, which Python cannot do
            signal.signal(signal.Signals[name], handler)


@dataclass
class Captured:
    """What was printed and warned."""

    text: str = ""
    warnings: list[str] = field(default_factory=list)


class _StreamTee(io.StringIO):
    """Stands in for a stream that no file descriptor is behind; whoever keeps it (a handler of a
    logger) writes to that stream later.
    """

    def __init__(self, behind: Any) -> None:
        super().__init__()
        self.behind, self.listening = behind, True

    def write(self, text: str) -> int:
        return super().write(text) if self.listening else int(self.behind.write(text) or 0)


@contextmanager
def captured_output(ignored: tuple[type[Warning], ...] = ()) -> Iterator[Captured]:
    """Keeps what is printed inside, through Python's streams and through the file descriptors below
    them, and every warning but ``ignored`` kinds.
    """
    heard, ears = Captured(), {}
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in ignored:
            warnings.simplefilter("ignore", kind)
        for name, number in (("stdout", 1), ("stderr", 2)):
            if not _flushed_to(getattr(sys, name), number):
                ears[name] = _StreamTee(getattr(sys, name))
        kept = {number: os.dup(number) for number in (1, 2) if _is_open(number)}
        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            for name, ear in ears.items():
                setattr(sys, name, ear)
            yield heard
        finally:
            _flush(sys.stdout)
            _flush(sys.stderr)
            for name, ear in ears.items():
                setattr(sys, name, ear.behind)
                ear.listening = False
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            heard.text = "".join(ear.getvalue() for ear in ears.values()) + file.read(
                MOST_CAPTURED
            ).decode(errors="replace")
            heard.warnings = [f"{w.category.__name__}: {w.message}" for w in caught]


def _flushed_to(stream: Any, number: int) -> bool:
    """Whether what is written to a stream ends in that file descriptor; what waits in it is on its
    way.
    """
    _flush(stream)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return bool(stream.fileno() == number)
    return False


def _flush(stream: Any) -> None:
    with contextlib.suppress(
        AttributeError, OSError, ValueError
    ):  # none at all, a broken pipe, closed
        stream.flush()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
