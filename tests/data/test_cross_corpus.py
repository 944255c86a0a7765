"""Two datasets as one corpus: what trains and what is tested never mix, and the digest says
everything the row depends on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nverbench import Clip, Dataset, DatasetError, LabelCard, Misfit, UsageError
from nverbench.data.corpus import Corpus, load
from nverbench.data.cross_corpus import KIND, cross_corpora, kinds_of, load_local_pair
from nverbench.data.folds.assign import FoldSet, make_folds
from nverbench.data.folds.validation import Inner
from nverbench.errors import FoldError
from nverbench.plugin.options import PartRef, resolve
from nverbench.training.folds import fit_fold
from support.training import DIM, garbage, training

ACTED = LabelCard(kind="portrayed", setting="acted", languages="Latin")
WILD = LabelCard(kind="perceived", setting="in the wild", languages="Latin")
WORDS = {"ang": "anger", "joy": "happiness", "calm": "neutral"}


def clips(
    speakers: int = 8, labels: str = "ang joy calm odd", takes: int = 2, *, prefix: str = ""
) -> tuple[Clip, ...]:
    return tuple(
        Clip(f"s{s}/{x}{i}", Path(f"{prefix}s{s}-{x}{i}"), x, f"s{s}")
        for s in range(speakers)
        for x in labels.split()
        for i in range(takes)
    )


def corpus(name: str, given: tuple[Clip, ...] | None = None, **facts: Any) -> Corpus:
    """A dataset that was loaded, its files' digests made from their names."""
    scored = tuple(sorted(clips(prefix=name) if given is None else given, key=lambda c: c.id))
    labels = tuple(dict.fromkeys(str(c.label) for c in scored))
    record: dict[str, Any] = {
        "label_card": ACTED,
        "corpus": name,
        "labels": labels,
        "common": {k: w for k, w in WORDS.items() if k in labels},
    }
    dataset = Dataset(**{"name": name, "load": lambda root: scored, **record, **facts})
    return Corpus(
        dataset,
        PartRef(name),
        scored,
        dataset.labels,
        {c.id: f"{c.path}" for c in scored},
        f"digest of {name}",
        {},
        (),
        (),
        partial=False,
    )


def both(reference: str = "a:test=b", **facts: Any) -> Corpus:
    a, b = (
        corpus("a", **facts),
        corpus("b", common={"ang": "anger", "joy": "happiness", "odd": "surprise"}),
    )
    return cross_corpora(a, b, resolve(a.dataset, reference))


def cut_of(crossed: Corpus) -> FoldSet:
    return make_folds(crossed.clips, KIND, k=5, seed=7, inner=Inner())


def parts(crossed: Corpus) -> tuple[list[Clip], list[Clip], list[Clip]]:
    (fold,) = cut_of(crossed).folds
    train, validation, test = (
        [crossed.clips[row] for row in rows] for rows in (fold.train, fold.validation, fold.test)
    )
    return train, validation, test


# --- laws


def test_every_test_clip_is_of_the_one_and_every_other_of_the_other() -> None:
    train, validation, test = parts(both())
    assert {c.id.split("/")[0] for c in test} == {"b"}
    assert {c.id.split("/")[0] for c in (*train, *validation)} == {"a"}
    assert (len(train) + len(validation), len(test)) == (
        8 * 2 * 2,
        8 * 2 * 2,
    )  # two labels of four are shared


def test_nothing_fitted_changes_when_the_tested_corpus_changes() -> None:
    crossed = both()
    (fold,) = cut_of(crossed).folds
    target = np.array([crossed.labels.index(str(c.label)) for c in crossed.clips], dtype=np.int64)
    x = np.random.default_rng(0).standard_normal((len(target), DIM)).astype(np.float32)
    plan = replace(training(), classes=len(crossed.labels))
    honest = fit_fold(plan, [x], target, fold, 0)
    elsewhere = fit_fold(
        plan,
        [garbage(x, fold.test)],
        np.where([c.split == "test" for c in crossed.clips], 1 - target, target),
        fold,
        0,
    )
    assert (
        honest.curves == elsewhere.curves
    )  # every term of every epoch, to the bit: scaler, validation and training alike
    assert honest.best_epoch == elsewhere.best_epoch
    assert not np.array_equal(honest.probabilities, elsewhere.probabilities)


