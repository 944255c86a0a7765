"""The public surface as a strict type checker sees it: right plugins pass, wrong ones are refused
where they are wrong.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RIGHT = ("typed_backbone.py", "typed_dataset.py", "typed_fusion.py", "typed_loss.py")
ERROR = re.compile(r"(?P<file>\w+\.py):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]")
Errors = dict[str, dict[int, set[str]]]


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> Errors:
    """File -> line -> codes of errors, as ``mypy --strict`` gives them to an author who has
    nverbench installed.
    """
    options = ["--config-file=mypy.ini", f"--cache-dir={tmp_path_factory.mktemp('mypy')}"]
    said = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *RIGHT, "mistyped.py"],
        capture_output=True,
        text=True,
        cwd=HERE,
    ).stdout
    found: Errors = defaultdict(lambda: defaultdict(set))
    for match in ERROR.finditer(said):
        found[match["file"]][int(match["line"])].add(match["code"])
    assert found, said
    return found


def expected(path: Path) -> dict[int, set[str]]:
    """Line -> codes that its comment expects."""
    lines = enumerate(path.read_text().splitlines(), start=1)
    return {
        number: set(codes.split(","))
        for number, line in lines
        if (codes := line.partition("# expect: ")[2])
    }


@pytest.mark.parametrize("name", RIGHT)
def test_a_plugin_of_each_kind_passes_strict_type_checking(errors: Errors, name: str):
    assert errors[name] == {}


def test_a_wrong_plugin_is_refused_on_each_of_its_lines_and_nowhere_else(errors: Errors):
    assert errors["mistyped.py"] == expected(HERE / "mistyped.py")
