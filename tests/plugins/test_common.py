"""The words that labels go by across corpora: one vocabulary, nothing merged that is not the same,
and every registered pair shares enough.
"""

from __future__ import annotations

import pytest

from nverbench import registry
from nverbench.data.corpus import add
from nverbench.data.cross_corpus import load_local_pair
from nverbench.plugin.options import resolve, split
from nverbench_datasets import nverbench_datasets
from nverbench_datasets.common import COMMON
from nverbench_datasets.conversation_demo import CONVERSATION_DEMOS

DATASETS = {dataset.name: dataset for dataset in nverbench_datasets()}
WITHOUT = {
    "donate-a-cry",
    "vocalsound",
    "iemocap-6",
    "dialogues",
    "folder",
    "table",
    "vocal-demo",
    *(d.name for d in CONVERSATION_DEMOS),
}
PAIRS = sorted({e.dataset for e in registry.load().entries if e.grid == "cross-corpus"})


def shared(one: str, other: str) -> set[str]:
    return set(DATASETS[one].common.values()) & set(DATASETS[other].common.values())


def test_every_emotion_corpus_has_words_and_every_word_is_in_the_vocabulary():
    assert {name for name, dataset in DATASETS.items() if not dataset.common} == WITHOUT
    assert {word for dataset in DATASETS.values() for word in dataset.common.values()} == set(
        COMMON
    )


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_two_labels_of_a_corpus_are_merged(name: str):
    words = list(DATASETS[name].common.values())
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("vivae", {"pleasure"}),
        ("vivae-core", {"pleasure"}),
        ("asvp-esd", {"excited", "pleasure", "breath"}),
        ("emogator-10", {"Amusement", "Awe", "Relief", "Surprise (Negative)"}),
        ("ravdess", {"calm"}),
        ("iemocap-4", {"hap"}),
        ("jnv", set()),
        ("crema-d", set()),
        ("emodb", set()),
        ("mesd", set()),
    ],
)
def test_a_label_that_means_something_of_its_own_is_shared_with_nobody(name: str, labels: set[str]):
    assert set(DATASETS[name].labels) - set(DATASETS[name].common) == labels


def test_datasets_of_one_corpus_call_a_label_by_one_word():
    for corpus in {d.corpus for d in DATASETS.values() if d.common}:
        pairs = {
            (label, word)
            for d in DATASETS.values()
            if d.corpus == corpus
            for label, word in d.common.items()
        }
        assert len(dict(pairs)) == len(pairs), corpus


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ("asvp-esd", "jnv", {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}),
        ("asvp-esd", "vivae", {"anger", "fear", "pain"}),
        ("jnv", "vivae", {"anger", "fear"}),
        ("crema-d", "emodb", {"anger", "disgust", "fear", "happiness", "neutral", "sadness"}),
        ("emogator-10", "vivae", {"anger", "fear", "triumph"}),
        ("emogator", "vivae", {"anger", "fear", "pain", "positive-surprise", "triumph"}),
    ],
)
def test_what_two_corpora_share(one: str, other: str, labels: set[str]):
    assert shared(one, other) == labels


@pytest.mark.parametrize("text", PAIRS)
def test_every_registered_pair_is_of_two_corpora_that_share_labels(text: str):
    reference = resolve(DATASETS[split(text)[0]], text)
    assert str(reference) == text
    assert DATASETS[reference.name].corpus != DATASETS[str(reference.test)].corpus
    assert len(shared(reference.name, str(reference.test))) >= 2


def test_samples_in_the_published_layouts_can_be_crossed(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NVERBENCH_HOME", str(tmp_path / "home"))
    for name in ("crema-d", "emodb"):
        DATASETS[name].sample(tmp_path / name)
        add(DATASETS[name], tmp_path / name)
    crossed = load_local_pair(DATASETS.__getitem__, "emodb:test=crema-d,exclude=neutral")
    assert crossed.labels == ("anger", "disgust", "fear", "happiness", "sadness")
    assert {c.label for c in crossed.clips} == {"anger", "sadness"}
    assert crossed.dataset.licence == "unknown (emodb: its terms were not verified)"
    assert crossed.dataset.share == "labels-only"
