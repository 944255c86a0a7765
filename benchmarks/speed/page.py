"""The leaderboard's page: seconds to build, size, and time to interactive in headless Chromium, for
100, 1,000 and 10,000 results.

The results are a few real ones with other ids, names, scores and ranks. ``--screenshots FOLDER`` also writes pictures of every view in light, dark and phone width.
Run: ``python benchmarks/speed/page.py --out nverbench-runs [--screenshots FOLDER] [--sizes
100,1000]``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from nverbench.leaderboard.page import PartInfo, build
from nverbench.leaderboard.rows import Row, StoredResult, rows
from nverbench.metrics.jackknife import Interval
from nverbench.metrics.significance import Comparison
from nverbench.results.predictions import Predictions
from nverbench.results.published import published
from nverbench.results.record import Result
from nverbench.results.speaker_gap import Difference, Gap
from nverbench.results.store import ResultStore

MAMBA = [f"audio-mamba-{size}" for size in ("tiny", "small", "base")]
SPEECH = ["wavlm-base", "unispeech-sat-base", "wav2vec2-base", "hubert-base"]
PAIRS = [(a, b) for a in MAMBA for b in SPEECH] + list(itertools.combinations(SPEECH, 2))
FUSIONS = [("reno", "renyi")]
FUSIONS += [(name, "cross-entropy") for name in ("concat", "gated", "parrot", "late")]
CORPORA = ["vivae", "asvp-esd", "emogator-41", "emodb"]
SIZES = {**dict(zip(MAMBA, (5.2e6, 20.3e6, 79.3e6), strict=True)), "wav2vec2-base": 95.0e6}
FOLDS = ["speaker", "random"]


@dataclass(frozen=True)
class Cell:
    """A made-up combination."""

    corpus: str
    folds: str
    fusion: str
    loss: str
    pair: tuple[str, str]


def made_up(real: list[Row], number: int) -> list[Row]:
    """That many rows from a few real ones."""
    draw, found = random.Random(0), []
    grid = list(itertools.product(CORPORA, FOLDS, FUSIONS, PAIRS))
    for i in range(number):
        turn, (corpus, folds, (fusion, loss), pair) = i // len(grid), grid[i % len(grid)]
        fusion = f"{fusion}:align_dim={128 * turn}" if turn else fusion
        cell = Cell(corpus, folds, fusion, loss, pair)
        found.append(_row(real[i % len(real)], cell, i, draw))
    return found


def _row(like: Row, cell: Cell, i: int, draw: random.Random) -> Row:
    control = i % 29 == 28
    mamba = sum(b in MAMBA for b in cell.pair)
    mean = 0.34 if control else 0.55 + 0.02 * mamba + 0.01 * (cell.fusion == "reno")
    value = min(0.93, max(0.12, draw.gauss(mean, 0.03)))
    half = abs(draw.gauss(0.025, 0.004))
    result = _result(like.result.published(), cell, i, draw, value, half)
    rank = None if control else 1 + min(4, int(max(0.0, 0.64 - value) / 0.03))
    ahead = max(0.0, 0.66 - value)
    behind = Comparison(Interval(ahead, ahead - half, 0.66 - value + half, half / 2), 0.04, half)
    gap = _gap(result, draw) if cell.folds == "speaker" and i % 3 == 0 else None
    level: Any = "reproduced" if i % 5 == 0 else "own"
    filed = replace(like.filed, result=result, level=level)
    why = "a control, not a result" if control else ""
    return Row(filed, rank, why, behind if rank else None, published(result.entry), gap)


def _result(
    r: Result, cell: Cell, i: int, draw: random.Random, value: float, half: float
) -> Result:
    """A real result with other names and scores."""
    control, pair, corpus = i % 29 == 28, cell.pair, cell.corpus
    suffix = ":untrained" if control else ""
    score = {"value": value, "low": value - half, "high": value + half, "fold_mean": value}
    entry = r.entry.model_copy(
        update={
            "backbones": [b + suffix for b in pair],
            "families": ["mamba" if b in MAMBA else "attention" for b in pair],
            "fusion": cell.fusion,
            "loss": cell.loss,
            "dataset": corpus,
            "paper": "RENO (arXiv 2506.02258)",
        }
    )
    provenance = {
        "dataset_digest": _digest(corpus),
        "embedding_digests": {b: _digest(b) for b in entry.backbones},
        "weights_digests": dict.fromkeys(entry.backbones, "0" * 64),
        "parameters_trained": int(1.2e6 * draw.uniform(0.5, 3)),
        "parameters_frozen": {b + suffix: int(SIZES.get(b, 94.4e6)) for b in pair},
        "licences": {corpus: "CC BY-NC-SA 4.0", pair[0]: "MIT"},
    }
    per_clip = {"embed_per_clip": dict.fromkeys(entry.backbones, draw.uniform(0.02, 0.2))}
    folds = {"kind": cell.folds, "digest": _digest(f"{corpus}{cell.folds}")}
    return r.model_copy(
        update={
            "id": _digest(f"{i}")[:16],
            "entry": entry,
            "scores": {n: s.model_copy(update=score) for n, s in r.scores.items()},
            "control": control,
            "provenance": r.provenance.model_copy(update=provenance),
            "timings": r.timings.model_copy(update=per_clip),
            "folds": r.folds.model_copy(update=folds),
            "standing": ["official", "provisional", "unofficial"][i % 7 // 3],
            "licence": f"CC BY-NC-SA 4.0 ({corpus})",
        }
    )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _gap(result: Result, draw: random.Random) -> Gap:
    value = draw.gauss(0.06, 0.02)
    values = {"macro_f1": Difference(value=value, low=value - 0.02, high=value + 0.02, se=0.01)}
    return Gap(
        system="",
        dataset=result.entry.dataset,
        protocol=result.protocol,
        random=result.id,
        disjoint=result.id,
        kind="speaker",
        unit=result.unit,
        values=values,
    )


@contextmanager
def browser() -> Iterator[Any]:
    """The machine's Chromium."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def measure(real: list[Row], number: int, opened: Any) -> str:
    """One line: seconds to build, bytes, milliseconds until the table can be used, and until a
    search, a sort and the jumps of a scroll are drawn.
    """
    found = made_up(real, number)
    with tempfile.TemporaryDirectory() as folder:
        began, busy = time.perf_counter(), time.process_time()
        built = build(found, Path(folder) / "page")
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        index = (Path(folder) / "page" / "index.html").stat().st_size
        tab = opened.new_page(viewport={"width": 1440, "height": 900})
        tab.goto((Path(folder) / "page" / "index.html").as_uri() + "#corpus=&folds=&protocol=")
        tab.wait_for_function("document.documentElement.dataset.ready")
        ready = tab.evaluate(
            "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        )
        search, jump, sort = tab.evaluate(TIMES)
        tab.close()
    per = built.size / number / 1e3
    made = (
        f"built in {seconds:6.2f} s ({busy:.2f} of the processor), {built.size / 1e6:7.1f} MB"
        f" ({per:.1f} kB each), index {index / 1e6:5.2f} MB"
    )
    used = (
        f"interactive after {ready:5.0f} ms, search {search:4.0f} ms, sort {sort:4.0f} ms, worst"
        f" frame of a scroll {jump:4.0f} ms"
    )
    return f"{number:>6} results: {made}; {used}"


TIMES = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const q = document.querySelector("[name=q]"), box = document.getElementById("box");
  let began = performance.now();
  q.value = "hubert"; q.dispatchEvent(new Event("input", { bubbles: true })); await frame();
  const search = performance.now() - began;
  q.value = ""; q.dispatchEvent(new Event("input", { bubbles: true })); await frame();
  began = performance.now();
  document.querySelector("[data-sort=system]").click(); await frame();
  const sort = performance.now() - began;
  let worst = 0;
  for (let i = 0; i <= 50; i += 1) {
    began = performance.now(); box.scrollTop = box.scrollHeight * i / 50; await frame();
    worst = Math.max(worst, performance.now() - began);
  }
  return [search, worst, sort];
}"""


def screenshots(
    found: list[Row], real: list[Row], folder: Path, opened: Any, say: Callable[[str], None] = print
) -> None:
    """Pictures of every view in light, dark and phone width."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        clouds, root = _clouds(found[0], real[0]), Path(place) / "page"
        build([*found, *real], root, claims=CLAIMS, knowledge=PartInfo(), points=clouds)
        views = {
            "table": "index.html",
            "all": "index.html#corpus=&folds=&protocol=&sort=rank&order=up",
            "pairs": "index.html#view=pairs",
            "cost": "index.html#view=cost",
            "result": f"results/{found[0].result.id}.html",
            **{name: f"{name}.html" for name in ("claims", "about", "datasets")},
        }
        looks = {"light": (1440, "light"), "dark": (1440, "dark"), "phone": (390, "light")}
        for (look, (width, scheme)), view in itertools.product(looks.items(), views):
            tab = opened.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            tab.goto(f"{root.as_uri()}/{views[view]}")
            tab.wait_for_timeout(100)
            whole = view in ("result", "claims", "pairs", "cost")
            tab.screenshot(path=folder / f"{view}-{look}.png", full_page=whole)
            tab.close()
    say(f"pictures in {folder}")


