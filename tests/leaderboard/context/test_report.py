"""The analysis of context in words, as JSON and as a picture; names come from third parties."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench.errors import ResultError
from nverbench.leaderboard.context.analysis import Atmosphere, ConversationTurns, analyse
from nverbench.leaderboard.context.report import published, record, text
from nverbench.leaderboard.figures import draw_atmosphere, save
from nverbench.plugin.types import UNSCORED


def example(
    labels: tuple[str, ...] = ("ang", "neu", "sad"), conversations: int = 8, groups: int = 1
) -> Atmosphere:
    """Conversations of five turns, three of one label; contextual predictions are right but for the
    last turn, single ones now and then.
    """
    k, n = len(labels), 5 * conversations
    rng = np.random.default_rng(k)
    target = np.concatenate(
        [[c % k, c % k, c % k, (c + 1) % k, UNSCORED] for c in range(conversations)]
    )
    contextual = np.where(np.arange(n) % 5 > 2, np.repeat(np.arange(conversations) % k, 5), target)
    single = np.where(
        rng.random(n) < 0.5, np.where(target == UNSCORED, 0, target), rng.integers(k, size=n)
    )
    names = tuple(f"Ses05F_impro{c:02d}" for c in range(conversations) for _ in range(5))
    places, units = (
        tuple(range(5)) * conversations,
        tuple(f"g{c % groups}" for c in range(conversations) for _ in range(5)),
    )
    return analyse(
        ConversationTurns(names, places, units, target, contextual[None], single[None], labels),
        draws=100,
    )


def plain() -> Atmosphere:
    """No conversation has a dominant emotion."""
    one = np.array([0, 1])
    return analyse(
        ConversationTurns(
            ("c", "c"), (0, 1), (None, None), one, one[None], one[None], ("ang", "neu")
        )
    )


def gains(found: Atmosphere, **options: Any) -> list[str]:
    """The text below the table of labels."""
    lines = text(found, **options)
    return lines[lines.index("") + 1 :]


def test_the_text_has_a_row_by_dominated_conversation_the_share_under_both_denominators_the_null_and_the_pull():
    lines = gains(example())
    assert [line.split()[0] for line in lines[3:11]] == [f"Ses05F_impro{c:02d}" for c in range(8)]
    assert all(line.count("*") == 1 for line in lines[3:11])
    assert lines[11].startswith("all conversations")
    assert "of 8 conversations that have one" in lines[12]
    assert "of all 8 conversations" in lines[12]
    assert "71% (22/31)" in lines[12]
    assert "labels are permuted within conversations" in lines[13]
    assert (
        "pull towards the dominant emotion: of 8 turns with another label, 100.0% are called"
        " dominant with context" in lines[14]
    )
    assert (
        "jackknife over 8 conversations; too narrow where speakers are in many of them" in lines[14]
    )
    assert len(lines) == 15


def test_over_five_groups_or_more_the_interval_of_the_pull_is_over_groups():
    assert "(jackknife over 5 groups)" in text(example(groups=5))[-1]


def test_every_conversation_has_a_row_of_its_labels_whether_one_dominates_or_not():
    lines = text(example())[1:11]
    assert lines[0].split() == ["conversation", "turns", "ang", "neu", "sad", "dominant"]
    assert lines[1].split() == ["Ses05F_impro00", "4", "3", "1", "0", "ang", "75%"]
    assert lines[9].split() == ["all", "conversations", "32", "11", "12", "9"]
    assert text(plain())[2].split() == ["c", "2", "1", "1", "-"]


def test_rows_of_the_table_are_aligned():
    lines = gains(example())
    assert len({len(line) for line in lines[2:12]}) == 1


def test_what_was_published_stands_below_ours_of_the_same_name():
    found = example(labels=("ang", "exc", "fru", "hap", "neu", "sad"))
    lines = gains(found, published=published())
    below = lines[1 + next(i for i, line in enumerate(lines) if line.startswith("Ses05F_impro01"))]
    assert below.split() == ["published", "+34.7"]
    assert lines[1].endswith(
        "published: the paper's Table 4, of its own model, trained on sessions 1-4"
    )
    assert "published" not in "".join(gains(found))
    assert lines[2].index("fru") + len("fru") == below.index("+34.7") + len("+34.7")


def test_where_nothing_dominates_the_text_says_so():
    assert text(plain())[-1].startswith("no conversation of 1 has a dominant emotion")


def test_averaged_replicates_are_reported():
    assert "one replicate each" in gains(example())[1]
    assert "3 and 2 replicates, averaged" in gains(replace(example(), replicates=(3, 2)))[1]


def test_a_name_cannot_move_the_cursor():
    found = example()
    hostile = replace(
        found,
        conversations=(
            replace(found.conversations[0], name="a\x1b[2Jb\nc"),
            *found.conversations[1:],
        ),
    )
    assert all(line.isprintable() for line in text(hostile))


def test_table_4_has_ten_conversations_and_every_dominant_emotion_gains():
    gains = published()
    assert len(gains) == 10
    assert gains["Ses05F_impro07"] == {"exc": pytest.approx(0.053), "hap": -1.0}
    rows = [
        line.split(",")
        for line in Path("leaderboard/published/erc_table4.csv").read_text().splitlines()[1:]
    ]
    assert all(gains[row[0]][row[-1]] > 0 for row in rows)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"\xff",
        b"name,ang\nc,1\n",
        b"conversation,ang\nc,many\n",
        b"conversation,ang\nc,1,2,3\n",
    ],
)
def test_a_damaged_table_is_one_line_that_names_the_file(tmp_path: Path, content: bytes | None):
    path = tmp_path / "erc_table4.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ResultError, match=r"erc_table4\.csv: expected the published table"
    ) as error:
        published(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "found",
    [example(), example(groups=6), plain()],
    ids=["dominated", "with groups", "nothing dominates"],
)
def test_the_record_is_json_and_holds_what_the_text_says(found: Atmosphere):
    content = json.loads(json.dumps(record(found), allow_nan=False))
    assert content["shares"]["of_all"] == found.gaining / len(found.conversations)
    assert (content["shares"]["of_dominated"] is None) == (found.dominated == 0)
    for c, row in zip(found.conversations, content["conversations"], strict=True):
        assert (row["name"], row["dominant"], row["counts"]) == (c.name, c.dominant, c.counts)
        assert {label: gain["relative"] for label, gain in row["emotions"].items()} == {
            label: gain.relative for label, gain in c.emotions.items()
        }


def pictured(found: Atmosphere, path: Path, **options: str) -> bytes:
    save(draw_atmosphere(found, **options), path)
    return path.read_bytes()


CASES = {
    "few": example(),
    "many": example(conversations=90),
    "eleven labels": example(labels=tuple(f"l{i}" for i in range(11))),
    "nothing dominates": plain(),
    "names of strangers": example(labels=("$x^{", "_hidden", "\x1b[2J" + "w" * 80)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_analysis_can_be_drawn_and_two_pictures_of_it_are_the_same_bytes(
    case: str, tmp_path: Path
):
    first = pictured(CASES[case], tmp_path / "a.png", title="$\\frac{$ a title")
    assert first.startswith(b"\x89PNG")
    assert pictured(CASES[case], tmp_path / "b.png", title="$\\frac{$ a title") == first
    assert len(first) < 300_000


@pytest.mark.parametrize("case", CASES)
def test_no_text_of_the_picture_lies_outside_it(case: str):
    figure = draw_atmosphere(
        CASES[case],
        title=(
            "a title of a picture that is far longer than there is room for above so few bars,"
            " $\\frac{$\nb"
        ),
    )
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [figure._suptitle.get_window_extent()]
    assert all(
        box.x0 >= -1
        and box.x1 <= figure.bbox.width + 1
        and box.y0 >= -1
        and box.y1 <= figure.bbox.height + 1
        for box in boxes
    )
