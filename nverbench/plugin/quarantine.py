"""Remembers plugins that hung at import, so that the next command does not wait again."""

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
"""Time limit for the import of a plugin and its hooks, without numpy and torch. Our choice, for a
cold disk on a busy machine; a command waits this long only once.
"""
VARIABLE = "NVERBENCH_PLUGIN_SECONDS"
NOTES, SECTION = "plugins", "hung"


@dataclass(frozen=True)
class Hang:
    """The state of a plugin when it took more than ``seconds``."""

    version: str
    files: str
    """The digest of :func:`_stamp`: the plugin is tried again when one of its files changes."""
    seconds: float


def allowed() -> float:
    """The seconds that a plugin may take.

    Raises:
        UsageError: ``NVERBENCH_PLUGIN_SECONDS`` is not a number above 0.
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
    """Why a plugin is not tried again; None if it is: it never hung, it has changed, or the limit
    is higher now.
    """
    known = _notes().get(handle)
    if known is None:
        return None
    try:
        hang = Hang(**known)
        if hang.version != version or seconds > hang.seconds or hang.files != _stamp(module):
            return None
    except TypeError:  # a damaged note is written again
        return None
    return (
        f"its import took more than {hang.seconds:g} s on an earlier run, so it is not tried again"
        f" before it changes; {_remedy(hang.seconds)}"
    )


def too_slow(handle: str, version: str, module: str | None, seconds: float) -> str:
    """The error message of a plugin that took too long; a plugin whose module is named is
    remembered.
    """
    stopped = f"its import took more than {seconds:g} s and was stopped"
    if module is None:
        return f"{stopped}; {VARIABLE}={6 * seconds:g} gives it longer"
    from nverbench._io import state

    # If the home cannot be written, the next command waits again.
    with contextlib.suppress(ArtifactError, DiskError):
        state.write_state(NOTES, SECTION, handle, asdict(Hang(version, _stamp(module), seconds)))
    return f"{stopped}; it is not tried again before it changes; {_remedy(seconds)}"


def forget() -> None:
    """Forget all hung plugins, so that each is tried again."""
    from nverbench._io import state

    for handle in _notes():
        state.write_state(NOTES, SECTION, handle, None)


def _remedy(seconds: float) -> str:
    return (
        f"nverbench list plugins --retry tries it again, {VARIABLE}={6 * seconds:g} gives it longer"
    )


def _notes() -> dict[str, Any]:
    from nverbench._io import state

    try:
        hangs = state.read_state(NOTES).get(SECTION, {}).items()
        return {handle: hang for handle, hang in hangs if hang is not None}
    except (OSError, ArtifactError):  # an unreadable memory costs a wait
        return {}


def _stamp(module: str) -> str:
    """Digest of names, sizes and times of the files of a module's top-level package; nothing is
    imported.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = importlib.util.find_spec(module.partition(".")[0])
        if spec is not None:
            folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
            files = {path for folder in folders for path in folder.rglob("*.py")}
            files |= {Path(spec.origin)} if spec.origin else set()
            facts = [(str(p), (s := p.stat()).st_size, s.st_mtime_ns) for p in sorted(files)]
            return hashlib.sha256(repr(facts).encode()).hexdigest()
    return ""
