"""A result is one file: it comes back as written, a changed number shows, and what differs between
machines does not count.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nverbench.errors import ResultError
from nverbench.metrics.scores import NAMES
from nverbench.results.predictions import Predictions
from nverbench.results.record import Result, Score, Timings
from nverbench.results.store import ResultStore, read_result, reread
from support.paths import ROOT
from support.results import JOB, finished, predictions

IN_A_TEST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def damage(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change a result's JSON by hand."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return ResultStore(tmp_path).write(finished(), predictions())


# round trip


def test_a_result_comes_back_from_its_folder_as_it_was_written(tmp_path: Path):
    folder = ResultStore(tmp_path)
    folder.write(finished(), predictions())
    assert folder.finished(JOB) == finished()


def test_a_result_that_is_not_there_is_none(tmp_path: Path):
    assert ResultStore(tmp_path).finished(JOB) is None


def test_a_result_lies_next_to_its_predictions_and_nothing_else(written: Path):
    assert sorted(p.name for p in written.parent.iterdir()) == [
        f"{JOB}.json",
        f"{JOB}.predictions.npz",
    ]


def test_a_run_that_dies_between_the_two_files_has_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = ResultStore(tmp_path)

    def dies(self: Result, **_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(Result, "model_dump_json", dies)
        with pytest.raises(KeyboardInterrupt):
            folder.write(finished(), predictions())
    assert (folder.predictions_path(JOB).exists(), folder.finished(JOB)) == (True, None)


@given(value=st.floats(0, 1), low=st.none() | st.floats(0, 1))
@IN_A_TEST
def test_every_fraction_comes_back_to_the_bit(tmp_path: Path, value: float, low: float | None):
    score = Score(
        value=value,
        low=low,
        high=None,
        se=None,
        bootstrap=None,
        fold_mean=value,
        fold_sd=0.0,
        seed_sd=value,
    )
    folder = ResultStore(tmp_path)
    folder.write(finished(scores=dict.fromkeys(NAMES, score)), predictions())
    assert read_result(folder.path(JOB)).scores["accuracy"] == score


@pytest.mark.parametrize("name", NAMES)
def test_a_result_without_a_headline_score_is_none(written: Path, name: str):
    """Code that ranks, sorts and prints rows relies on these scores."""
    damage(written, lambda content: content["scores"].pop(name))
    with pytest.raises(ResultError, match=f"not a readable result.*no {name} among its scores"):
        read_result(written)


# the digest


def test_sealing_again_changes_nothing():
    assert finished().sealed() == finished()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["scores"]["accuracy"].update(value=0.51),
        lambda c: c["scores"]["accuracy"].update(low=None),
        lambda c: c["confusion"][0].__setitem__(0, 3),
        lambda c: c["per_fold"][1].update(best_epoch=4),
        lambda c: c["per_fold"].reverse(),
        lambda c: c.update(standing="official"),
        lambda c: c.update(standing_reasons=[]),
        lambda c: c.update(seeds=5),
        lambda c: c["labels"].reverse(),
        lambda c: c["entry"].update(fusion="concat"),
        lambda c: c["counts"].update(clips=9),
        lambda c: c["counts"]["per_class"].update(joy=5),
        lambda c: c["folds"].update(digest="0" * 64),
        lambda c: c["provenance"]["embedding_digests"].update(a="0" * 64),
        lambda c: c["provenance"].update(threads=3),
        lambda c: c["provenance"]["libraries"].update(torch="3"),
        lambda c: c["per_group_accuracy"].pop("ann"),
        lambda c: c.update(result_digest="0" * 64),
        lambda c: c.update(result_digest=""),
        lambda c: c.pop("result_digest"),
        lambda c: c.update(id="other"),
    ],
)
def test_anything_changed_by_hand_is_caught_by_the_digest(
    written: Path, change: Callable[[dict[str, Any]], object]
):
    with pytest.raises(
        ResultError,
        match=(
            "its content does not match its result_digest, so it was changed since; delete it and"
            " run the job again"
        ),
    ):
        read_result(damage(written, change))


def test_an_older_result_without_newer_fields_keeps_its_digest(written: Path):
    def older(content: dict[str, Any]) -> None:
        content.pop("heard_in_pretraining")
        content["counts"].pop("halvings")
        for score in content["scores"].values():
            score.pop("method", None)
        for name in ("clips_per_second", "busy", "decoding"):
            content["timings"].pop(name)

    assert read_result(damage(written, older)).result_digest == finished().result_digest


def test_how_an_interval_was_made_is_part_of_the_digest_where_it_is_not_the_usual_way():
    usual = finished()
    unusual = usual.model_copy(deep=True)
    unusual.scores["macro_f1"].method = "Clopper-Pearson over groups"
    assert unusual.digest() != usual.digest()


def test_pretraining_on_the_corpus_is_part_of_the_digest():
    assert finished(heard_in_pretraining=["a"]).result_digest != finished().result_digest


OTHER_TIMINGS = Timings(
    embed={}, fit=9.0, embed_per_clip={"a": None}, real_time_factor={}, peak_memory=7
)


@pytest.mark.parametrize(
    "changes",
    [
        {"created": "2030-12-31T00:00:00Z"},
        {"timings": OTHER_TIMINGS},
        {"machine": {"host": "there", "os": "other"}},
        {"counts": finished().counts.model_copy(update={"forward_passes": {"a": 0, "b": 0}})},
        {"provenance": finished().provenance.model_copy(update={"parameters_frozen": {"a": None}})},
    ],
    ids=["created", "timings", "machine", "forward passes", "parameters known or not"],
)
def test_the_digest_leaves_out_what_differs_between_two_runs_of_the_same(changes: dict[str, Any]):
    assert finished(**changes).result_digest == finished().result_digest


# damage


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda c: c.update(schema_version=1),
            r"expected a result of schema 2, got 1; run the job again \(embeddings are kept\)",
        ),
        (lambda c: c.pop("schema_version"), "expected a result of schema 2, got None"),
        (lambda c: c.pop("scores"), "not a readable result .*scores"),
        (lambda c: c.update(unknown=1), "not a readable result .*unknown"),
        (lambda c: c.update(seeds="many"), "not a readable result .*seeds"),
        (lambda c: c["scores"]["accuracy"].update(value=None), "not a readable result .*value"),
    ],
)
def test_a_result_of_another_shape_is_named_with_what_to_do(
    written: Path, change: Callable[[dict[str, Any]], object], sentence: str
):
    with pytest.raises(ResultError, match=sentence):
        read_result(damage(written, change))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"\x00" * 9], ids=repr
)
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(
        ResultError, match=r"a\.json: (not a readable result|expected a result of schema 2)"
    ):
        read_result(tmp_path / "a.json")


def test_a_result_without_its_curves_is_otherwise_itself_and_its_file_still_has_them(written: Path):
    whole = read_result(written)
    light = whole.without_curves()
    assert all(not fold.curves for fold in light.per_fold)
    assert all(fold.curves for fold in whole.per_fold)
    bare = {"per_fold": {"__all__": {"curves"}}}
    assert light.model_dump(exclude=bare) == whole.model_dump(exclude=bare)
    assert reread(written, light.result_digest) == whole


@pytest.mark.parametrize("content", [finished(control=True).model_dump_json().encode(), b"{", None])
def test_a_result_that_changes_between_two_looks_is_named(written: Path, content: bytes | None):
    digest = read_result(written).result_digest
    if content is None:
        written.unlink()
    else:
        written.write_bytes(content)
    with pytest.raises(ResultError, match=f"{written}.*run the command again"):
        reread(written, digest)


def test_a_result_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ResultError, match=r"none\.json: not a readable result"):
        read_result(tmp_path / "none.json")


@IN_A_TEST
@given(share=st.floats(0, 0.99))
def test_a_result_cut_short_anywhere_is_named(tmp_path: Path, share: float):
    whole = (finished().model_dump_json(indent=1) + "\n").encode()
    (tmp_path / "a.json").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ResultError):
        read_result(tmp_path / "a.json")


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_number_that_is_not_finite_is_named(written: Path, number: str):
    written.write_text(
        written.read_text(encoding="utf-8").replace('"value": 0.5', f'"value": {number}'),
        encoding="utf-8",
    )
    with pytest.raises(ResultError):
        read_result(written)


# predictions


def parts(p: Predictions) -> tuple[object, ...]:
    return (
        list(p.ids),
        list(p.groups),
        p.target.tolist(),
        list(p.folds),
        p.probabilities.dtype,
        p.probabilities.tolist(),
        list(p.keys),
    )


@given(seed=st.integers(0, 100), replicates=st.integers(1, 3))
@IN_A_TEST
def test_predictions_come_back_as_they_were_written(tmp_path: Path, seed: int, replicates: int):
    given_ones = predictions(seed, replicates=replicates)
    (tmp_path / "a.npz").write_bytes(given_ones.to_bytes())
    assert parts(Predictions.read(tmp_path / "a.npz")) == parts(given_ones)


def test_the_file_of_predictions_holds_no_pickles(written: Path):
    with np.load(
        ResultStore(written.parents[1]).predictions_path(JOB), allow_pickle=False
    ) as arrays:
        assert {name: arrays[name].dtype.kind for name in arrays.files} == {
            "ids": "U",
            "groups": "U",
            "target": "i",
            "folds": "U",
            "probabilities": "f",
            "keys": "U",
        }


def test_pickled_predictions_are_refused(tmp_path: Path):
    np.savez(tmp_path / "a.npz", ids=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ResultError, match="expected a result's predictions, but it cannot be read"):
        Predictions.read(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"hello, world", pickle.dumps([1])], ids=["text", "a pickle"])
def test_a_file_that_holds_no_predictions_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(
        ResultError,
        match=(
            r"a\.npz: expected a result's predictions, but it cannot be read .*; run the job with"
            r" --rerun"
        ),
    ):
        Predictions.read(tmp_path / "a.npz")


def test_predictions_that_are_not_there_or_lack_an_array_are_named(tmp_path: Path):
    np.savez(tmp_path / "a.npz", ids=np.array(["a"]))
    with pytest.raises(ResultError, match="groups"):
        Predictions.read(tmp_path / "a.npz")
    with pytest.raises(ResultError, match=r"none\.npz"):
        Predictions.read(tmp_path / "none.npz")


def trouble(path: Path) -> str:
    """What kind of error reading predictions ends in; the error itself is let go, since its frames
    hold numpy's open file.
    """
    try:
        Predictions.read(path)
    except Exception as error:
        return type(error).__name__
    return "none"


@pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning"
)  # part of the bug: numpy leaves a damaged archive open
@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_predictions_cut_short_are_named(tmp_path: Path, kept: int):
    (tmp_path / "a.npz").write_bytes(predictions().to_bytes()[:kept])
    assert trouble(tmp_path / "a.npz") == "ResultError"


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_predictions_with_a_flipped_byte_are_named(tmp_path: Path):
    content = bytearray(predictions().to_bytes())
    content[content.index(b"ids.npy") + 60] ^= 255  # inside the compressed ids
    (tmp_path / "a.npz").write_bytes(content)
    assert trouble(tmp_path / "a.npz") == "ResultError"


@pytest.mark.parametrize(
    "entry", sorted((ROOT / "leaderboard" / "entries").iterdir()), ids=lambda entry: entry.name
)
def test_a_committed_record_is_written_as_it_was_read(entry: Path) -> None:
    """Fields that came later are absent where they are empty: no record of nver-1 changes."""
    content = json.loads((entry / "result.json").read_text(encoding="utf-8"))
    known = Result.model_validate(content)
    assert known.model_dump(mode="json") == content
    assert known.digest() == known.result_digest
