"""The rule that a plugin is listed without heavy imports: ``nverbench list`` lists all plugins."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from nverbench.plugin.options import function_of
from nverbench.plugin.records import Part
from nverbench.testing.check import Pass, Skip, rule, violation

HEAVY = ("torch", "transformers", "torchaudio", "mlflow")
LONGEST = 120
"""Seconds that listing a plugin may take."""
LISTING = """
import sys
from importlib.metadata import EntryPoint
plugin = EntryPoint("checked", sys.argv[1], "nverbench").load()
for kind in ("backbones", "datasets", "fusions", "losses"):
    list(getattr(plugin, f"nverbench_{kind}", tuple)())
print("\\nimported:", *[name for name in sys.argv[2:] if name in sys.modules])
"""


class ImportedPart(Protocol):
    """The subject of a part of any kind."""

    @property
    def part(self) -> Part:
        """The part under test."""


@rule(
    "lazy-import",
    "Listing the plugin's parts imports neither torch nor transformers, torchaudio or mlflow.",
)
def lazy_import(subject: ImportedPart) -> Pass | Skip:
    point = _entry_point(subject.part)
    if point is None:
        return Skip(
            f"no installed plugin brings {subject.part.name}: install its package to have its"
            " import checked"
        )
    heavy = _heavy_imports(point)
    if isinstance(heavy, str):
        raise violation(subject, f"plugin {point.value} to be listed", heavy, "correct its import")
    if heavy:
        expected = f"plugin {point.value} to be listed without heavy imports"
        do = "move these imports inside load or build: nverbench list must stay quick"
        raise violation(subject, expected, ", ".join(heavy), do)
    return Pass(f"{point.value} imports none of {', '.join(HEAVY)}")


def _entry_point(part: Part) -> EntryPoint | None:
    """The entry point whose package holds the part's function."""
    function: Any = function_of(part)
    while isinstance(function, partial):
        function = function.func
    package = getattr(function, "__module__", "").split(".")[0]
    return next(
        (
            point
            for point in entry_points(group="nverbench")
            if point.module.split(".")[0] == package
        ),
        None,
    )


@functools.cache
def _heavy_imports(point: EntryPoint) -> tuple[str, ...] | str:
    """The heavy modules that a fresh process imports to list a plugin, or why it fails; run once
    for all parts of the plugin.
    """
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", LISTING, point.value, *HEAVY],
            capture_output=True,
            text=True,
            env=paths,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {LONGEST} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    return tuple(done.stdout.strip().splitlines()[-1].split()[1:])
