"""Nothing that is read can run code: a scan of the source for the calls that would let it, and
files that try.
"""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nverbench import registry
from nverbench.errors import NverbenchError
from nverbench.leaderboard.claims import spec as claims
from nverbench.results.predictions import Predictions
from nverbench.training import checkpoints
from support.paths import ROOT

ALLOWED = {
    (
        "nverbench/pipeline/executors/processes.py",
        "pickle.loads",
    ),  # from the parent process to its worker, through a pipe; never a file
    (
        "nverbench/pipeline/executors/worker.py",
        "pickle.loads",
    ),  # between a run and the processes that it gave its own code to; never a file
    (
        "nverbench/_io/strict_yaml.py",
        "yaml.load",
    ),  # a SafeLoader that also refuses a key given twice
    (
        "nverbench/plugin/single_file.py",
        "exec",
    ),  # a file that the user named with --plugin: running it is what was asked for
}
NEVER = {
    *(
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "runpy.run_path",
        "torch.hub.load",
        "torch.jit.load",
    ),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
    *(
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "marshal.load",
        "marshal.loads",
        "shelve.open",
        "joblib.load",
        "dill.load",
        "dill.loads",
    ),
    *("cloudpickle.load", "cloudpickle.loads", "pandas.read_pickle", "pd.read_pickle"),
}
"""Calls that run, or may run, code of what they are given."""
ONLY_WITH = {
    **dict.fromkeys(("np.load", "numpy.load"), ("allow_pickle", False)),
    "torch.load": ("weights_only", True),
}
"""Calls that are safe with one argument, which must be written out: a library's default may
change.
"""
RISKY = {"allow_pickle": True, "trust_remote_code": True, "shell": True, "weights_only": False}


def named(node: ast.expr) -> str:
    """``a.b.c`` of an expression that is a dotted name, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{named(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def risks(source: str) -> Iterator[str]:
    """The calls of a source that may run code of a file. A function imported by its own name, or a
    module renamed, hides nothing.
    """
    tree = ast.parse(source)
    real: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            real |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
        elif isinstance(node, ast.Import):
            real |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        text = named(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        first, dot, rest = text.partition(".")
        text = real.get(first, first) + dot + rest
        if text in NEVER and isinstance(getattr(node, "ctx", None), ast.Load):
            yield text  # called, or handed on to be called
        if isinstance(node, ast.Call):
            yield from _call_risks(node, real)


def _call_risks(node: ast.Call, real: dict[str, str]) -> Iterator[str]:
    first, dot, rest = named(node.func).partition(".")
    text = real.get(first, first) + dot + rest
    said = {word.arg: getattr(word.value, "value", None) for word in node.keywords if word.arg}
    if text in ONLY_WITH:
        name, value = ONLY_WITH[text]
        if said.get(name) is not value:
            yield text
    yield from (
        f"{name}={value}"
        for name, value in RISKY.items()
        if name in said and said[name] is not (not value)
    )


SOURCES = sorted(
    p.relative_to(ROOT).as_posix()
    for room in ("nverbench", "plugins", "benchmarks")
    for p in (ROOT / room).rglob("*.py")
)


def test_no_source_may_run_code_of_a_file_but_where_it_is_said_why() -> None:
    found = {
        (name, risk)
        for name in SOURCES
        for risk in risks((ROOT / name).read_text(encoding="utf-8"))
    }
    assert len(SOURCES) > 100
    assert found == ALLOWED  # one that is gone leaves the list too


@pytest.mark.parametrize(
    ("source", "risk"),
    [
        ("import pickle\npickle.load(f)", "pickle.load"),
        ("import pickle as p\np.loads(b)", "pickle.loads"),
        ("from pickle import loads\nmap(loads, b)", "pickle.loads"),
        ("import torch\ntorch.load(f)", "torch.load"),
        ("import torch\ntorch.load(f, weights_only=False)", "torch.load"),
        ("import torch\ntorch.load(f, weights_only=safe)", "torch.load"),
        ("from torch import load as read\nread(f)", "torch.load"),
        ("import numpy as np\nnp.load(f)", "numpy.load"),
        ("import numpy as np\nnp.load(f, allow_pickle=True)", "allow_pickle=True"),
        ("import yaml\nyaml.load(t, Loader=yaml.Loader)", "yaml.load"),
        ("from yaml import unsafe_load as read\nread(t)", "yaml.unsafe_load"),
        ("model.from_pretrained(f, trust_remote_code=True)", "trust_remote_code=True"),
        ("model.from_pretrained(f, trust_remote_code=said)", "trust_remote_code=True"),
        ("import subprocess\nsubprocess.run(t, shell=True)", "shell=True"),
        ("eval(t)", "eval"),
    ],
)
def test_the_scan_sees(source: str, risk: str) -> None:
    assert risk in set(risks(source))


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(f, weights_only=True)",
        "import numpy as np\nnp.load(f, allow_pickle=False)",
        "import yaml\nyaml.safe_load(t)",
        "module.eval()",
        "import pickle\npickle.dumps(t)",
        "import json\njson.loads(t)",
    ],
)
def test_the_scan_lets_safe_calls_be(source: str) -> None:
    assert list(risks(source)) == []


class Hostile:
    """Makes a file when it is unpickled by anything that trusts pickles."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def hostile_npz(path: Path, trace: Path) -> Path:
    np.savez(
        path,
        embeddings=np.array([Hostile(trace)], dtype=object),
        files=np.array(["a"]),
        ids=np.array([Hostile(trace)], dtype=object),
    )
    return path


