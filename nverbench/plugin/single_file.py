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
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from nverbench.errors import UsageError
from nverbench.plugin import neighbours
from nverbench.plugin.catalog import Catalog, Origin
from nverbench.plugin.isolation import isolated_call
from nverbench.plugin.neighbours import Neighbour

FILE = "file:"
"""The start of the name that replaces a distribution's. No distribution has a colon in its name."""
HOOKS = ("nverbench_backbones", "nverbench_datasets", "nverbench_fusions", "nverbench_losses")


@dataclass(frozen=True)
class Code:
    """A file's path, for tracebacks, its content, and the modules beside it that it imports."""

    path: str
    content: bytes
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def digest(self) -> str:
        """The digest of everything that runs; without neighbours, of the content alone."""
        digest = hashlib.sha256(self.content)
        for one in self.neighbours:
            digest.update(repr((one.name, one.package, one.content)).encode())
        return digest.hexdigest()[:12]


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
    found: list[tuple[Origin, ModuleType]] = []
    for path in files:
        origin, module = _read(path)
        for other, _ in found:
            if other.version == origin.version:
                raise UsageError(
                    f"--plugin {path}: has the same content as {other.plugin}; give one of them"
                )
        found.append((origin, module))
    return found


def check(catalog: Catalog, origins: Iterable[Origin]) -> None:
    """Raise a UsageError if the catalog lacks a part of a file that the user named."""
    files = list(origins)
    _check_names(catalog, files)
    for origin in files:
        for quarantined in catalog.quarantine:
            if quarantined.origin == origin:
                raise UsageError(f"--plugin {origin.plugin}: {quarantined.error}")
        for clash in catalog.clashes:
            if str(origin) in clash:
                remedy = "or leave a plugin out with --no-plugin NAME"
                raise UsageError(f"--plugin {origin.plugin}: {clash}, {remedy}")


def _check_names(catalog: Catalog, files: Sequence[Origin]) -> None:
    """Raise a UsageError where two files give a part of one kind and name."""
    for index in (catalog.backbones, catalog.datasets, catalog.fusions, catalog.losses):
        for name, claims in index.claims.items():
            both = [origin.plugin for origin in dict.fromkeys(claims) if origin in files]
            if len(both) > 1:
                raise UsageError(
                    f"--plugin {both[0]} and --plugin {both[1]}: both files give a {index.kind}"
                    f" named {name!r}; rename one of the two, or give one file"
                )


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
    for file in files:
        isolated_call(functools.partial(_run, file), None).get()


def _read(path: Path) -> tuple[Origin, ModuleType]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--plugin {path}: cannot be read ({error.strerror}); give the path of a Python file"
        ) from error
    try:
        file = Code(str(path), content, neighbours.collect(path, content))
        module = _run(file)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # a file may raise anything
        raise UsageError(f"--plugin {path}: {_describe(error, path)}; correct the file") from error
    if not any(hasattr(module, hook) for hook in HOOKS):
        raise UsageError(
            f"--plugin {path}: has none of the hooks {', '.join(HOOKS)}; nverbench new KIND NAME"
            " writes a file that has one"
        )
    return Origin(path.name, f"{FILE}{path.name}", file.digest), module


def _run(file: Code) -> ModuleType:
    name = f"nverbench_file_{file.digest}"
    if name in _running and name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = file.path
    if file.neighbours:  # they are its submodules
        module.__path__, module.__package__ = [], name
        neighbours.offer(name, file.neighbours)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look it up by its name
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            source = neighbours.code(file.content, file.path, name, file.neighbours)
            exec(source, module.__dict__)
    except BaseException:
        del sys.modules[name]
        neighbours.forget(name)
        raise
    _running[name] = file
    return module


def _describe(error: BaseException, path: Path) -> str:
    """The error in one line, with the number of the line that raised it, and the name of the file
    where that is a neighbour.
    """
    folder = path.resolve().parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == str(path) or folder in Path(f.filename).parents]
    beside = bool(own) and own[-1].filename != str(path)
    name = f"{Path(own[-1].filename).name}, " if beside else ""
    where = f"{name}line {own[-1].lineno}: " if own else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
