"""Plugins that hung at import: remembered on this machine, so that the next command does not wait
again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nverbench.errors import ArtifactError, DiskError, UsageError

SECONDS = 20.0
"""How long the import of a plugin may take, hooks included, numpy and torch not: ours, for a cold
disk on a busy machine; waited for only once.
"""
VARIABLE = "NVERBENCH_PLUGIN_SECONDS"
NOTES, SECTION = "plugins", "hung"


@dataclass(frozen=True)
class Hang:
    """What a plugin was when it took more than that many seconds."""

    version: str
    files: str
    """Digest of what :func:`_stamp` sees: the plugin is tried again once a file of it changes."""
    seconds: float


def allowed() -> float:
    """Seconds a plugin may take.

    Raises:
        UsageError: ``NVERBENCH_PLUGIN_SECONDS`` is no number above 0.
    """
    text = os.environ.get(VARIABLE) or str(SECONDS)
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1e6:
            return float(text)
    raise UsageError(
        f"{VARIABLE} is {text!r}; expected the seconds that a plugin may take to be imported, a"
        " number above 0"
    )


def remembered(handle: str, version: str, module: str, seconds: float) -> str | None:
    """Why a plugin is not tried again; None when it is: it never hung, it changed since, or it is
    given more time.
    """
    known = _notes().get(handle)
    if known is None:
        return None
    try:
        hang = Hang(**known)
        if hang.version != version or seconds > hang.seconds or hang.files != _stamp(module):
            return None
    except TypeError:  # damaged: it will be written again
        return None
    return (
        f"its import took more than {hang.seconds:g} s on an earlier run, so it is not tried again"
        f" before it changes; {_way_out(hang.seconds)}"
    )


def too_slow(handle: str, version: str, module: str | None, seconds: float) -> str:
    """The sentence that says that a plugin took too long; where its module is known by name, the
    plugin is remembered.
    """
    said = f"its import took more than {seconds:g} s and was stopped"
    if module is None:
        return f"{said}; {VARIABLE}={6 * seconds:g} gives it longer"
    from nverbench._io import state

    with contextlib.suppress(
        ArtifactError, DiskError
    ):  # a home that cannot be written: the next command waits again
        state.write_state(NOTES, SECTION, handle, asdict(Hang(version, _stamp(module), seconds)))
    return f"{said}; it is not tried again before it changes; {_way_out(seconds)}"


def forget() -> None:
    """Try every plugin again."""
    from nverbench._io import state

    for handle in _notes():
        state.write_state(NOTES, SECTION, handle, None)


def _way_out(seconds: float) -> str:
    return (
        f"nverbench list plugins --retry tries it again, {VARIABLE}={6 * seconds:g} gives it longer"
    )


def _notes() -> dict[str, Any]:
    from nverbench._io import state

    try:
        return {
            handle: hang
            for handle, hang in state.read_state(NOTES).get(SECTION, {}).items()
            if hang is not None
        }
    except (OSError, ArtifactError):  # a memory that cannot be read is none; it costs a wait
        return {}


def _stamp(module: str) -> str:
    """Digest of the names, sizes and times of the files that a module's top-level package is made
    of; nothing is imported.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = importlib.util.find_spec(module.partition(".")[0])
        if spec is not None:
            files = {
                path
                for folder in spec.submodule_search_locations or ()
                for path in Path(folder).rglob("*.py")
            }
            facts = [
                (str(p), (s := p.stat()).st_size, s.st_mtime_ns)
                for p in sorted(files | ({Path(spec.origin)} if spec.origin else set()))
            ]
            return hashlib.sha256(repr(facts).encode()).hexdigest()
    return ""
