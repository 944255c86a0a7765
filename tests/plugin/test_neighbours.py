"""A file of ``--plugin`` imports the modules beside it: also inside functions, in processes and
from packages; their content belongs to its identity, and nothing of it is left for others to see.
"""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nverbench import UsageError
from nverbench.pipeline import request
from nverbench.plugin import single_file

HOOK = """
from nverbench import Fusion, hookimpl

@hookimpl
def nverbench_fusions():
    yield Fusion(name="mine", arity=(1, None), build=build, default_loss="cross-entropy")
"""
BUILD = "\ndef build(dims, classes):\n    return VALUE\n"


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder that is not on the path, and the interpreter's modules as before."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("nverbench_file_"):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "mine.py"


def build(path: Path) -> Any:
    ((_, module),) = single_file.read([path])
    return module.build([1], 2)


IMPORTS: dict[str, tuple[str, str]] = {
    "import": ("import helper", "helper.x"),
    "import as": ("import helper as h", "h.x"),
    "from": ("from helper import x", "x"),
    "from as": ("from helper import x as y", "y"),
    "star": ("from helper import *", "x"),
    "two in one line": ("import os, helper, sys", "helper.x + os.sep[:0] + sys.prefix[:0]"),
    "package": ("import pkg", "pkg.x"),
    "submodule": ("import pkg.sub", "pkg.sub.x"),
    "submodule as": ("import pkg.sub as s", "s.x"),
    "from package": ("from pkg import sub", "sub.x"),
    "from submodule": ("from pkg.sub import x", "x"),
    "deep": ("import pkg.deep.down", "pkg.deep.down.x"),
    "no init": ("from bare import part", "part.x"),
    "neighbour of a neighbour": ("import second", "second.x"),
    "neighbour imported by a package": ("import pkg.other", "pkg.other.x"),
    "guarded": ("try:\n    import helper\nexcept ImportError:\n    helper = None", "helper.x"),
    "relative": ("from . import helper", "helper.x"),
    "relative from": ("from .helper import x", "x"),
    "relative and not": ("from . import helper\nimport helper as again", "again.x"),
}
FILES = {
    "helper.py": "x = 'found'\n",
    "second.py": "from helper import x\n",
    "pkg/__init__.py": "from .sub import x\n",
    "pkg/sub.py": "x = 'found'\n",
    "pkg/other.py": "import helper\nfrom pkg.sub import x\nassert helper.x == x\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/down.py": "from ..sub import x\n",
    "bare/part.py": "x = 'found'\n",
}


@pytest.mark.parametrize("name", IMPORTS)
@pytest.mark.parametrize("inside", [False, True], ids=["at the top", "in a function"])
def test_a_module_beside_the_file_is_found(name: str, inside: bool, tmp_path: Path) -> None:
    line, value = IMPORTS[name]
    if inside and name == "star":
        pytest.skip("Python allows it at the top only")
    body = line.replace("\n", "\n    ")
    text = (
        f"\ndef build(dims, classes):\n    {body}\n    return {value}\n"
        if inside
        else line + BUILD.replace("VALUE", value)
    )
    modules, path = set(sys.modules), list(sys.path)
    assert build(write(tmp_path, {**FILES, "mine.py": text + HOOK})) == "found"
    assert sys.path == path
    assert all(new.startswith("nverbench_file_") for new in set(sys.modules) - modules)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("helper")


def digest(path: Path) -> str:
    ((origin, _),) = single_file.read([path])
    return origin.version


@pytest.mark.parametrize("changed", ["helper.py", "pkg/sub.py", "pkg/deep/down.py"])
def test_a_changed_neighbour_is_another_identity(changed: str, tmp_path: Path) -> None:
    text = "import helper, pkg" + BUILD.replace("VALUE", "helper.x") + HOOK
    path = write(tmp_path, {**FILES, "mine.py": text})
    first = digest(path)
    assert digest(path) == first
    write(tmp_path, {changed: "x = 'changed'\n"})
    assert digest(path) != first
    write(tmp_path, {changed: FILES[changed]})
    assert digest(path) == first


def test_a_file_beside_that_is_not_imported_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, {"mine.py": BUILD.replace("VALUE", "1") + HOOK})
    first = digest(path)
    write(tmp_path, FILES)
    assert digest(path) == first