def test_no_speaker_of_the_validation_part_is_trained_on() -> None:
    train, validation, _ = parts(both())
    assert validation
    assert not {c.unit for c in train} & {c.unit for c in validation}
    assert not cut_of(both()).folds[0].speakers_seen


def test_people_of_one_name_in_both_are_two_groups() -> None:
    train, validation, test = parts(both())
    assert not {c.unit for c in (*train, *validation)} & {c.unit for c in test}
    assert {c.speaker for c in test} == {f"b/s{i}" for i in range(8)}


def test_a_group_that_is_not_the_speaker_is_kept_apart_too() -> None:
    grouped = tuple(replace(c, group=f"g{c.speaker}") for c in clips(prefix="a"))
    crossed = cross_corpora(corpus("a", grouped), corpus("b"), PartRef("a", test="b"))
    assert {c.unit for c in crossed.clips if c.split == "train"} == {f"a/gs{i}" for i in range(8)}


def test_a_corpus_that_names_nobody_trains_with_a_stratified_validation_part() -> None:
    nameless = tuple(replace(c, speaker=None) for c in clips(prefix="a"))
    (fold,) = cut_of(
        cross_corpora(corpus("a", nameless), corpus("b"), PartRef("a", test="b"))
    ).folds
    assert (bool(fold.validation), fold.speakers_seen) == (True, True)


@given(
    x=st.dictionaries(
        st.sampled_from("pqrst"), st.sampled_from(("anger", "fear", "pain", "disgust")), min_size=2
    ),
    y=st.dictionaries(
        st.sampled_from("uvwxy"), st.sampled_from(("anger", "fear", "pain", "disgust")), min_size=2
    ),
)
def test_the_shared_labels_are_the_same_whichever_trains(
    x: dict[str, str], y: dict[str, str]
) -> None:
    a, b = (
        corpus(n, clips(2, " ".join(common), 1, prefix=n), common=common)
        for n, common in (("a", x), ("b", y))
    )
    shared = sorted(set(x.values()) & set(y.values()))
    for one, other in ((a, b), (b, a)):
        reference = PartRef(one.dataset.name, test=other.dataset.name)
        if len(shared) < 2:
            with pytest.raises(DatasetError, match="at least two labels"):
                cross_corpora(one, other, reference)
        else:
            crossed = cross_corpora(one, other, reference)
            assert crossed.labels == tuple(shared)
            assert {c.label for c in crossed.clips} == set(shared)


def test_every_clip_keeps_its_file_and_goes_by_its_common_label() -> None:
    a, b = corpus("a"), corpus("b")
    crossed = cross_corpora(a, b, PartRef("a", test="b"))
    own = {
        f"{side.dataset.name}/{c.id}": (c.path, WORDS.get(str(c.label)), side.sha256[c.id])
        for side in (a, b)
        for c in side.clips
    }
    assert {c.id: (c.path, c.label, crossed.sha256[c.id]) for c in crossed.clips} == {
        i: v for i, v in own.items() if v[1] is not None
    }
    assert [c.id for c in crossed.clips] == sorted(crossed.sha256)


def test_the_order_of_clips_and_of_labels_does_not_matter() -> None:
    turned = {
        "given": clips(prefix="a")[::-1],
        "labels": ("odd", "calm", "joy", "ang"),
        "common": dict(reversed(WORDS.items())),
    }
    one, other = (
        cross_corpora(a, corpus("b"), PartRef("a", test="b"))
        for a in (corpus("a"), corpus("a", **turned))
    )
    assert (one.digest, one.labels, one.clips, cut_of(one)) == (
        other.digest,
        other.labels,
        other.clips,
        cut_of(other),
    )


def digest(a: Corpus | None = None, b: Corpus | None = None, **reference: Any) -> str:
    return cross_corpora(
        a or corpus("a"), b or corpus("b"), PartRef("a", **{"test": "b", **reference})
    ).digest


