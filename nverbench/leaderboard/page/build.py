"""The record of all rows, templates, a style sheet and plain JavaScript -> a folder that opens from
disk and needs no network.

Third-party text reaches a page in two ways only: through Jinja2 with escaping on, or as JSON in
which nothing can end its script element.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nverbench._io import paths
from nverbench._io.atomic import write_atomically
from nverbench.errors import UsageError
from nverbench.leaderboard.page.content import content, public
from nverbench.leaderboard.page.detail import charts, words
from nverbench.leaderboard.page.part_info import PartInfo
from nverbench.leaderboard.rows import Row
from nverbench.plugin.options import split

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = paths.packaged("leaderboard/page")
"""Templates, style and scripts: beside this file in a wheel, in leaderboard/page in a checkout."""
ID = re.compile(r"[0-9a-f]{8,64}")
MARK = ".nverbench-page"
"""A file in every folder that was built; a folder without it is not overwritten."""
ASSETS = ("*.css", "*.js")
LEFT_OUT = (
    "result {!r} is left out: its id is not a hexadecimal digest, so it could not be a file's name"
)
PAGES = ("index", "datasets", "claims", "about")
HARMLESS = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@dataclass
class Built:
    """The outcome of a build, and the rows that were left out and why."""

    folder: Path
    results: int = 0
    size: int = 0
    """Bytes of all files."""
    problems: list[str] = field(default_factory=list)


def build(
    rows: Sequence[Row],
    folder: Path,
    *,
    claims: Sequence[Mapping[str, Any]] = (),
    knowledge: PartInfo | None = None,
    points: Mapping[str, Any] | None = None,
) -> Built:
    """Write the page of these rows into a folder, and delete the results of an earlier one.

    Args:
        rows: as ``leaderboard.rows`` ranks them; a row whose id could not be a file's name is left
            out and named.
        folder: new, empty, or of an earlier page.
        claims: see ``content``.
        knowledge: of the catalogue (``knowledge.known``); none: the page says that parts are not
            installed.
        points: embedding digest -> its picture (``embedding.from_store``).

    Raises:
        UsageError: the folder holds something else.
    """
    _prepare(folder)
    knows = knowledge or PartInfo()
    drawn = {digest: picture for digest, picture in (points or {}).items() if ID.fullmatch(digest)}
    kept = [row for row in rows if ID.fullmatch(row.result.id)]
    left_out = [row.result.id for row in rows if not ID.fullmatch(row.result.id)]
    built = Built(folder, len(kept), problems=[LEFT_OUT.format(name) for name in left_out])
    record, templates = content(kept, claims=claims), environment()
    assets = sorted(path for pattern in ASSETS for path in FOLDER.glob(pattern))
    files = {path.name: path.read_text(encoding="utf-8") for path in assets}
    common = {
        "record": record,
        "data": embedded({k: v for k, v in record.items() if k != "claims"}),
        "sheets": _sheets(kept, knows),
        "root": "",
    }
    for name in PAGES:
        files[f"{name}.html"] = templates.get_template(f"{name}.html").render(page=name, **common)
    for digest, picture in sorted(drawn.items()):
        files[f"embeddings/{digest}.js"] = f'nver.points["{digest}"] = {embedded(picture)};\n'
    built.size = sum(_write(folder / name, text) for name, text in files.items())
    template, pages = templates.get_template("result.html"), {row.result.id for row in kept}
    for row in kept:
        r = public(row.filed.whole)
        texts = words(row, r, knows, drawn, pages)
        text = template.render(page="result", root="../", data=embedded(charts(r)), **texts)
        built.size += _write(folder / "results" / f"{row.result.id}.html", text)
    _sweep(folder / "results", pages)
    return built


def environment() -> Environment:
    """Templates that escape every value and refuse a name they were not given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"anchor": anchor, "signed": signed}
    return made


def embedded(thing: Any) -> Any:
    """JSON that may stand in a script element: nothing in it ends the element, begins a comment or
    breaks a line; marked as safe for Jinja2.
    """
    from markupsafe import Markup

    text = json.dumps(thing, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(re.sub("[<>&\u2028\u2029]", lambda found: HARMLESS[found[0]], text))


def anchor(name: str) -> str:
    """The anchor of a dataset on the page of datasets: a digest, because its name is third-party
    text.
    """
    return f"d-{sha256(split(name)[0].encode()).hexdigest()[:12]}"


def signed(fraction: float) -> str:
    """A difference in points, with a sign as wide as the other: ``+1.5``, ``−0.3``."""
    return f"{100 * fraction:+.1f}".replace("-", "−")  # noqa: RUF001 - the minus sign is meant


def _sheets(rows: Iterable[Row], knows: PartInfo) -> list[dict[str, Any]]:
    """The datasets among the rows, each with its label card where the catalogue has one, and the
    licences that results recorded.
    """
    licences: dict[str, dict[str, str]] = {}
    for row in rows:
        r = public(row.result)
        name = split(r.entry.dataset)[0]
        licences.setdefault(name, {}).update(
            {n: text for n, text in r.provenance.licences.items() if split(n)[0] == name}
        )
    return [
        {"name": n, "anchor": anchor(n), "sheet": knows.sheets.get(n, {}), "licences": licences[n]}
        for n in sorted(licences)
    ]


def _prepare(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give --page a folder of its own")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise UsageError(
            f"{folder} holds other files and no page of nverbench; give --page a new or empty"
            " folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(
        "made by nverbench leaderboard build; it may be deleted, and is written over by the next"
        " build\n",
        encoding="utf-8",
    )
    shutil.rmtree(folder / "embeddings", ignore_errors=True)
    (folder / "results").mkdir(exist_ok=True)


def _sweep(folder: Path, keep: set[str]) -> None:
    """Delete pages of results that are no longer there."""
    for path in folder.glob("*.html"):
        if ID.fullmatch(path.stem) and path.stem not in keep:
            path.unlink()


def _write(path: Path, text: str) -> int:
    # A lone surrogate in a third-party text must not end the build.
    written = text.encode("utf-8", errors="replace")
    write_atomically(path, written)
    return len(written)
