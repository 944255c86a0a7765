"""``--plugin FILE.py``: one file tried as a plugin, without a package around it.

Its rows are unofficial, and its digest stands where a distribution has a version: another content
is another row. A process that trains folds is given the source (parts travel by reference, so that
it needs the module) and never reads the file again, which may have been edited by then.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from nverbench.errors import UsageError
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.plugin.isolation import isolated_call

FILE = "file:"
"""Begins the name that stands for a distribution. No distribution's name has a colon."""
HOOKS = ("nverbench_backbones", "nverbench_datasets", "nverbench_fusions", "nverbench_losses")
Code = tuple[str, bytes]
"""A file's path, for tracebacks, and its content."""

_running: dict[str, Code] = {}


def read(paths: Iterable[Path]) -> list[tuple[Origin, ModuleType]]:
    """The modules that these files are, and who brings their parts; a file named twice counts once.

    Raises:
        UsageError: a file is missing, raises when it is run, or has no hook; or two files have one
            name.
    """
    once = list({path.expanduser().resolve(): path.expanduser() for path in paths}.values())
    for i, path in enumerate(once):
        if path.name in {other.name for other in once[:i]}:
            raise UsageError(
                f"--plugin {path}: two files are called {path.name}, and results tell them apart by"
                " name; rename one"
            )
    return [_read(path) for path in once]


def check(catalog: Catalog, origins: Iterable[Origin]) -> None:
    """Raise a UsageError when the catalog did not take in all parts of a file: who names a file
    wants it.
    """
    for origin in origins:
        for quarantined in catalog.quarantine:
            if quarantined.origin == origin:
                raise UsageError(f"--plugin {origin.plugin}: {quarantined.error}")
        for clash in catalog.clashes:
            if str(origin) in clash:
                raise UsageError(
                    f"--plugin {origin.plugin}: {clash}, or leave a plugin out with --no-plugin"
                    " NAME"
                )


def stamp(catalog: Catalog) -> None:
    """Put a file's digest behind the revision of its backbones: embeddings made by another content
    are not taken from the cache.
    """
    for name, origin in catalog.backbones.origins.items():
        if is_file(origin.distribution):
            part = catalog.backbones.parts[name]
            catalog.backbones.parts[name] = replace(
                part, revision=f"{part.revision}+{origin.version}"
            )


def is_file(distribution: str) -> bool:
    """Whether parts came with ``--plugin`` and not from an installed distribution."""
    return distribution.startswith(FILE)


def running() -> tuple[Code, ...]:
    """The files that were run in this process: what one that it starts has to :func:`adopt`."""
    return tuple(_running.values())


def adopt(files: Sequence[Code]) -> None:
    """Run the files of the process that started this one, under the same names of modules; what
    they print there was said here before.
    """
    for path, content in files:
        isolated_call(functools.partial(_run, path, content), None).get()


def _read(path: Path) -> tuple[Origin, ModuleType]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--plugin {path}: cannot be read ({error.strerror}); give the path of a Python file"
        ) from error
    try:
        module = _run(str(path), content)
    except (Exception, SystemExit) as error:  # a file may raise anything
        raise UsageError(f"--plugin {path}: {_quote(error, str(path))}; mend the file") from error
    if not any(hasattr(module, hook) for hook in HOOKS):
        raise UsageError(
            f"--plugin {path}: has none of the hooks {', '.join(HOOKS)}; nverbench new KIND NAME"
            " writes a file that has one"
        )
    return Origin(path.name, f"{FILE}{path.name}", _digest(content)), module


def _run(path: str, content: bytes) -> ModuleType:
    name = f"nverbench_file_{_digest(content)}"
    if name in _running and name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = (
        module  # before it runs: dataclasses and pickle look a module up by its name
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            exec(compile(content, path, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    _running[name] = (path, content)
    return module


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _quote(error: BaseException, path: str) -> str:
    """The error in one line, with the line of the file that it came from."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == path
    ]
    text = " ".join(str(error).split()) or "no message"
    return f"{f'line {lines[-1]}: ' if lines else ''}{type(error).__name__}: {text}"
