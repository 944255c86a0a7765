"""Third-party text appears on a terminal as text: nothing that a terminal executes, nothing that
turns a line around, no line of its own.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io.text import HIDDEN, escape_control_characters
from nverbench.cli import list as list_command
from nverbench.cli import main, progress, run, show
from nverbench.cli.common import echo_err
from nverbench.pipeline import listing
from nverbench.pipeline.job import Plan
from nverbench.pipeline.run import Summary
from nverbench.results.store import ResultStore
from support.leaderboards import competitor, said

EVIL = "[red]x[/red]\x1b[31m\u202ed\u200b\x07\x9b2J\r\nnverbench: all is well\u2028"
SHOWN = r"[red]x[/red]\u001b[31m\u202ed\u200b\u0007\u009b2J\u000d\u000anverbench: all is well\u2028"


def obeyed(text: str) -> list[str]:
    """Signs of a printed text, but for its own line ends, that a terminal would obey."""
    return [sign for sign in text if unicodedata.category(sign) in HIDDEN and sign != "\n"]


@given(st.text())
def test_what_is_visible_is_one_line_without_hidden_signs_and_stays_as_it_is(text: str) -> None:
    found = escape_control_characters(text)
    assert not [sign for sign in found if unicodedata.category(sign) in HIDDEN]
    assert escape_control_characters(found) == found
    assert len(found.splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=HIDDEN)))
def test_text_without_hidden_signs_is_not_changed(text: str) -> None:
    assert escape_control_characters(text) == text


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two results whose every name is hostile."""
    base = competitor("x", said(0.5))
    provenance = base.provenance.model_copy(
        update={"licences": {EVIL: EVIL}, "plugins": {EVIL: EVIL}, "libraries": {EVIL: EVIL}}
    )
    counts = base.counts.model_copy(update={"left_out": {EVIL: EVIL}})
    for name, skill, seed in (("aa11", 0.9, 1), ("bb22", 0.4, 2)):
        predictions = said(skill, seed=seed)
        result = competitor(
            name,
            predictions,
            fusion=f"{EVIL}{name}",
            loss=EVIL,
            dataset=EVIL,
            paper=EVIL,
            backbones=[EVIL, EVIL],
            families=[EVIL],
            kind=EVIL,
            standing=EVIL,
            standing_reasons=[EVIL],
            protocol=EVIL,
            selection=EVIL,
            licence=EVIL,
            unit=EVIL,
            heard_in_pretraining=[EVIL],
            provenance=provenance,
            counts=counts,
            display={"anger": EVIL},
            per_group_accuracy={EVIL: 0.5},
        )
        ResultStore(tmp_path).write(result, predictions)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["show", "aa11"],
        ["leaderboard", "show"],
        ["leaderboard", "show", "--json"],
        ["compare", "aa11", "bb22"],
        ["leaderboard", "claims"],
    ],
)
def test_commands_print_hostile_results_as_text(
    out: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--out", str(out)])
    printed = capsys.readouterr()
    assert (obeyed(printed.out), obeyed(printed.err)) == ([], [])
    assert printed.out
    assert not [
        line
        for line in (printed.out + printed.err).splitlines()
        if line.startswith("nverbench: all is well")
    ]
    if words[0] == "show":
        assert SHOWN in printed.out


def test_the_summary_of_a_run_prints_hostile_results_as_text(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure: Any = SimpleNamespace(job=EVIL, reason=EVIL)
    summary = Summary(
        Plan((SimpleNamespace(), SimpleNamespace()), (), ()),
        finished=list(ResultStore(out).results()[0].values()),
        failures=[failure],
    )  # type: ignore[arg-type]
    run.print_summary(summary, out, "sqlite:///x", as_json=False)
    printed = capsys.readouterr()
    assert obeyed(printed.out + printed.err) == []
    assert f"failed: {SHOWN}: {SHOWN}" in printed.err


def test_what_is_listed_and_said_of_parts_is_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        listing, "records", lambda kind, catalog, rules: [{"name": EVIL, "what": EVIL}]
    )
    list_command.list_parts("backbones")
    echo_err(EVIL)
    progress._plain(EVIL, 1)
    printed = capsys.readouterr()
    assert obeyed(printed.out + printed.err) == []
    assert printed.out.count(SHOWN) == 2
    assert printed.err == f"{SHOWN}\n"


def test_a_citation_keeps_its_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        show, "part_facts", lambda kind, part, origin: {"citation": "@a{b,\n  c = {\x1b[1m}}"}
    )
    show.show("linear")
    assert capsys.readouterr().out.startswith("citation: @a{b,\n  c = {\\u001b[1m}}\n")
