"""The folder of the page: what is written, what is left out, what is never written over, and what
hostile text becomes.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nverbench.errors import UsageError
from nverbench.leaderboard.page import PartInfo, build
from nverbench.leaderboard.page.build import anchor, embedded
from nverbench.results.command import command
from support.pages import HOSTILE, HOSTILE_CLAIM, board, hostile_board, identity, result, row


class Elements(HTMLParser):
    """Every element and its attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build(board(), tmp_path / "page")
    return tmp_path / "page"


def test_there_is_a_page_for_every_result_under_its_id(built: Path):
    assert {p.stem for p in (built / "results").iterdir()} == {r.result.id for r in board()}


def test_the_same_rows_make_the_same_bytes(built: Path, tmp_path: Path):
    build(board(), tmp_path / "again")
    files = [p for p in sorted(built.rglob("*")) if p.is_file()]
    assert [p.read_bytes() for p in files] == [
        (tmp_path / "again" / p.relative_to(built)).read_bytes() for p in files
    ]


def test_building_again_takes_away_results_that_are_gone(built: Path):
    build(board()[:2], built)
    assert len(list((built / "results").iterdir())) == 2


def test_a_folder_of_other_files_is_never_written_into(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        build(board(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "page").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        build(board(), tmp_path / "page")


@pytest.mark.parametrize(
    "name", ["../../outside", "reno-0123456789ab", "", "ABCDEF01", "0123456789abcdef\n"]
)
def test_an_id_that_is_no_digest_makes_no_file_and_is_named(tmp_path: Path, name: str):
    found = build([row(0), row(1, id=name)], tmp_path / "page")
    assert [p.name for p in (tmp_path / "page" / "results").iterdir()] == [
        f"{row(0).result.id}.html"
    ]
    assert len(found.problems) == 1
    assert repr(name) in found.problems[0]


def test_a_submitted_row_names_its_submitter_and_what_to_cite_as_text(tmp_path: Path):
    one = row(0, kind="<b>\u202ek", protocol="<b>\u202ep", standing="<b>\u202es", unit="<b>\u202eu")
    submitted = replace(
        one,
        filed=replace(
            one.filed,
            submitter="<b>Ann",
            citation="<b>Ann 2026",
            attested_by=("<b>Bob", "\u202eEve"),
        ),
    )
    build([submitted, row(1)], tmp_path / "page")
    page, other = (
        (tmp_path / "page" / "results" / f"{identity(i)}.html").read_text(encoding="utf-8")
        for i in (0, 1)
    )
    assert "submitted by <bdi>&lt;b&gt;Ann</bdi>" in page
    assert "<bdi>&lt;b&gt;Ann 2026</bdi>" in page
    assert "<b>" not in page.partition('<script type="application/json"')[0]
    marks = (
        page.partition("<main")[2]
        .partition('<section aria-labelledby="h-provenance"')[0]
        .split("\u202e")[1:]
    )
    ends = re.compile(
        r"\w+(&#39;)?</(bdi|span)>"
    )  # a mark of direction ends with its own text: words of the command are boxes of their own
    assert [after[:60] for after in marks if not ends.match(after)] == []
    assert "submitted by" not in other


def test_private_names_are_nowhere(built: Path):
    assert [p for p in built.rglob("*.*") if "private-clip" in p.read_text(encoding="utf-8")] == []


def test_no_page_points_outside_its_folder(built: Path):
    links = []
    for page in built.rglob("*.html"):
        for tag, facts in Elements(page.read_text(encoding="utf-8")).found:
            links += [
                (page.name, tag, value)
                for name, value in facts.items()
                if name in ("href", "src") and value and "//" in value
            ]
    assert links == []


def test_every_link_between_pages_leads_somewhere(built: Path):
    broken = []
    for page in built.rglob("*.html"):
        for _, facts in Elements(page.read_text(encoding="utf-8")).found:
            target = (facts.get("href") or facts.get("src") or "#").partition("#")[0]
            if target and not target.startswith("data:") and not (page.parent / target).exists():
                broken.append((page.name, target))
    assert broken == []


def test_every_page_forbids_the_network(built: Path):
    policies = [
        re.search(r'Content-Security-Policy" content="([^"]*)"', p.read_text(encoding="utf-8"))
        for p in built.rglob("*.html")
    ]
    assert {found and found[1].split(";")[0] for found in policies} == {"default-src 'none'"}
    assert not any("unsafe" in found[1] or "http" in found[1] for found in policies if found)


@pytest.mark.parametrize("text", [HOSTILE, "<!--", "]]>", "\u2028", "&amp;", "😀 \u202e"])
def test_embedded_json_ends_no_script_and_says_the_same(text: str):
    written = str(embedded({"x": text}))
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"x": text}


def test_hostile_text_makes_no_element_and_no_attribute(built: Path, tmp_path: Path):
    knows = PartInfo({("fusion", HOSTILE): HOSTILE}, {HOSTILE: {HOSTILE: HOSTILE}})
    build(
        hostile_board(),
        tmp_path / "hostile",
        knowledge=knows,
        claims=[HOSTILE_CLAIM],
        points={"ab" * 32: {"classes": [HOSTILE]}},
    )
    allowed = {
        tag
        for page in built.rglob("*.html")
        for tag, _ in Elements(page.read_text(encoding="utf-8")).found
    } | {"q", "small"}
    for page in (tmp_path / "hostile").rglob("*.html"):
        for tag, facts in Elements(page.read_text(encoding="utf-8")).found:
            assert tag in allowed
            assert not any(name.startswith("on") for name in facts)
            assert not any(
                "alert" in (facts.get(name) or "") for name in ("href", "src", "id", "class")
            )


def test_a_lone_surrogate_does_not_end_the_build(tmp_path: Path):
    assert build([row(0, licence="\ud800")], tmp_path / "page").results == 1


def test_a_dataset_with_options_is_found_under_its_name():
    assert anchor("vivae:exclude=pain") == anchor("vivae")


def test_the_command_says_how_turns_were_shuffled_and_frames_stored() -> None:
    made = result(0)
    identity = {**made.provenance.identity, "train": {"shuffle": "intra"}, "storage": "float16"}
    shuffled = made.model_copy(
        update={"provenance": made.provenance.model_copy(update={"identity": identity})}
    )
    assert "--train shuffle=intra --storage float16" in " ".join(command(shuffled))
    assert "--train" not in " ".join(command(shuffled, shuffle="none"))
    assert not {"--train", "--storage"} & set(" ".join(command(made)).split())


def test_the_command_is_quoted_for_a_shell():
    words = shlex.split(
        " ".join(command(result(0, fusion="a; rm -rf $HOME", backbones=("x:k='v'", "y"))))
    )
    assert words[:6] == ["nverbench", "run", "--backbone", "x:k='v'", "--backbone", "y"]
    assert words[words.index("--fusion") + 1] == "a; rm -rf $HOME"


def test_a_part_that_is_not_installed_is_reported(built: Path):
    assert "not installed on the machine that built this page" in (
        built / "results" / f"{row(0).result.id}.html"
    ).read_text(encoding="utf-8")


def test_what_a_score_is_stands_on_every_page(built: Path):
    said = [
        ("Art. 5(1)(f)" in text, "what a person feels" in text)
        for text in (p.read_text(encoding="utf-8") for p in built.rglob("*.html"))
    ]
    assert set(said) == {(True, True)}
