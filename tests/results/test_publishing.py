"""What leaves this machine: the same digest, no private name, and everything back for whoever holds
the audio.
"""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nverbench import Backbone, Clip, Dataset, LabelCard
from nverbench._io.digests import digest_of
from nverbench.data.corpus import Corpus
from nverbench.errors import ResultError
from nverbench.plugin.options import PartRef, resolve
from nverbench.results.predictions import Predictions
from nverbench.results.publishing import (
    clip_key,
    keys,
    pseudonyms_for,
    public_text,
    publish,
    rejoin,
)
from nverbench.results.record import Result
from nverbench.results.store import ResultStore, read_result
from support.results import finished

SHARES = ("open", "labels-only", "none")
KINDS = ("speaker", "random", "leave-one-group-out", "official", "holdout=spkXqz1")
PRIVATE = re.compile(r"spkXqz|clipWvk|folderZpj|patientsJqy|partTkb")
"""The text in every private name of these tests."""


def corpus_of(clips: list[Clip], share: str) -> Corpus:
    card = LabelCard(kind="portrayed", setting="acted")
    dataset = Dataset(
        name="table",
        load=lambda root, *, path: [],
        label_card=card,
        share=share,
        positional="path",
        local=("path",),
    )
    sha256 = {c.id: digest_of([c.id, "audio"]) for c in clips}
    reference = resolve(dataset, "table:/home/folderZpj/patientsJqy.csv")
    digest = digest_of([[c.id, c.label, c.unit] for c in clips])
    return Corpus(
        dataset,
        reference,
        tuple(sorted(clips, key=lambda c: c.id)),
        ("anger", "joy"),
        sha256,
        digest,
        {},
        (),
        (),
        False,
    )


