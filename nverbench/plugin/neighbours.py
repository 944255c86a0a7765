"""The modules beside a file of ``--plugin`` that it imports: ``import helper`` finds ``helper.py``.

Their content is read once and belongs to the identity of the file, so that a changed neighbour
gives another row. They become submodules of the file's own module: ``sys.path`` stays as it is, the
name ``helper`` stays free for others, and an import inside a function finds them too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from nverbench.errors import UsageError

MOST = 1000
"""Files of one package beside a file; a larger one is to be installed."""


@dataclass(frozen=True)
class Neighbour:
    """A module beside a file: its dotted name, its path for tracebacks, its content."""

    name: str
    path: str
    content: bytes
    package: bool


def collect(path: Path, content: bytes) -> tuple[Neighbour, ...]:
    """The modules beside a file that it imports, and those that they import, sorted by name.

    Raises:
        UsageError: a neighbour cannot be read, or a package has too many files.
    """
    folder, found = path.resolve().parent, dict[str, Neighbour]()
    todo, own = [content], True
    while todo:
        names, own = list(_imported(todo.pop(), relative=own)), False
        for name in names:
            if name not in found and name != path.stem and _is_beside(name, folder):
                new = _read(name, folder)
                found.update({one.name: one for one in new})
                todo.extend(one.content for one in new)
    return tuple(found[name] for name in sorted(found))


def code(content: bytes, path: str, root: str, neighbours: Iterable[Neighbour]) -> CodeType:
    """The compiled content of a file or neighbour, which imports neighbours as submodules of
    ``root``; line numbers stay.
    """
    tops = {one.name for one in neighbours if "." not in one.name}
    if not tops:
        return compile(content, path, "exec")
    tree = _Imports(root, tops).visit(ast.parse(content, path))
    return compile(ast.fix_missing_locations(tree), path, "exec")


def offer(root: str, neighbours: Sequence[Neighbour]) -> None:
    """Let the import system of this process find the neighbours as submodules of ``root``."""
    if not neighbours:
        return
    _offered.update({f"{root}.{one.name}": (root, one, neighbours) for one in neighbours})
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)  # before the files of a package, which may be edited now


def forget(root: str) -> None:
    """Remove the modules of a file that could not be run."""
    for name in [name for name in sys.modules if name.startswith(f"{root}.")]:
        del sys.modules[name]


_offered: dict[str, tuple[str, Neighbour, Sequence[Neighbour]]] = {}


class _Finder:
    """Finds the neighbours that are offered, and nothing else."""

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a neighbour; None for other modules."""
        if name not in _offered:
            return None
        root, one, neighbours = _offered[name]
        loader: Any = _Loader(root, one, neighbours)
        spec = spec_from_loader(name, loader, origin=one.path, is_package=one.package)
        if spec is not None and spec.submodule_search_locations is not None:  # for its data files
            spec.submodule_search_locations.append(str(Path(one.path).parent))
        return spec


_FINDER: Any = _Finder()


class _Loader(InspectLoader):
    """Runs a neighbour from the content that was read at the start."""

    def __init__(self, root: str, one: Neighbour, neighbours: Sequence[Neighbour]) -> None:
        self.root, self.one, self.neighbours = root, one, neighbours

    def get_source(self, fullname: str) -> str:
        """The content as text."""
        return self.one.content.decode("utf-8", "replace")

    def get_code(self, fullname: str) -> CodeType:
        """The compiled content."""
        return code(self.one.content, self.one.path, self.root, self.neighbours)

    def exec_module(self, module: ModuleType) -> None:
        """Run the neighbour with ``__file__`` set."""
        module.__file__ = self.one.path
        super().exec_module(module)


class _Imports(ast.NodeTransformer):
    """Turns imports of neighbours into imports of submodules."""

    def __init__(self, root: str, tops: set[str]) -> None:
        self.root, self.tops = root, tops

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """``from helper import x`` -> ``from ROOT.helper import x``."""
        if node.level == 0 and node.module and node.module.partition(".")[0] in self.tops:
            node.module = f"{self.root}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """``import a, helper.b`` -> one import per module; that of a neighbour binds ``helper``."""
        return [ast.copy_location(new, node) for name in node.names for new in self._each(name)]

    def _each(self, name: ast.alias) -> Iterator[ast.stmt]:
        top, dot, _ = name.name.partition(".")
        if top not in self.tops:
            yield ast.Import([name])
        elif name.asname or not dot:
            yield ast.Import([ast.alias(f"{self.root}.{name.name}", name.asname or top)])
        else:
            yield ast.Import([ast.alias(f"{self.root}.{name.name}", "_nverbench_neighbour")])
            yield ast.Import([ast.alias(f"{self.root}.{top}", top)])


def _imported(content: bytes, *, relative: bool) -> Iterator[str]:
    """The top-level names of all absolute imports of a source, and of ``from . import x`` where
    ``relative``; none where it cannot be parsed: that is reported when it runs.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 1 and relative:
            names = [node.module] if node.module else [name.name for name in node.names]
            yield from (name.partition(".")[0] for name in names)


def _is_beside(name: str, folder: Path) -> bool:
    """Whether a module is beside the file, and neither of Python nor installed."""
    package = folder / name
    here = (folder / f"{name}.py").is_file() or (package.is_dir() and any(package.glob("*.py")))
    own = name.startswith("nverbench") or name in sys.stdlib_module_names
    return here and not own and not _is_elsewhere(name, folder)


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether an import finds a module outside of the folder: an installed one wins."""
    others = [p for p in sys.path if Path(p or ".").resolve() != folder]
    spec = PathFinder.find_spec(name, others)
    if spec is not None and spec.origin is not None:
        return True
    known = (PathFinder, BuiltinImporter, FrozenImporter, _FINDER)
    finders = [finder for finder in sys.meta_path if finder not in known]
    return any(finder.find_spec(name, None) for finder in finders if hasattr(finder, "find_spec"))


def _read(name: str, folder: Path) -> list[Neighbour]:
    """A module, or a package with all its modules."""
    package = folder / name
    if not (package.is_dir() and any(package.glob("*.py"))):
        return [_neighbour(name, folder / f"{name}.py", package=False)]
    files = sorted(package.rglob("*.py"))
    if len(files) > MOST:
        raise UsageError(
            f"--plugin: the package {package} beside it has {len(files)} files, more than {MOST};"
            " install it, or put the plugin into a package: nverbench new"
        )
    modules = [file for file in files if file.name != "__init__.py"]
    folders = sorted({package, *(file.parent for file in files)})
    return [
        *(_neighbour(_dotted(one, folder), one / "__init__.py", package=True) for one in folders),
        *(_neighbour(_dotted(file, folder), file, package=False) for file in modules),
    ]


def _dotted(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def _neighbour(name: str, path: Path, *, package: bool) -> Neighbour:
    if package and not path.is_file():  # a namespace package
        return Neighbour(name, str(path), b"", package)
    try:
        return Neighbour(name, str(path), path.read_bytes(), package)
    except OSError as error:
        raise UsageError(f"--plugin: {path} beside it cannot be read ({error.strerror})") from error
