"""How the page looks in a real Chromium: readable by day and by night, and no wider than a
phone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.pages import PAGES, ROWS

pytestmark = pytest.mark.slow

Visit = Callable[..., Any]


def luminance(tab: Any, selector: str, what: str) -> float:
    """Relative luminance of a computed colour (WCAG 2)."""
    return float(
        tab.locator(selector).first.evaluate(
            """(e, what) => {
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = getComputedStyle(e)[what]; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; }""",
            what,
        )
    )


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "selector",
    [
        "#rows tbody td.c-accuracy small",
        "#rows tbody th a",
        "#lead .value",
        "footer p",
        "#rows thead small",
    ],
)
def test_text_can_be_read_by_day_and_by_night(visit: Visit, site: Path, scheme: str, selector: str):
    tab = visit(site, scheme=scheme)
    assert (
        contrast(luminance(tab, selector, "color"), luminance(tab, "body", "backgroundColor"))
        >= 4.5
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_in_a_heat_map_can_be_read(visit: Visit, site: Path, scheme: str):
    tab = visit(site, "index.html#view=pairs", scheme=scheme)
    darkest = ".heats td.heat:has(a)"
    assert (
        contrast(
            luminance(tab, f"{darkest} a", "color"), luminance(tab, darkest, "backgroundColor")
        )
        >= 4.5
    )


def test_night_follows_the_system_until_the_reader_chooses(visit: Visit, site: Path):
    tab = visit(site, scheme="dark")
    assert luminance(tab, "body", "backgroundColor") < 0.05
    tab.locator("#theme").click()
    assert luminance(tab, "body", "backgroundColor") > 0.9
    tab.reload()
    assert luminance(tab, "body", "backgroundColor") > 0.9


@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_wider_than_a_phone(visit: Visit, site: Path, address: str):
    tab = visit(site, address, width=390)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_the_system_stays_while_the_numbers_scroll(visit: Visit, site: Path):
    tab = visit(site, width=390)
    left = tab.locator(f"{ROWS} th").first.bounding_box()["x"]
    tab.locator("#box").evaluate("(box) => { box.scrollLeft = 300; }")
    assert abs(tab.locator(f"{ROWS} th").first.bounding_box()["x"] - left) < 2
    tab.locator("#more").click()
    assert tab.locator("[name=fusion]").is_visible()
