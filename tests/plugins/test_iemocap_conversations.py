"""Whole conversations of an IEMOCAP-shaped tree: every turn is read, in the order of time, whether
it is scored or not.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from nverbench import Clip, Misfit
from nverbench.data import audio
from nverbench.data import corpus as corpora
from nverbench.data.folds import assign
from nverbench.plugin.options import PartRef
from nverbench_datasets.iemocap import IEMOCAP_4, IEMOCAP_6, SIX
from support.iemocap_tree import SCORED, Written, write_tree


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("iemocap")


@pytest.fixture(scope="module")
def written(root: Path) -> list[Written]:
    return write_tree(root, dialogues=3, turns=9)


@pytest.fixture(scope="module")
def clips(root: Path, written: list[Written]) -> list[Clip]:
    items = list(IEMOCAP_6.load(root))
    assert [item for item in items if isinstance(item, Misfit)] == []
    return items


def test_load_yields_what_was_written_turn_by_turn(written: list[Written], clips: list[Clip]):
    expected = [(w.name, w.conversation, w.turn, w.speaker, w.scored, w.onset) for w in written]
    assert [(c.id, c.conversation, c.turn, c.speaker, c.label, c.onset) for c in clips] == expected
    assert len(clips) == 5 * 3 * 9


def test_a_conversation_comes_in_one_piece_in_the_order_of_time_with_both_speakers(
    clips: list[Clip],
):
    pieces = [(name, list(turns)) for name, turns in groupby(clips, key=lambda c: c.conversation)]
    assert len({name for name, _ in pieces}) == len(pieces) == 15
    for name, turns in pieces:
        assert [c.turn for c in turns] == list(range(9))
        assert [c.onset for c in turns] == sorted(c.onset for c in turns)
        assert {c.speaker for c in turns} == {f"{name[:5]}F", f"{name[:5]}M"}
        assert {c.group for c in turns} == {name[:5]}


def test_turns_that_are_not_scored_are_heard_and_their_audio_is_there(clips: list[Clip]):
    unscored = [c for c in clips if c.label is None]
    assert {c.conversation for c in unscored} == {c.conversation for c in clips}
    assert all(len(audio.read(c.path, 16000)) >= 4000 for c in unscored[:5])


def test_every_session_has_every_scored_label_so_that_any_can_be_left_out(clips: list[Clip]):
    assert {(c.group, c.label) for c in clips if c.label} == {
        (f"Ses0{s}", label) for s in range(1, 6) for label in SCORED
    }
    assert set(SCORED) == set(SIX)


@pytest.mark.parametrize("kind", ["leave-one-group-out", "holdout=Ses05"])
def test_no_conversation_is_on_both_sides_of_a_fold(clips: list[Clip], kind: str):
    scored = sorted((c for c in clips if c.label is not None), key=lambda c: c.id)
    for fold in assign.make_folds(scored, kind, k=5, seed=1, inner=None).folds:
        assert not {scored[i].conversation for i in fold.train} & {
            scored[i].conversation for i in fold.test
        }


def test_the_same_tree_serves_both_datasets_and_is_said_to_be_partial(
    root: Path, written: list[Written]
):
    six, four = (
        corpora.load(dataset, PartRef(dataset.name), root) for dataset in (IEMOCAP_6, IEMOCAP_4)
    )
    assert Counter(c.label for c in six.clips) == Counter(w.label for w in written if w.scored)
    assert len(four.clips) == sum(w.label in ("ang", "neu", "sad", "hap", "exc") for w in written)
    assert six.partial
    assert four.partial


def test_a_label_left_out_on_request_is_still_heard(root: Path):
    without = corpora.load(IEMOCAP_6, PartRef("iemocap-6", exclude=("fru",)), root)
    assert "fru" not in without.labels
    assert len({c.conversation for c in without.clips}) == 15


def test_two_trees_of_one_seed_are_the_same(root: Path, written: list[Written], tmp_path: Path):
    assert write_tree(tmp_path, dialogues=3, turns=9) == written
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(root)).read_bytes() == path.read_bytes()
