"""One headless Chromium for all tests of the page, and pages that complain about every error and
every request.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nverbench.leaderboard.page import build
from support.pages import board

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The machine's own browser: CHROMIUM, else the first on PATH."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(
            "no Chromium on PATH and none named by CHROMIUM: the page is not tested in a browser"
        )
    playwright = pytest.importorskip(
        "playwright.sync_api",
        reason="playwright is not installed: the page is not tested in a browser",
    )
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of nine rows."""
    folder = tmp_path_factory.mktemp("site") / "page"
    cloud = {
        "xy": [[0, 0], [1, 2], [3, 1]],
        "classes": ["anger", "joy"],
        "people": ["group 01", "group 02"],
        "labels": [0, 1, 1],
        "groups": [0, 0, 1],
        "unit": "speaker",
        "clips": 3,
        "shown": 3,
    }
    digest = next(iter(board()[0].result.provenance.embedding_digests.values()))
    claim = {
        "paper": "RENO",
        "sentence": "Mixed pairs are better.",
        "contrast": "mixed - same",
        "verdict": "cannot tell",
        "value": 0.01,
        "low": -0.01,
        "high": 0.03,
        "smallest": 0.02,
        "corpus": "jnv",
        "note": "four speakers",
    }
    build(board(), folder, claims=[claim], points={digest: cloud})
    return folder


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address of a folder in a fresh tab; at the end no tab may have met an error or left
    the folder.
    """
    contexts, complaints = [], []

    def go(
        folder: Path, address: str = "index.html", *, width: int = 1280, scheme: str = "light"
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        tab.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((folder.as_uri(), "data:"))
                else complaints.append(request.url)
            ),
        )
        tab.goto(f"{folder.as_uri()}/{address}")
        return tab

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
