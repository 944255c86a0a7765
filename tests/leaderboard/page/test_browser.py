"""The page in a real Chromium, from disk: what a reader sees, finds and reaches by keyboard, on a
desk and on a phone, by day and by night.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.pages import PAGES, ROWS, board, identity

pytestmark = pytest.mark.slow

Visit = Callable[..., Any]


def systems(tab: Any) -> list[str]:
    """The first line of every drawn row."""
    found: list[str] = tab.locator(f"{ROWS} th .first").all_text_contents()
    return found


@pytest.mark.parametrize("address", PAGES)
def test_every_page_opens_from_disk_without_errors_and_without_network(
    visit: Visit, site: Path, address: str
):
    tab = visit(site, address)
    assert tab.locator("h1").count() == 1
    assert tab.evaluate("document.compatMode") == "CSS1Compat"


def test_the_first_view_is_one_corpus_best_first_with_chance(visit: Visit, site: Path):
    tab = visit(site)
    assert systems(tab) == [
        "alpha + beta",
        "alpha + gamma",
        "beta + gamma",
        "alpha + beta",
        "uniform guessing",
        "beta",
        "majority class",
        "alpha:untrained + beta:untrained",
    ]
    assert tab.locator(f"{ROWS} .pill").first.text_content() == "1"


def test_the_answer_stands_on_top(visit: Visit, site: Path):
    text = visit(site).locator("#lead").text_content()
    expected = [
        "alpha + beta",
        "70.0",
        "[65.0, 75.0]",
        "chance 50.0",
        "2 tie",
        "10.0 points behind",
        "[9.0, 11.0]",
        "weights trained",
        "+7.0",
    ]
    assert [words for words in expected if words not in text] == []


def test_a_row_shows_what_a_paper_says_and_the_speaker_gap(visit: Visit, site: Path):
    text = visit(site).locator(ROWS).first.text_content()
    assert [
        words
        for words in ("58.0", "ours +12.0", "+5.0", "[+2.0, +8.0]", "own")
        if words not in text
    ] == []


def test_intervals_are_drawn_with_whiskers_on_one_axis(visit: Visit, site: Path):
    tab = visit(site)
    first, second = (
        tab.locator(f"{ROWS} svg.whisker circle").nth(i).get_attribute("cx") for i in (0, 1)
    )
    assert float(first) > float(second)
    assert tab.locator(f"{ROWS} svg.whisker .reach").first.get_attribute("d").count("v8") == 2


def test_search_finds_words_in_any_order_and_the_address_keeps_them(visit: Visit, site: Path):
    tab = visit(site)
    tab.keyboard.press("/")
    tab.keyboard.type("gamma ALPHA")
    assert systems(tab) == ["alpha + gamma"]
    assert "q=gamma+ALPHA" in tab.url
    again = visit(site, "index.html#" + tab.url.partition("#")[2])
    assert systems(again) == ["alpha + gamma"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("kind", "attention + attention", ["beta + gamma"]),
        ("fusion", "concat", ["alpha + beta"]),
        ("loss", "cross-entropy", ["alpha + beta", "beta"]),
        ("standing", "official", ["beta"]),
        ("standing", "control", ["alpha:untrained + beta:untrained"]),
    ],
)
def test_a_filter_leaves_what_fits_and_chance(
    visit: Visit, site: Path, name: str, value: str, expected: list[str]
):
    tab = visit(site)
    tab.locator(f"[name={name}]").select_option(value)
    assert [s for s in systems(tab) if s not in ("uniform guessing", "majority class")] == expected
    assert f"{name}=" in tab.url


def test_controls_can_be_left_out(visit: Visit, site: Path):
    tab = visit(site)
    tab.locator("[name=controls]").uncheck()
    assert not any("untrained" in s for s in systems(tab))


def test_choosing_a_corpus_that_was_never_cut_that_way_chooses_its_own_folds(
    visit: Visit, site: Path
):
    tab = visit(site, "index.html#folds=random")
    tab.locator("[name=corpus]").select_option("jnv")
    assert tab.locator("[name=folds]").input_value() == "speaker"
    assert "alpha + gamma" in systems(tab)


def test_all_corpora_say_that_ranks_hold_within_one_field(visit: Visit, site: Path):
    tab = visit(site, "index.html#corpus=&folds=&protocol=")
    assert "3 fields are shown" in tab.locator("#lead").text_content()
    assert tab.locator("#count").text_content() == "9 results"


def test_a_link_to_what_is_gone_shows_the_first_view(visit: Visit, site: Path):
    assert len(systems(visit(site, "index.html#corpus=nowhere&view=nothing&sort=none"))) == 8


def headings(tab: Any) -> list[str]:
    found: list[str] = tab.locator("#rows thead button").evaluate_all(
        "(all) => all.map((each) => each.dataset.sort)"
    )
    return found


def test_every_column_sorts_both_ways_and_says_so(visit: Visit, site: Path):
    tab = visit(site)
    found = {}
    for name in headings(tab):
        said = []
        for _ in range(2):
            tab.locator(f"[data-sort={name}]").click()
            said.append(
                tab.locator("#rows th[aria-sort]:not([aria-sort=none])").evaluate(
                    "(th) => [th.className.split(' ')[0], th.ariaSort]"
                )
            )
        found[name] = said
    assert [
        n
        for n, said in found.items()
        if {s[1] for s in said} != {"ascending", "descending"} or {s[0] for s in said} != {f"c-{n}"}
    ] == []


def test_what_is_not_known_stands_last_either_way(visit: Visit, site: Path):
    tab = visit(site, "index.html#sort=published")
    assert systems(tab)[:2] == ["alpha + beta", "beta + gamma"]
    tab.locator("[data-sort=published]").click()
    assert set(systems(tab)[:2]) == {"alpha + beta", "beta + gamma"}


def test_the_table_is_one_to_a_screen_reader(visit: Visit, site: Path):
    tab = visit(site)
    facts = tab.locator("#rows").evaluate(
        "(t) => [t.tagName, t.getAttribute('aria-rowcount'), t.caption.textContent.length > 20]"
    )
    assert facts == ["TABLE", "9", True]
    places = tab.locator(ROWS).evaluate_all(
        "(rows) => rows.map((row) => row.getAttribute('aria-rowindex'))"
    )
    assert places == [str(i) for i in range(2, 10)]
    assert tab.locator("#rows tbody th[scope=row]").count() == 8


def test_rows_are_walked_and_opened_by_keyboard(visit: Visit, site: Path):
    tab = visit(site)
    tab.locator("#box").focus()
    for _ in range(2):
        tab.keyboard.press("ArrowDown")
    assert tab.evaluate("document.activeElement.textContent") == "alpha + gamma"
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/results/{identity(1)}.html")


def test_views_are_tabs_by_keyboard(visit: Visit, site: Path):
    tab = visit(site)
    tab.locator("#tab-table").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#view-pairs").is_visible()
    assert tab.evaluate("document.activeElement.id") == "tab-pairs"
    assert "view=pairs" in tab.url


def test_every_control_has_a_name_and_every_focus_is_seen(visit: Visit, site: Path):
    tab = visit(site)
    nameless = tab.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a")].filter((e) => e.offsetParent)
        .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || (e.labels && e.labels.length))).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_pairs_have_numbers_and_name_what_was_not_run(visit: Visit, site: Path):
    tab = visit(site, "index.html#view=pairs")
    reno = tab.locator(".heats", has_text="reno / renyi").first
    assert reno.locator("thead th").all_text_contents() == ["beta", "gamma"]
    assert [cell.split(" ")[0] for cell in reno.locator("tbody td").all_text_contents()] == [
        "70.0",
        "68.0",
        "not",
        "60.0",
    ]
    assert reno.locator("a").first.get_attribute("href") == f"results/{identity(0)}.html"


def test_a_tidy_quantity_is_the_same_number(visit: Visit, site: Path):
    written = ["2.00 M", "1.50 M", "500 k", "100 M", "20.0 M", "0.10 s", "10.0 ms"]
    assert visit(site).evaluate("(all) => all.map(nver.tidy)", written) == [
        "2 M",
        "1.5 M",
        "500 k",
        "100 M",
        "20 M",
        "0.1 s",
        "10 ms",
    ]


def test_cost_shows_the_front_as_chart_and_as_table(visit: Visit, site: Path):
    tab = visit(site, "index.html#view=cost")
    assert "on the Pareto front" in tab.locator("#view-cost svg.plot").get_attribute("aria-label")
    assert tab.locator("#view-cost tbody th a").all_text_contents() == ["alpha + beta"]


def test_a_result_has_dots_matrix_curves_pictures_and_its_command(visit: Visit, site: Path):
    tab = visit(site, f"results/{identity(0)}.html")
    assert tab.locator("#folds circle.point").count() == 6
    assert tab.locator("#confusion td.heat").all_text_contents() == ["50", "50", "50", "50"]
    assert tab.locator("#curves svg").count() >= 1
    assert tab.locator("#embeddings svg.plot").count() == 2
    said = tab.locator("#command").text_content()
    assert said.startswith(
        "nverbench run --backbone alpha --backbone beta --fusion reno --loss renyi --dataset vivae"
        " --folds speaker"
    )
    assert tab.locator("svg[role=img]:not([aria-label])").count() == 0


def test_the_matrix_tells_counts_to_the_keyboard(visit: Visit, site: Path):
    tab = visit(site, f"results/{identity(0)}.html")
    tab.locator("#confusion td.heat").first.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".readout").text_content() == "anger predicted as joy: 2 of 4 (50.0%)"


def test_a_submitted_row_says_why_it_is_not_ranked_and_what_was_left_out(visit: Visit, site: Path):
    text = visit(site, f"results/{identity(8)}.html").locator("main").text_content()
    assert "self-consistent" in text
    assert "clip 01 (silent)" in " ".join(text.split())


def test_claims_carry_verdicts_in_words(visit: Visit, site: Path):
    text = " ".join(visit(site, "claims.html").locator("main").text_content().split())
    assert "cannot tell +1.0 [\u22121.0, +3.0] \u2013 ±2.0 \u2013 \u2013 four speakers" in text


def test_the_dataset_is_one_click_away_from_a_result(visit: Visit, site: Path):
    tab = visit(site, f"results/{identity(0)}.html")
    tab.locator(".crumb a").nth(1).click()
    assert tab.locator(".card:target h2").text_content() == "vivae"


def test_the_nine_rows_of_these_tests_have_a_page_each(site: Path):
    assert len(list((site / "results").iterdir())) == len(board())
