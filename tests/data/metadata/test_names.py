"""Names of labels and speakers: cleaned, recognised as missing, and compared."""

from __future__ import annotations

import unicodedata

import pytest

from nverbench.data.metadata import names
from nverbench.errors import DatasetError


@pytest.mark.parametrize(
    "written",
    ["cry ", " cry", "cry\u200b", "\ufeffcry", "cry\u00a0", "\tcry", "cry\u2060\u3000", "cry\r"],
)
def test_invisible_ends_are_removed(written):
    assert names.clean(written) == "cry"


def test_decomposed_text_is_composed():
    assert names.clean(unicodedata.normalize("NFD", "dégoût")) == "dégoût"


def test_visible_text_is_unchanged():
    assert names.clean("A b-c_D 03.0") == "A b-c_D 03.0"


@pytest.mark.parametrize(
    "word", ["", " ", "nan", "NaN", "N/A", "<NA>", "null", "NaT", "#N/A", "missing"]
)
def test_words_for_a_missing_value_are_missing_for_labels_and_people(word):
    assert names.is_missing_label(word)
    assert names.is_missing_person(word)


@pytest.mark.parametrize("word", ["unknown", "None", "?", "-", "unk"])
def test_words_that_may_be_a_class_are_missing_for_people_only(word):
    assert not names.is_missing_label(word)
    assert names.is_missing_person(word)


@pytest.mark.parametrize("word", ["anna", "nana", "neutral", "s01", "0"])
def test_ordinary_names_are_not_missing(word):
    assert not names.is_missing_person(word)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3", "03"),
        ("3", "3.0"),
        ("S03", "s03"),
        ("s3", "S03"),
        ("Cry", "cry"),
        ("hot anger", "hot_anger"),
        ("hot-anger", "hot  anger"),
        ("cry", "c\u200bry"),
        ("cry", "\uff43\uff52\uff59"),
        ("Actor_01", "actor_1"),
        ("straße", "STRASSE"),
    ],
)
def test_two_spellings_of_one_name_are_found(one, other):
    assert names.spellings([one, other, "x"]) == [tuple(sorted([one, other]))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3", "30"),
        ("s1", "s11"),
        ("a", "b"),
        ("1_2", "12"),
        ("3.5", "35"),
        ("0a01", "00a1"),
        ("m1", "f1"),
    ],
)
def test_different_names_stay_different(one, other):
    assert names.spellings([one, other]) == []


def test_names_that_are_given_once_are_not_alike():
    assert names.spellings(["a", "a", "b"]) == []


def test_the_error_names_both_spellings_and_what_to_do():
    with pytest.raises(DatasetError, match=r"table t.csv: speakers '03' and '3' look like one"):
        names.check_spellings("table t.csv", "speaker", ["03", "3", "4"], DatasetError)


def test_a_negative_number_is_another_name_than_the_positive_one():
    assert names.spellings(["-1", "0", "1", "+1 a"]) == []
    assert names.spellings(["-1", "-1.0", "-01"]) == [("-01", "-1", "-1.0")]