def test_two_files_have_neighbours_of_one_name(tmp_path: Path) -> None:
    text = "import helper" + BUILD.replace("VALUE", "helper.x") + HOOK
    one = write(tmp_path / "one", {"mine.py": text, "helper.py": "x = 1\n"})
    other = write(tmp_path / "other", {"mine.py": text, "helper.py": "x = 2\n"})
    assert (build(one), build(other)) == (1, 2)


@pytest.mark.parametrize("name", ["json", "numpy", "nverbench"])
def test_modules_of_python_and_installed_ones_win(name: str, tmp_path: Path) -> None:
    files = {f"{name}.py": "__file__ = 'beside'\n"}
    text = f"import {name}" + BUILD.replace("VALUE", f"{name}.__file__") + HOOK
    assert build(write(tmp_path, {**files, "mine.py": text})) != "beside"


def test_the_folder_on_the_path_makes_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import helper" + BUILD.replace("VALUE", "helper.__name__") + HOOK
    path = write(tmp_path, {**FILES, "mine.py": text})
    first = digest(path)
    monkeypatch.syspath_prepend("")
    assert digest(path) == first
    assert build(path) == f"nverbench_file_{first}.helper"
    assert "helper" not in sys.modules


def test_a_class_of_a_neighbour_travels_to_another_process(tmp_path: Path) -> None:
    text = "import helper" + BUILD.replace("VALUE", "helper.Point(3)") + HOOK
    point = "import dataclasses\n\n@dataclasses.dataclass\nclass Point:\n    x: int\n"
    made = build(write(tmp_path, {"mine.py": text, "helper.py": point}))
    (file,) = [f for f in single_file.running() if f.path.startswith(str(tmp_path))]
    (tmp_path / "helper.py").write_text("raise RuntimeError('edited while the run goes on')")
    receive = (
        "import pickle, pathlib\n"
        "from nverbench.plugin import single_file\n"
        "file = pickle.loads(pathlib.Path('file').read_bytes())\n"
        "single_file.adopt([file])\n"
        "print(pickle.loads(pathlib.Path('made').read_bytes()).x)\n"
    )
    (tmp_path / "file").write_bytes(pickle.dumps(file))
    (tmp_path / "made").write_bytes(pickle.dumps(made))
    done = subprocess.run(
        [sys.executable, "-c", receive], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.strip() == "3", done.stderr


def refused(*paths: Path) -> str:
    with pytest.raises(UsageError) as caught:
        request.load_catalog((), paths, print)
    assert "\n" not in str(caught.value)
    return str(caught.value)


BEGIN = "import helper" + BUILD.replace("VALUE", "helper") + HOOK


@pytest.mark.parametrize(
    ("helper", "words"),
    [
        ("y = 1\nx = 1 / 0\n", "mine.py: helper.py, line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError: invalid syntax (helper.py, line 1); correct the file"),
        ("import no_such_module\n", "helper.py, line 1: ModuleNotFoundError: No module named"),
    ],
    ids=["raises", "syntax", "import"],
)
def test_an_error_in_a_neighbour_is_one_line_that_names_it(
    helper: str, words: str, tmp_path: Path
) -> None:
    path = write(tmp_path, {"mine.py": BEGIN, "helper.py": helper})
    assert words in refused(path)
    write(tmp_path, {"helper.py": "x = 1\n"})
    assert build(path).x == 1


def test_a_large_package_beside_the_file_is_to_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nverbench.plugin.neighbours.MOST", 2)
    path = write(tmp_path, {**FILES, "mine.py": "import pkg" + HOOK})
    assert "has 5 files, more than 2; install it, or put the plugin into a package" in refused(path)


# --- two files

ONE = BUILD.replace("VALUE", "1") + HOOK


def copy(folder: Path) -> tuple[Path, Path]:
    return write(folder, {"mine.py": ONE}), write(folder, {"mine.py": ONE, "b.py": ONE}).with_name(
        "b.py"
    )


def same_part(folder: Path) -> tuple[Path, Path]:
    write(folder, {"mine.py": ONE, "b.py": ONE + "# another\n"})
    return folder / "mine.py", folder / "b.py"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (copy, "b.py: has the same content as mine.py; give one of them"),
        (
            same_part,
            "--plugin mine.py and --plugin b.py: both files give a fusion named 'mine'; rename one"
            " of the two, or give one file",
        ),
    ],
    ids=["the same content", "the same part"],
)
def test_two_files_with_one_part_are_named_both(
    make: Callable[[Path], tuple[Path, Path]], words: str, tmp_path: Path
) -> None:
    assert words in refused(*make(tmp_path))