def test_the_digest_changes_with_either_side_with_the_labels_and_with_what_they_are_called() -> (
    None
):
    renamed = {
        "ang": "anger",
        "joy": "happiness",
        "odd": "neutral",
    }  # another own label goes by a shared word
    others = [
        digest(a=replace(corpus("a"), digest="another")),
        digest(b=replace(corpus("b"), digest="another")),
        digest(exclude=("neutral",)),
        digest(a=corpus("a", common=renamed)),
        digest(b=corpus("b", common=renamed)),
        cross_corpora(corpus("b"), corpus("a"), PartRef("b", test="a")).digest,
    ]
    assert len({digest(), *others}) == 1 + len(others)


def test_digests_of_the_pair_and_of_its_cut_are_pinned() -> None:
    crossed = both()
    assert crossed.digest == "2a682329f4d743a1d3c1c65916c3c20e1629d0c5bab0b2936d67f63f034adfd7"
    assert (
        cut_of(crossed).digest == "8ae598b6066183a148b28cf3453ca0011be09df54d9e7d32ee4d3e2edd612f4b"
    )
    assert cut_of(crossed).folds[0].validation == (16, 17, 18, 19)


def test_a_recording_of_both_trains_nothing_and_is_counted() -> None:
    a = replace(
        corpus("a"), sha256={**corpus("a").sha256, "s3/ang1": "bs5-joy0", "s4/odd0": "bs5-joy1"}
    )
    crossed = cross_corpora(a, corpus("b"), PartRef("a", test="b"))
    assert crossed.left_out == {
        "a/s3/ang1": "the same recording as b/s5/joy0"
    }  # odd is in no cross-corpus row anyhow
    assert "a/s3/ang1" not in {c.id for c in crossed.clips}
    assert "b/s5/joy0" in {c.id for c in crossed.clips}
    assert crossed.notes == (
        "1 clips of a are recordings of b too and train nothing, first a/s3/ang1",
    )


# --- the record of the pair


def test_what_is_odd_about_either_copy_is_odd_about_the_pair() -> None:
    a = replace(
        corpus("a"),
        left_out={"s0/x": "silent"},
        misfits=(Misfit("x.txt", "no clip"),),
        notes=("partial copy",),
        partial=True,
    )
    for one, other in ((a, corpus("b")), (corpus("b"), a)):
        crossed = cross_corpora(one, other, PartRef(one.dataset.name, test=other.dataset.name))
        assert (crossed.left_out, crossed.misfits) == (
            {"a/s0/x": "silent"},
            (Misfit("a/x.txt", "no clip"),),
        )
        assert (crossed.notes, crossed.partial) == (("a: partial copy",), True)
        assert crossed.sides == (one, other)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (("open", "open"), "open"),
        (("open", "none"), "none"),
        (("labels-only", "open"), "labels-only"),
    ],
)
def test_the_stricter_of_two_rules_about_sharing_holds(
    shares: tuple[str, str], expected: str
) -> None:
    a, b = (corpus(name, share=share) for name, share in zip("ab", shares, strict=True))
    assert [
        cross_corpora(*pair, PartRef("x", test="y")).dataset.share for pair in ((a, b), (b, a))
    ] == [expected] * 2


def test_the_record_of_the_pair_states_both() -> None:
    a, b = (
        corpus("a", licence="MIT", citation="@a"),
        corpus("b", licence="CC BY-NC 4.0", citation="@b", label_card=WILD, group="actor"),
    )
    dataset = cross_corpora(a, b, PartRef("a", test="b")).dataset
    assert (dataset.name, dataset.corpus, dataset.group, dataset.folds) == (
        "a+b",
        "b",
        "actor",
        ("cross",),
    )
    assert (dataset.licence, dataset.citation) == ("CC BY-NC 4.0 (b)", "@a\n@b")
    assert (dataset.label_card.kind, dataset.label_card.languages) == (
        "a (training): portrayed; b (test): perceived",
        "Latin",
    )


def test_labels_are_left_out_by_their_common_names() -> None:
    assert cross_corpora(
        corpus("a"), corpus("b"), resolve(corpus("a").dataset, "a:test=b,exclude=anger")
    ).labels == ("happiness", "neutral")


# --- what is refused