CLAIMS = [
    {
        "paper": "RENO (arXiv 2506.02258)",
        "sentence": "Mixed pairs are better than pairs of one family.",
        "contrast": "mixed - same-family pairs",
        "verdict": verdict,
        "value": 0.005,
        "low": -0.012,
        "high": 0.022,
        "smallest": 0.017,
        "corpus": "jnv",
        "note": "published tables; four speakers",
    }
    for verdict in ("holds", "fails", "cannot tell", "not measured")
]


def _clouds(*found: Row) -> dict[str, Any]:
    """Made-up pictures of made-up embeddings."""
    draw, clouds = random.Random(1), {}
    for row in found:
        classes = row.result.labels
        labels = [draw.randrange(len(classes)) for _ in range(600)]
        for digest in row.result.provenance.embedding_digests.values():
            xy = [[draw.gauss(8 * (k % 4), 3), draw.gauss(8 * (k // 4), 3)] for k in labels]
            clouds[digest] = {
                "xy": xy,
                "classes": classes,
                "people": [f"group {i:02d}" for i in range(41)],
                "labels": labels,
                "groups": [draw.randrange(41) for _ in labels],
                "unit": "speaker",
                "clips": 1229,
                "shown": 600,
            }
    return clouds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("nverbench-runs"))
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--screenshots", type=Path)
    given = parser.parse_args()
    folder = ResultStore(given.out)
    real = rows(
        [
            StoredResult(r, lambda r=r: Predictions.read(folder.predictions_path(r.id)))
            for r in folder.results()[0].values()
        ]
    )
    if not real:
        raise SystemExit(f"no results in {given.out / 'results'}; nverbench run makes some")
    with browser() as opened:
        for number in (int(n) for n in given.sizes.split(",") if n):
            print(measure(real, number, opened), flush=True)
        if given.screenshots:
            screenshots(made_up(real, 400), real, given.screenshots, opened)


if __name__ == "__main__":
    main()