def made(
    share: str = "open", kind: str = "speaker", *, clips: int = 8, speakers: int = 3, seed: int = 0
) -> tuple[Result, Predictions, Corpus]:
    """A local result on a corpus full of private names, as the executor makes it."""
    rng = np.random.default_rng(seed)
    listed = [
        Clip(
            f"spkXqz{i % speakers}/clipWvk{i}.wav",
            Path(f"/folderZpj/clipWvk{i}.wav"),
            ("anger", "joy")[i // 2 % 2],
            f"spkXqz{i % speakers}",
            split=f"partTkb-spkXqz{i % speakers}",
        )
        for i in rng.permutation(clips)
    ]
    if kind == "official":  # a split that is called after its speaker
        listed = [replace(c, split=c.speaker) for c in listed]
    corpus = corpus_of(listed, share)
    tested = [c for c in corpus.clips if not kind.startswith("holdout") or c.speaker == "spkXqz1"]
    folds = [
        str(i % 2 + 1) if kind in ("speaker", "random") else str(c.speaker)
        for i, c in enumerate(tested)
    ]
    target = np.array([("anger", "joy").index(str(c.label)) for c in tested])
    probabilities = rng.random((2, len(tested), 2), dtype=np.float32)
    predictions = Predictions(
        [c.id for c in tested],
        [str(c.speaker) for c in tested],
        target,
        folds,
        probabilities,
        keys(corpus, tested),
    )
    return local(corpus, kind, predictions), predictions, corpus


def local(corpus: Corpus, kind: str, predictions: Predictions) -> Result:
    """The result of predictions: every place that can hold a name holds one."""
    here, base = finished(), finished().per_fold[0]
    left_out = {
        "spkXqz7/clipWvk99.wav": "like spkXqz0/clipWvk0.wav in /folderZpj/a b/clipWvk0.wav",
        "clipWvk98": "silent (peak 2.9e-4)",
    }
    text = str(corpus.reference)
    notes = [
        (
            "class joy has no test clip in 2 of 3 folds"
            f" ({', '.join(sorted(set(predictions.folds)))} ...)"
        ),
        "class joy occurs in 2 groups",
    ]
    return finished(
        share=corpus.dataset.share,
        entry=here.entry.model_copy(update={"dataset": text}),
        standing_reasons=[f"overridden: folds {kind}", f"{text} is one's own"],
        folds=here.folds.model_copy(update={"kind": kind, "notes": notes}),
        counts=here.counts.model_copy(update={"left_out": left_out}),
        per_group_accuracy={g: i / 10 for i, g in enumerate(sorted(set(predictions.groups)))},
        per_fold=[
            base.model_copy(update={"fold": f, "replicate": r})
            for r in range(2)
            for f in sorted(set(predictions.folds))
        ],
        provenance=here.provenance.model_copy(update={"licences": {"a": "MIT", text: "unknown"}}),
        names=pseudonyms_for(
            corpus,
            kind,
            predictions,
            left_out,
            {text: public_text(corpus.reference, corpus.digest)},
            notes,
        ),
    )


def rows(p: Predictions) -> list[tuple[Any, ...]]:
    """Everything that predictions hold, row by row; labels that were not published are None."""
    target = p.target.tolist() or [None] * len(p.ids)
    return list(
        zip(
            p.ids,
            p.groups,
            target,
            p.folds,
            p.probabilities.swapaxes(0, 1).tolist(),
            p.keys,
            strict=True,
        )
    )


def every_text(result: Result, predictions: Predictions) -> str:
    """The text of both published files."""
    with np.load(io.BytesIO(predictions.to_bytes())) as arrays:
        return result.model_dump_json() + str({name: arrays[name].tolist() for name in arrays})


CASES = {
    "share": st.sampled_from(SHARES),
    "kind": st.sampled_from(KINDS),
    "clips": st.integers(3, 14),
    "speakers": st.integers(2, 5),
    "seed": st.integers(0, 99),
}
FEW = settings(max_examples=40)


# laws


@given(**CASES)
@FEW
def test_publishing_twice_is_publishing_once(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions = publish(*made(share, kind, clips=clips, speakers=speakers, seed=seed)[:2])
    again = publish(result, predictions)
    assert (again[0], rows(again[1])) == (result, rows(predictions))


@given(**CASES)
@FEW
def test_the_local_and_the_published_result_carry_one_digest(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions, _ = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    published = publish(result, predictions)[0]
    assert published.result_digest == published.digest() == result.digest() == result.result_digest


@given(**CASES)
@FEW
def test_a_holder_of_the_audio_gets_everything_back(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions, corpus = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    assert rows(rejoin(publish(result, predictions)[1], corpus)) == rows(predictions)


@given(**CASES)
@FEW
def test_no_private_name_is_published(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions, _ = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    assert PRIVATE.search(every_text(result, predictions))
    assert PRIVATE.findall(every_text(*publish(result, predictions))) == []


@given(**CASES, shuffle=st.randoms(use_true_random=False))
@FEW
def test_the_order_of_clips_is_not_published(
    share: str, kind: str, clips: int, speakers: int, seed: int, shuffle: random.Random
) -> None:
    result, predictions, corpus = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    order = list(range(len(predictions.ids)))
    shuffle.shuffle(order)
    other = Predictions(
        *([column[i] for i in order] for column in (predictions.ids, predictions.groups)),
        predictions.target[order],
        [predictions.folds[i] for i in order],
        predictions.probabilities[:, order],
        [predictions.keys[i] for i in order],
    )
    assert pseudonyms_for(corpus, kind, other, {}, {}) == pseudonyms_for(
        corpus, kind, predictions, {}, {}
    )
    assert rows(publish(result, other)[1]) == rows(publish(result, predictions)[1])


@given(**CASES)
@FEW
def test_names_of_groups_are_not_published(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    """The same rows under other names of groups, in another alphabetical order, are published as
    the same text.
    """
    result, predictions, corpus = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    other_name = {g: f"spkXqz{9 - i}" for i, g in enumerate(sorted(set(predictions.groups)))}
    folds = [other_name.get(f, f) for f in predictions.folds]
    renamed = Predictions(
        predictions.ids,
        [other_name[g] for g in predictions.groups],
        predictions.target,
        folds,
        predictions.probabilities,
        predictions.keys,
    )
    people = [replace(c, speaker=other_name.get(str(c.speaker), c.speaker)) for c in corpus.clips]
    there = result.model_copy(
        update={
            "per_group_accuracy": {other_name[g]: v for g, v in result.per_group_accuracy.items()},
            "per_fold": [
                f.model_copy(update={"fold": other_name.get(f.fold, f.fold)})
                for f in result.per_fold[::-1]
            ],
            "names": pseudonyms_for(
                replace(corpus, clips=tuple(people)), kind, renamed, result.counts.left_out, {}
            ),
        }
    ).sealed()
    here = result.model_copy(
        update={"names": pseudonyms_for(corpus, kind, predictions, result.counts.left_out, {})}
    ).sealed()
    if kind in ("speaker", "random"):  # numbered folds keep their place
        there = there.model_copy(update={"per_fold": result.per_fold}).sealed()
    assert there.published().per_group_accuracy == here.published().per_group_accuracy
    assert there.published().per_fold == here.published().per_fold
    assert list(there.published().per_group_accuracy) == list(here.published().per_group_accuracy)
    assert rows(publish(there, renamed)[1]) == rows(publish(here, predictions)[1])


@given(**CASES)
@FEW
def test_labels_and_groups_of_clips_are_published_only_of_an_open_dataset(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions, _ = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    public = publish(result, predictions)[1]
    assert (len(public.target), any(public.groups)) == (
        (len(public.ids), True) if share == "open" else (0, False)
    )


@given(**CASES)
@FEW
def test_intervals_of_an_open_dataset_are_the_same_from_what_was_published(
    share: str, kind: str, clips: int, speakers: int, seed: int
) -> None:
    result, predictions, corpus = made(share, kind, clips=clips, speakers=speakers, seed=seed)
    public = publish(result, predictions)[1]
    known = public if share == "open" else rejoin(public, corpus)
    there, here = known.decisions(2).stacks(), predictions.decisions(2).stacks()
    assert sorted(there.tolist()) == sorted(here.tolist())


# keys

TEXT = st.text(max_size=8)
TIME = st.none() | st.floats(0, 9)
CLIP = st.tuples(TEXT, TEXT, TEXT, TIME, TIME)


@given(a=CLIP, b=CLIP)
def test_a_key_is_32_hexadecimal_digits_and_two_clips_never_share_one(a: Any, b: Any) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", clip_key(*a))
    assert (clip_key(*a) == clip_key(*b)) == (a == b and str(a) == str(b))


def test_a_key_is_the_same_on_every_machine() -> None:
    assert (
        clip_key("d" * 64, "spk1/high-0", "a" * 64, None, None)
        == "f967127862ad08ac5cb991fc41f511e1"
    )
    assert (
        clip_key("d" * 64, "spk1/high-0", "a" * 64, 0.5, 1.25) == "c98e7c5b9002df6f5e1d384ecd68ad60"
    )


# examples


def test_leave_one_speaker_out_of_jnv_names_no_speaker() -> None:
    result, predictions, _ = made("open", "leave-one-group-out", clips=12, speakers=4)
    public, rows_of = publish(result, predictions)
    assert list(public.per_group_accuracy) == ["group 01", "group 02", "group 03", "group 04"]
    assert [f.fold for f in public.per_fold] == list(public.per_group_accuracy) * 2
    assert set(rows_of.folds) == set(rows_of.groups) == set(public.per_group_accuracy)
    assert rows_of.ids == sorted(predictions.keys)


def test_a_held_out_speaker_a_table_and_a_reason_lose_their_names() -> None:
    public = made("none", "holdout=spkXqz1")[0].published()
    digest = made("none", "holdout=spkXqz1")[2].digest
    assert (public.folds.kind, public.entry.dataset) == ("holdout", f"table:{digest[:12]}")
    assert public.standing_reasons == [
        "overridden: folds holdout",
        f"table:{digest[:12]} is one's own",
    ]
    assert public.counts.left_out == {
        "clip 01": "silent (peak 2.9e-4)",
        "clip 02": "like (name withheld) in (name withheld)",
    }
    assert list(public.provenance.licences) == ["a", f"table:{digest[:12]}"]


@pytest.mark.parametrize(
    "reason",
    [
        "cannot be decoded ([Errno 13] Permission denied: '/home/zoe lee/rec 1.wav')",
        r"see C:\people\zoe.wav",
        "is zoe.flac",
    ],
)
def test_a_reason_holds_no_path(reason: str) -> None:
    _, predictions, corpus = made()
    left_out = {"x": reason}
    (plain,) = pseudonyms_for(corpus, "speaker", predictions, left_out, {}).texts.values()
    assert not re.search("zoe|lee|rec", plain)
    assert "(name withheld)" in plain


def test_features_and_weights_of_ones_own_are_named_by_their_digest() -> None:
    npz = Backbone(
        name="npz",
        family="features",
        frame_dim=0,
        dim=0,
        lookup=lambda ids, *, path: None,
        positional="path",
        local=("path",),
    )
    assert public_text(resolve(npz, "npz:/home/zoe/own.npz"), "c" * 64) == f"npz:{'c' * 12}"
    assert (
        public_text(PartRef("byol-s", weights="/home/zoe/own.pth"), "c" * 64)
        == f"byol-s:weights={'c' * 12}"
    )
    assert public_text(PartRef("byol-s", untrained=True), "c" * 64) == "byol-s:untrained"


def test_both_forms_are_read_from_disk_and_verify(tmp_path: Path) -> None:
    result, predictions, _ = made()
    for name, (r, p) in {
        "here": (result, predictions),
        "there": publish(result, predictions),
    }.items():
        path = ResultStore(tmp_path / name).write(r, p)
        assert read_result(path) == r
        assert rows(Predictions.read(ResultStore(tmp_path / name).predictions_path(r.id))) == rows(
            p
        )


def test_another_copy_is_named_with_the_number_of_missing_clips() -> None:
    result, predictions, corpus = made()
    other = replace(corpus, digest="0" * 64)
    with pytest.raises(
        ResultError,
        match=r"8 of 8 clips are not in this copy of table:patientsJqy.csv \(digest 000000000000\)",
    ):
        rejoin(publish(result, predictions)[1], other)
    changed = replace(corpus, sha256={**corpus.sha256, "spkXqz0/clipWvk0.wav": "0" * 64})
    with pytest.raises(ResultError, match="1 of 8 clips are not in this copy"):
        rejoin(publish(result, predictions)[1], changed)


def test_predictions_without_labels_say_what_to_do() -> None:
    with pytest.raises(ResultError, match="published without labels; join them with your own copy"):
        publish(*made("none")[:2])[1].decisions(2)


def test_predictions_that_are_not_those_of_the_result_are_refused() -> None:
    result, predictions, _ = made()
    published, public = publish(result, predictions)
    with pytest.raises(ResultError, match="its predictions hold clip ids"):
        publish(published, predictions)
    with pytest.raises(ResultError, match="a key per clip"):
        publish(
            result,
            Predictions(
                predictions.ids,
                predictions.groups,
                predictions.target,
                predictions.folds,
                predictions.probabilities,
            ),
        )
    with pytest.raises(ResultError, match="a key per clip"):
        publish(
            result,
            Predictions(
                predictions.ids,
                predictions.groups,
                predictions.target,
                predictions.folds,
                predictions.probabilities,
                predictions.ids,
            ),
        )
    strangers = ["spkXqz8"] * len(predictions.ids)
    with pytest.raises(ResultError, match="groups or folds that the result does not know"):
        publish(
            result,
            Predictions(
                predictions.ids,
                strangers,
                predictions.target,
                predictions.folds,
                predictions.probabilities,
                predictions.keys,
            ),
        )
    assert PRIVATE.findall(every_text(published, public)) == []


def test_a_group_that_the_names_do_not_cover_is_never_let_through(tmp_path: Path) -> None:
    result = made()[0].model_copy(update={"per_group_accuracy": {"spkXqz8": 0.5}})
    with pytest.raises(ValueError, match="its names do not cover"):
        result.published()
    path = tmp_path / "a.json"
    path.write_text(result.model_dump_json())
    with pytest.raises(ResultError, match="its names do not cover"):
        read_result(path)