def test_the_hostile_files_would_run_code_where_they_are_trusted(tmp_path: Path) -> None:
    with np.load(hostile_npz(tmp_path / "a.npz", tmp_path / "one"), allow_pickle=True) as arrays:
        assert arrays["ids"] is not None
    torch.save({"epoch": Hostile(tmp_path / "two")}, tmp_path / "a.pt")
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "one").is_dir()
    assert (tmp_path / "two").is_dir()


def read_features(path: Path) -> Any:
    from nverbench_backbones.npz import _read

    return _read(path)


@pytest.mark.parametrize(
    "read", [Predictions.read, read_features], ids=["predictions", "features of one's own"]
)
def test_an_npz_that_would_run_code_is_refused_and_does_not(
    tmp_path: Path, read: Callable[[Path], Any]
) -> None:
    with pytest.raises(NverbenchError):
        read(hostile_npz(tmp_path / "a.npz", tmp_path / "ran"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_a_training_that_would_run_code_counts_as_none(
    tmp_path: Path, zipped: bool
) -> None:
    path = tmp_path / "1-0.pt"
    if zipped:
        torch.save({"epoch": Hostile(tmp_path / "ran")}, path)
        assert zipfile.is_zipfile(path)
    else:
        path.write_bytes(pickle.dumps({"epoch": Hostile(tmp_path / "ran")}, protocol=2))
    path.write_bytes(checkpoints.sealed(path.read_bytes()))
    assert checkpoints.read(path) is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "read", [lambda path: registry.load([path]), claims.load], ids=["registry", "claims"]
)
@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_yaml_that_would_run_code_is_refused_and_does_not(
    tmp_path: Path, read: Callable[[Path], Any], tag: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"entries: {tag} [{tmp_path / 'ran'}]\n", encoding="utf-8")
    with pytest.raises(NverbenchError):
        read(path)
    assert not (tmp_path / "ran").exists()


def test_python_files_and_plugins_that_lie_in_the_working_folder_do_not_run(tmp_path: Path) -> None:
    code = f"import os\nos.makedirs({str(tmp_path / 'ran')!r}, exist_ok=True)\n"
    for name in ("yaml", "nverbench_evil", "plugin", "conftest", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    metadata = tmp_path / "nverbench_evil-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: nverbench-evil\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(
        "[nverbench]\nevil = nverbench_evil\n", encoding="utf-8"
    )
    # -P: as the command `nverbench` does, and unlike `python -m`, the working folder is no place to
    # import from.
    words = [
        sys.executable,
        "-P",
        "-c",
        "from nverbench.cli import main; main(['list', 'plugins'])",
    ]
    listed = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "evil" not in listed.stdout + listed.stderr
    assert not (tmp_path / "ran").exists()


def test_every_promise_of_security_md_names_tests_that_exist() -> None:
    rows = [
        line
        for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ][1:]
    for row in rows:
        named_tests = [
            word
            for word in row.split("|")[2].replace(",", " ").replace("`", " ").split()
            if word.endswith(".py")
        ]
        assert named_tests, row
        missing = [
            t
            for t in named_tests
            if not any((ROOT / folder / t).is_file() for folder in (".", "tests/plugins"))
        ]
        assert missing == [], row
