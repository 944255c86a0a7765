"""The global state of the process that plugins share (settings, random states), and a capture of
printed text and warnings. Importing this imports no heavy library.
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
"""Name -> (reads the state as a comparable value; sets it)."""
MOST_CAPTURED = 65536
"""Bytes of printed text that are read back."""


def python_settings() -> Shared:
    """The global state of Python."""
    return {
        "environment variables": (_environment, _set_environment),
        "working folder": (_working_folder, lambda value: os.chdir(value) if value else None),
        "sys.path": (lambda: list(sys.path), lambda value: _refill(sys.path, value)),
        "standard streams": (lambda: (sys.stdin, sys.stdout, sys.stderr), _set_streams),
        "sys.excepthook": (lambda: sys.excepthook, lambda value: setattr(sys, "excepthook", value)),
        "signal handlers": (_handlers, _set_handlers),
        "random state of python": (random.getstate, random.setstate),
    }


def logging_settings() -> Shared:
    """The root logger."""
    import logging

    root = logging.root

    def put(value: tuple[Any, ...]) -> None:
        level, disabled, handlers = value
        root.setLevel(level)
        logging.disable(disabled)
        root.handlers[:] = handlers

    return {"root logger": (lambda: (root.level, root.manager.disable, tuple(root.handlers)), put)}


def numpy_settings() -> Shared:
    """The global state of numpy, which this imports."""
    import numpy as np

    def state() -> tuple[Any, ...]:
        name, key, *rest = np.random.get_state(legacy=True)
        return (name, tuple(np.asarray(key).tolist()), *rest)

    return {
        "random state of numpy": (state, np.random.set_state),
        "numpy's treatment of errors": (np.geterr, lambda value: np.seterr(**value)),
    }


def torch_settings() -> Shared:
    """The global settings of torch, which this imports, without its random state."""
    import torch

    cpu = torch.device("cpu")
    return {
        "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        # A default device "cpu" would intercept every call of torch; None is the initial value.
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
    """The global random state of torch on the CPU."""
    import torch

    return {
        "random state of torch": (
            lambda: torch.get_rng_state().numpy().tobytes(),
            lambda value: torch.set_rng_state(as_state(value)),
        )
    }


def as_state(state: bytes) -> Any:
    """The bytes of a random state, as the tensor that torch expects."""
    import torch

    return torch.frombuffer(bytearray(state), dtype=torch.uint8)


def read(shared: Shared) -> dict[str, Any]:
    """The present value of every state."""
    return {name: get() for name, (get, _) in shared.items()}


def restore(shared: Shared, before: Mapping[str, Any]) -> list[str]:
    """Restore the states that differ from ``before``. Returns their names."""
    now = read(shared)
    changed = [name for name in shared if now[name] != before[name]]
    for name in changed:
        shared[name][1](before[name])
    return [_named(name, before[name], now[name]) for name in changed]


def _named(name: str, before: Any, now: Any) -> str:
    """The name, and the changed keys of a mapping; never a value, which may be a secret."""
    if not isinstance(before, dict):
        return name
    keys = sorted({*before, *now}, key=str)
    return f"{name} ({', '.join(str(key) for key in keys if before.get(key) != now.get(key))})"


def _environment() -> dict[str, str]:
    """All variables except those of the OpenMP runtime: scikit-learn sets them on its first import,
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


def _refill(values: list[str], value: list[str]) -> None:
    values[:] = value


def _set_streams(value: tuple[Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr = value


def _handlers() -> dict[str, Any]:
    """Signal handlers by name; empty outside of the main thread, which alone can set them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number.name: signal.getsignal(number) for number in signal.Signals}


def _set_handlers(value: dict[str, Any]) -> None:
    for name, handler in value.items():
        number = signal.Signals[name]
        # None: a handler that C code set, which Python cannot restore
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


@dataclass
class Captured:
    """Printed text and warnings."""

    text: str = ""
    warnings: list[str] = field(default_factory=list)


class _StreamTee(io.StringIO):
    """Replaces a stream without a file descriptor. After the capture it forwards to that stream,
    because a handler of a logger may keep it.
    """

    def __init__(self, behind: Any) -> None:
        super().__init__()
        self.behind, self.capturing = behind, True

    def write(self, text: str) -> int:
        return super().write(text) if self.capturing else int(self.behind.write(text) or 0)


@contextmanager
def captured_output(ignored: tuple[type[Warning], ...] = ()) -> Iterator[Captured]:
    """Captures what is printed inside, through Python's streams and through their file descriptors,
    and every warning except ``ignored`` kinds.
    """
    captured, tees = Captured(), {}
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in ignored:
            warnings.simplefilter("ignore", kind)
        for name, number in (("stdout", 1), ("stderr", 2)):
            if not _flushed_to(getattr(sys, name), number):
                tees[name] = _StreamTee(getattr(sys, name))
        kept = {number: os.dup(number) for number in (1, 2) if _is_open(number)}
        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            for name, tee in tees.items():
                setattr(sys, name, tee)
            yield captured
        finally:
            _flush(sys.stdout)
            _flush(sys.stderr)
            for name, tee in tees.items():
                setattr(sys, name, tee.behind)
                tee.capturing = False
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            below = file.read(MOST_CAPTURED).decode(errors="replace")
            captured.text = "".join(tee.getvalue() for tee in tees.values()) + below
            captured.warnings = [f"{w.category.__name__}: {w.message}" for w in caught]


def _flushed_to(stream: Any, number: int) -> bool:
    """Flush a stream. Returns whether it writes to that file descriptor."""
    _flush(stream)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return bool(stream.fileno() == number)
    return False


def _flush(stream: Any) -> None:
    # AttributeError: no stream; OSError: a broken pipe; ValueError: a closed stream
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream.flush()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