def test_two_datasets_of_one_corpus_are_refused() -> None:
    with pytest.raises(
        UsageError,
        match="a:test=b: both are corpus bursts, so that clips of the test would be trained on",
    ):
        cross_corpora(
            corpus("a", corpus="bursts"), corpus("b", corpus="bursts"), PartRef("a", test="b")
        )
    with pytest.raises(UsageError, match="both are corpus a"):
        cross_corpora(corpus("a", corpus=None), corpus("a", corpus=None), PartRef("a", test="a"))


def test_fewer_than_two_shared_labels_are_refused_with_what_each_has() -> None:
    words = (
        r"a:test=b: expected at least two labels under common names, found anger \(a has anger,"
        r" happiness, neutral; b has anger, pain\)"
    )
    with pytest.raises(DatasetError, match=words):
        cross_corpora(
            corpus("a"), corpus("b", common={"ang": "anger", "odd": "pain"}), PartRef("a", test="b")
        )
    with pytest.raises(DatasetError, match=r"found none \(a has none; b has "):
        cross_corpora(corpus("a", common={}), corpus("b"), PartRef("a", test="b"))


def test_a_copy_without_a_clip_of_the_shared_labels_is_said() -> None:
    only_odd = corpus(
        "a",
        clips(2, "odd", prefix="a"),
        labels=("ang", "joy", "odd"),
        common={"ang": "anger", "joy": "happiness"},
    )
    message = (
        r"this copy of a has no clip to {} on with a label of both \(anger, happiness\); complete"
        r" it: nverbench data check a"
    )
    with pytest.raises(DatasetError, match=message.format("train")):
        cross_corpora(only_odd, corpus("b"), PartRef("a", test="b"))
    with pytest.raises(DatasetError, match=message.format("test")):
        cross_corpora(corpus("b"), only_odd, PartRef("b", test="a"))


def test_a_corpus_whose_every_recording_is_tested_has_nothing_to_train_on() -> None:
    a = corpus("a")
    with pytest.raises(DatasetError, match="this copy of a has no clip to train on"):
        cross_corpora(
            replace(a, sha256=dict.fromkeys(a.sha256, "bs0-joy0")),
            corpus("b"),
            PartRef("a", test="b"),
        )


def test_conversations_are_refused() -> None:
    with pytest.raises(UsageError, match="b is made of conversations"):
        cross_corpora(corpus("a"), corpus("b", task="conversation"), PartRef("a", test="b"))


@pytest.mark.parametrize("kind", ["speaker", "random", "holdout=b/s1"])
def test_a_cut_that_would_train_on_the_tested_corpus_is_refused(kind: str) -> None:
    with pytest.raises(FoldError, match=f"which is cross, not {kind}"):
        kinds_of(both(), [kind])
    assert kinds_of(both(), [None, "cross"]) == ("cross",)


def test_one_dataset_alone_cannot_be_cut_crosswise() -> None:
    with pytest.raises(FoldError, match="write it as A:test=B"):
        make_folds(clips(), KIND, k=5, seed=7, inner=None)


# --- from text


def shelf(tmp_path: Path) -> dict[str, Dataset]:
    made = {}
    for name in ("a", "b"):
        for clip in (given := clips(3, "ang joy", 1, prefix=f"{tmp_path}/{name}-")):
            clip.path.write_text(str(clip.path))
        made[name] = Dataset(
            name=name,
            load=lambda root, given=given: given,
            label_card=ACTED,
            common={"ang": "anger", "joy": "happiness"},
        )
    return made


def test_a_text_means_one_dataset_or_two(tmp_path: Path) -> None:
    datasets = shelf(tmp_path)
    assert (
        load_local_pair(datasets.__getitem__, "a").digest
        == load(datasets["a"], PartRef("a"), None).digest
    )
    crossed = load_local_pair(datasets.__getitem__, "a:test=b")
    assert (str(crossed.reference), len(crossed.clips)) == ("a:test=b", 12)


def test_where_one_dataset_is_wanted_two_are_refused(tmp_path: Path) -> None:
    datasets = shelf(tmp_path)
    with pytest.raises(
        UsageError,
        match="a:test=b names two datasets, and only one is possible here; leave test=b out",
    ):
        load(datasets["a"], resolve(datasets["a"], "a:test=b"), None)
