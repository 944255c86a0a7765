"""``nverbench new``: a complete package with one part that already runs, for its author to edit."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from nverbench._io.tempfiles import temporary_folder
from nverbench.cli.common import echo
from nverbench.errors import UsageError, abbreviated, nearest
from nverbench.plugin import discovery
from nverbench.plugin.records import NAME

KINDS = {"backbone": "backbones", "dataset": "datasets", "fusion": "fusions", "loss": "losses"}
RUN = {
    "backbone": "--backbone @NAME@ --fusion linear --dataset vocal-demo",
    "dataset": "--backbone logmel-stats --fusion linear --dataset @NAME@",
    "fusion": "--backbone logmel-stats --fusion @NAME@ --dataset vocal-demo",
    "loss": "--backbone logmel-stats --fusion linear --loss @NAME@ --dataset vocal-demo",
}
EDIT = {
    "backbone": "",
    "dataset": (
        "It needs a copy of the corpus first: `nverbench data add @NAME@ FOLDER` (`sample` writes a"
        " synthetic one).\n"
    ),
    "fusion": "",
    "loss": "",
}
SAME_FOR_ALL = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "LICENSE": "LICENSE",
    ".github/workflows/check.yml": "check.yml",
}
"""File of the package -> the name of its template, without ``.txt``."""


def new(
    kind: Annotated[
        str, typer.Argument(help="The kind of part: backbone, dataset, fusion or loss.")
    ],
    name: Annotated[str, typer.Argument(help="The name of the part on the command line.")],
    to: Annotated[
        Path, typer.Option("--to", help="The folder that takes the folder of the package.")
    ] = Path(),
) -> None:
    """Write the package nverbench-NAME: one module that already runs, its conformance test, README,
    licence and CI file.
    """
    words = _words(kind, name)
    _check_free(name, words["MODULE"])
    folder = to / words["DISTRIBUTION"]
    if folder.exists():
        raise UsageError(f"{folder} is already there; choose another name, or give --to FOLDER")
    test = words["MODULE"].replace("nverbench_", "tests/test_", 1)
    templates = {**SAME_FOR_ALL, f"{words['MODULE']}.py": f"{kind}.py", f"{test}.py": "test.py"}
    texts = {
        name: (
            files("nverbench.cli")
            .joinpath("template", f"{template}.txt")
            .read_text(encoding="utf-8")
        )
        for name, template in templates.items()
    }
    _write(folder, {name: filled(text, words) for name, text in texts.items()})
    echo(f"{folder}: the {kind} {name}, in {words['MODULE']}.py")
    echo(f"try it:  nverbench list {KINDS[kind]} --plugin {folder / words['MODULE']}.py")
    echo(f"then:    pip install -e {folder} && nverbench check {name} --kind {kind}")


def filled(text: str, words: dict[str, str]) -> str:
    """A template with its words filled in; words may contain words."""
    for _ in range(2):
        text = re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], text)
    return text


def _words(kind: str, name: str) -> dict[str, str]:
    """The words that fill the templates.

    A distribution's name takes neither ``+`` nor a sign at its end, and a module's only letters,
    digits and ``_``.
    """
    if kind not in KINDS:
        raise UsageError(f"nverbench new {kind}: {nearest(kind, KINDS)}")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"nverbench new {kind} {abbreviated(name)}: a name is lower-case letters, digits, '.',"
            " '+' and '-', and starts with a letter or digit; 80 of them at most"
        )
    slug = re.sub(r"[.+-]+", "-", name).strip("-")
    return {
        "NAME": name,
        "KIND": kind,
        "KINDS": KINDS[kind],
        "SLUG": slug,
        "DISTRIBUTION": f"nverbench-{slug}",
        "MODULE": f"nverbench_{slug.replace('-', '_')}",
        "RUN": RUN[kind],
        "EDIT": EDIT[kind],
        "YEAR": str(datetime.now(UTC).year),
    }


def _check_free(name: str, module: str) -> None:
    """Raise UsageError when a part or a module of that name is installed already."""
    found = discovery.discover()
    for parts in (found.backbones, found.datasets, found.fusions, found.losses):
        if name in parts.parts:
            raise UsageError(
                f"{parts.kind} {name} is already here, brought by {parts.origins[name]}; choose"
                " another name"
            )
        if name in parts.refused:
            raise UsageError(f"{parts.refused[name]}; choose another name")
    if importlib.util.find_spec(module) is not None:
        raise UsageError(f"a module {module} is already installed; choose another name than {name}")


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the whole package, or nothing."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent, ".making-") as passing:
            for name, text in texts.items():
                path = passing / "package" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            (passing / "package").rename(folder)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror}); give another folder with --to FOLDER"
        ) from error
