"""``--plugin FILE.py``: one file as a plugin, without a package around it.

Its rows are unofficial, and its digest takes the place of a version: a file with another content
gives another row. A process that trains folds gets the source (parts are pickled by reference, so
it needs the module) and never reads the file again, which may have been edited since.
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
"""The start of the name that replaces a distribution's. No distribution has a colon in its name."""
HOOKS = ("nverbench_backbones", "nverbench_datasets", "nverbench_fusions", "nverbench_losses")
Code = tuple[str, bytes]
"""A file's path, for tracebacks, and its content."""

_running: dict[str, Code] = {}


def read(paths: Iterable[Path]) -> list[tuple[Origin, ModuleType]]:
    """The modules of these files and their origins; a file that is given twice counts once.

    Raises:
        UsageError: a file is missing, raises when it is run, or has no hook; or two files have one
            name.
    """
    files = list({path.expanduser().resolve(): path.expanduser() for path in paths}.values())
    for i, path in enumerate(files):
        if path.name in {other.name for other in files[:i]}:
            raise UsageError(
                f"--plugin {path}: two files are called {path.name}, and results tell them apart by"
                " name; rename one"
            )
    return [_read(path) for path in files]


def check(catalog: Catalog, origins: Iterable[Origin]) -> None:
    """Raise a UsageError if the catalog lacks a part of a file that the user named."""
    for origin in origins:
        for quarantined in catalog.quarantine:
            if quarantined.origin == origin:
                raise UsageError(f"--plugin {origin.plugin}: {quarantined.error}")
        for clash in catalog.clashes:
            if str(origin) in clash:
                remedy = "or leave a plugin out with --no-plugin NAME"
                raise UsageError(f"--plugin {origin.plugin}: {clash}, {remedy}")


def stamp(catalog: Catalog) -> None:
    """Add a file's digest to the revision of its backbones, so that the cache never returns
    embeddings that another content made.
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
    """The files that ran in this process; a process that it starts must :func:`adopt` them."""
    return tuple(_running.values())


def adopt(files: Sequence[Code]) -> None:
    """Run the files of the parent process under the same module names; their output is dropped,
    because the parent has already shown it.
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
        raise UsageError(
            f"--plugin {path}: {_describe(error, str(path))}; correct the file"
        ) from error
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
    sys.modules[name] = module  # before it runs: dataclasses and pickle look it up by its name
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


def _describe(error: BaseException, path: str) -> str:
    """The error in one line, with the number of the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
