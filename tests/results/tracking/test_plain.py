"""Names of third-party parts and labels stay text, in MLflow's names and in its Markdown."""

from __future__ import annotations

import html
import posixpath
import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench._io.text import escape_control_characters
from nverbench.results.command import command
from nverbench.results.tracking.description import NOT, description
from nverbench.results.tracking.escaping import fenced, key, keys, markdown
from nverbench.results.tracking.fields import dataset, params, points, tags
from support.tracking_results import entry, result

HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "=cmd|' /C calc'!A0",
    "a|b|c",
    "`code`",
    "```",
    "\u202egpj.exe",
    "a\nb\r\n# heading",
    "nul\x00byte",
    "../../etc/passwd",
    "..",
    "/",
    "",
    "http://evil.example",
    "*bold* _it_ ~~no~~",
    "&lt;b&gt;",
)
anything = st.text() | st.sampled_from(HOSTILE)


@given(anything)
def test_a_key_is_a_metric_name_that_mlflow_takes(text: str) -> None:
    made = key(text)
    assert re.match(r"^[/\w.\- :]*$", made)
    assert made == posixpath.normpath(made)
    assert "/" not in made
    assert 0 < len(made) <= 80


@given(st.lists(anything, unique=True, max_size=8))
def test_no_two_texts_share_a_key(texts: list[str]) -> None:
    assert len(set(keys(texts).values())) == len(texts)


@given(anything)
def test_plain_text_holds_no_character_that_cannot_be_seen(text: str) -> None:
    assert not re.search(
        r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", escape_control_characters(text)
    )
    assert "\n" not in escape_control_characters(text)


@given(anything)
def test_markdown_gives_the_text_back_and_holds_no_markup(text: str) -> None:
    made = markdown(text)
    assert html.unescape(made) == escape_control_characters(text)
    assert not set("<>[]()*_`|!\\~/\"'$@{}") & set(made)
    assert not set(re.sub(r"&#\d+;", "", made)) & set("#&")


@given(st.text(alphabet="`a\n "))
def test_no_text_ends_its_fence(text: str) -> None:
    first, *inside, last = fenced(text).split("\n")
    assert first == last
    assert set(first) == {"`"}
    assert len(inside) == 1
    assert first not in inside[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_result_is_text_in_its_description(name: str) -> None:
    r = result(
        entry=entry(backbones=[name, "b"], fusion=name, dataset=name, paper=name),
        licence=name,
        standing_reasons=[name],
        heard_in_pretraining=[name],
    )
    outside = "".join(description(r).split("\n```")[::2])  # not the command
    shown = outside.replace(NOT, "")
    assert "<" not in shown
    assert "](" not in shown
    assert (
        "javascript:alert(1)" not in shown.replace("&#40;", "(").replace("[x]", "")
        or "&#91;x&#93;" in shown
    )
    assert "\u202e" not in description(r)
    assert len(re.findall(r"^#", description(r), re.MULTILINE)) == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_result_has_names_and_values_that_mlflow_takes(name: str) -> None:
    r = result(
        entry=entry(backbones=[name, "b"], fusion=name, dataset=name),
        per_class_recall={name: 0.5, name + "/": 0.25},
        provenance=result().provenance.model_copy(
            update={"identity": {name: {"options": {name: [name, {name: None}]}}}}
        ),
    )
    for made in (*tags(r), *params(r), *(place for place, _, _ in points(r))):
        assert re.match(r"^[/\w.\- :]*$", made)
        assert made == posixpath.normpath(made)
    texts = [*tags(r).values(), *params(r).values(), *dataset(r).values()]
    assert not any(re.search(r"[\x00-\x1f\u202e]", text) for text in texts)
    recalls = [value for place, value, _ in points(r) if place.startswith("recall/")]
    assert sorted(recalls) == [0.25, 0.5]


def test_the_command_names_everything_that_a_row_depends_on() -> None:
    r = result(
        entry=entry(backbones=["a:untrained", "b:layer=3"], dataset="d:exclude=x+y"),
        selection="test",
        protocol="quick",
        seeds=3,
        provenance=result().provenance.model_copy(
            update={
                "identity": {
                    "device": "cpu",
                    "dtype": "bfloat16",
                    "skip_bad": True,
                    "protocol": {"selection": "inner"},
                }
            }
        ),
    )
    assert shlex.split(" ".join(command(r))) == shlex.split(
        "nverbench run --backbone a:untrained --backbone b:layer=3 --fusion reno --loss renyi"
        " --dataset d:exclude=x+y --folds speaker --seeds 3 --protocol quick --selection test"
        " --dtype bfloat16 --device cpu --skip-bad"
    )


def test_the_description_says_what_a_score_is_not() -> None:
    assert NOT in description(result())
    assert "2024/1689" in NOT


def test_a_control_and_an_optimistic_row_say_so_first() -> None:
    shown = description(result(control=True, optimistic=True))
    assert (
        "This row is **control, not a result**; **optimistic: the stopping epoch was chosen on the"
        " test part**; provisional" in shown
    )
