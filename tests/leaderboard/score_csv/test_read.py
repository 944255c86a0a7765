"""``score`` any system's predictions: the metrics of scikit-learn, strict reading that names the
line, a paired test, and never torch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from nverbench.errors import UsageError
from nverbench.leaderboard.score_csv import report
from nverbench.leaderboard.score_csv.read import PredictionFile, read
from nverbench.metrics.jackknife import jackknife
from support.leaderboards import COLUMNS, LABELS, cells_of, said, write


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.csv", cells_of(said(0.9, seed=1)))


def same(a: PredictionFile, b: PredictionFile) -> bool:
    alike = (a.ids, a.labels, a.folds, a.predictions.groups) == (
        b.ids,
        b.labels,
        b.folds,
        b.predictions.groups,
    )
    return (
        alike
        and np.array_equal(a.predictions.target, b.predictions.target)
        and np.array_equal(a.predictions.predicted, b.predictions.predicted)
    )


# what is read


def test_what_was_written_is_read_back(good: Path):
    expected = said(0.9, seed=1).decisions(3)
    found = read(good)
    assert found.labels == tuple(LABELS)
    assert np.array_equal(found.predictions.target, expected.target)
    assert np.array_equal(found.predictions.predicted, expected.predicted)
    assert jackknife(found.predictions) == jackknife(expected)


@pytest.mark.parametrize(
    "change", ["bom", "crlf", "cr", "quoted", "blank", "spaces", "columns", "rows"]
)
def test_how_a_file_is_written_changes_nothing(good: Path, tmp_path: Path, change: str):
    text, other = good.read_text(), tmp_path / "other.csv"
    head, *rest = text.splitlines()
    order = [3, 0, 5, 2, 4, 1]
    changed = {
        "bom": "\ufeff" + text,
        "crlf": text.replace("\n", "\r\n"),
        "cr": text.replace("\n", "\r"),
        "blank": text.replace("\n", "\n\n"),
        "quoted": "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
        ),
        "spaces": text.replace(",", " , "),
        "rows": "\n".join([head, *rest[::-1]]),
        "columns": "\n".join(
            ",".join(line.split(",")[i] for i in order) for line in text.splitlines()
        ),
    }
    other.write_bytes(changed[change].encode())
    assert same(read(other), read(good))


def test_probabilities_say_the_same_as_their_largest(good: Path, tmp_path: Path):
    stored = said(0.9, seed=1)
    columns = [
        "id",
        "label",
        "speaker",
        "fold",
        "replicate",
        *(f"p_{label}" for label in LABELS[::-1]),
    ]
    cells = [
        [
            stored.ids[i],
            LABELS[stored.target[i]],
            stored.groups[i],
            stored.folds[i],
            str(r),
            *(f"{p / sum(row):.6f}" for p in row[::-1]),
        ]
        for r, replicate in enumerate(stored.probabilities)
        for i, row in enumerate(replicate)
    ]
    assert same(read(write(tmp_path / "p.csv", cells, columns)), read(good))


TRUE_AND_SAID = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=4, max_size=30
)


@given(TRUE_AND_SAID.filter(lambda rows: len({true for true, _ in rows}) > 1))
def test_the_metrics_are_those_of_scikit_learn(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
):
    path = write(
        tmp_path_factory.mktemp("s") / "x.csv",
        [[str(i), t, p] for i, (t, p) in enumerate(rows)],
        COLUMNS[:3],
    )
    found = report.record(read(path))["scores"]
    true, predicted = zip(*rows, strict=True)
    labels = sorted({*true, *predicted})
    expected = {
        "accuracy": accuracy_score(true, predicted),
        "macro_f1": f1_score(true, predicted, labels=labels, average="macro", zero_division=0),
        "weighted_f1": f1_score(
            true, predicted, labels=labels, average="weighted", zero_division=0
        ),
        "uar": recall_score(true, predicted, labels=labels, average="macro", zero_division=0),
    }
    assert {name: s["value"] for name, s in found.items()} == pytest.approx(expected)  # type: ignore[attr-defined]


MISTAKES = {
    "": "line 1: is empty",
    "id,label\na,x\n": "line 1: column 'prediction' is missing",
    "label,prediction\nx,x\n": "line 1: column 'id' is missing",
    "id,label,prediction,speakr\na,x,x,s\n": "line 1: column 'speakr' is unknown",
    "id,label,p_x,p_\u202ey\na,x,1,0\n": r"column 'p_\u202ey' holds an invisible character",
    "id,label,prediction,id\na,x,x,b\n": "line 1: column 'id' is there twice",
    "id,label,prediction,group,speaker\n": "line 1: both group and speaker are given",
    "id,label,prediction,p_x,p_y\n": "line 1: both prediction and probabilities are given",
    "id,label,p_x\na,x,1\n": "line 1: probabilities of one class only",
    "id,label,prediction\n": "holds no predictions",
    "id,label,prediction\na,x,x\nb,y\n": "line 3: expected 3 cells (id, label, prediction), got 2",
    "id,label,prediction\na,x,x\nb,,y\n": "line 3: column label is empty",
    "id,label,prediction\na,x,x\n\nb,y,y\na,x,y\n": (
        "line 5: clip 'a' has a prediction on line 2 already"
    ),
    "id,label,prediction\na,x,x\nb,x,x\n": (
        "expected labels of at least two classes, found only 'x'"
    ),
    'id,label,prediction\na,x,x\nb,"y"z,y\n': "line 3: expected CSV, got a line that is not",
    "id,label,p_x,p_y\na,x,0.5,0.5\nb,z,0.5,0.5\n": "line 3: label 'z' has no column p_z",
    "id,label,p_x,p_y\na,x,0.5,half\n": "line 2: column p_y: expected a probability, got 'half'",
    "id,label,p_x,p_y\na,x,nan,1\n": (
        "line 2: column p_x: expected a probability between 0 and 1, got nan"
    ),
    "id,label,p_x,p_y\na,x,3.2,-1\n": "got 3.2; apply softmax",
    "id,label,p_x,p_y\na,x,0.9,0.9\n": "line 2: expected probabilities that sum to 1, got 1.8",
    "id,label,prediction,replicate\na,x,x,1\nb,y,y,1\na,x,x,2\n": (
        "line 3: clip 'b' is not in every replicate"
    ),
    "id,label,prediction,replicate\na,x,x,1\nb,y,y,1\na,y,x,2\nb,y,y,2\n": (
        "line 4: label 'y' of clip 'a' was 'x' on line 2"
    ),
    "id,label,prediction,speaker,replicate\na,x,x,s,1\nb,y,y,s,1\na,x,x,t,2\nb,y,y,s,2\n": (
        "line 4: group 't' of clip 'a' was 's' on line 2"
    ),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_its_line_in_one_line(tmp_path: Path, text: str):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert MISTAKES[text] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_encoding_is_named(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_bytes("id,label,prediction\na,fröhlich,x\n".encode("latin-1"))
    with pytest.raises(UsageError, match="expected UTF-8 text"):
        read(path)


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / name)


def test_a_label_that_no_clip_has_is_noted(tmp_path: Path):
    path = write(tmp_path / "x.csv", [["a", "x", "x"], ["b", "y", "unknown"]], COLUMNS[:3])
    assert "no clip has the label 'unknown'" in "; ".join(report.notes(read(path)))


def test_without_speakers_clips_are_the_unit_and_a_note_says_so(tmp_path: Path):
    found = read(
        write(
            tmp_path / "x.csv", [row[:3] for row in cells_of(said(0.9, replicates=1))], COLUMNS[:3]
        )
    )
    assert report.record(found)["unit"] == "clip"
    assert "too narrow if speakers repeat" in "; ".join(report.notes(found))


# the field's ways to write a file

SHORT = [["a", "x", "x", "s"], ["b", "y", "y", "t"], ["c", "x", "y", "s"]]


def short(tmp_path: Path, text: str | bytes) -> PredictionFile:
    path = tmp_path / "p.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def joined(header: list[str], sep: str = ",") -> str:
    return "\n".join(sep.join(row) for row in [header, *SHORT]) + "\n"


OWN = ["id", "label", "prediction", "speaker"]
WAYS = {
    "semicolons": joined(OWN, ";"),
    "tabs": joined(OWN, "\t"),
    "pipes": joined(OWN, "|"),
    "sep line": "sep=;\n" + joined(OWN, ";"),
    "comment": "# system 3\n" + joined(OWN),
    "utf-16": joined(OWN).encode("utf-16"),
    "upper case": joined(["ID", "Label", "PREDICTION", "Speaker"]),
    "scikit-learn": joined(["file", "y_true", "y_pred", "speaker_id"]),
    "ref and hyp": joined(["utt_id", "ref", "hyp", "spk"]),
    "json lines": "\n".join(
        f'{{"id": "{i}", "label": "{t}", "pred": "{p}", "subject": "{s}"}}' for i, t, p, s in SHORT
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_fields_ways_to_write_predictions_are_read(tmp_path: Path, way: str) -> None:
    assert same(short(tmp_path, WAYS[way]), short(tmp_path, joined(OWN)))


def of(label: str = "y", prediction: str = "y", speaker: str = "t") -> str:
    """Three clips, the second with these cells."""
    rows = [["a", "x", "x", "s"], ["b", label, prediction, speaker], ["c", "x", "y", "s"]]
    rows += [["d", "y", "x", "t"]]
    return "\n".join(",".join(row) for row in [OWN, *rows])


UNCLEAR = {
    of(prediction="X"): "prediction 'X' (on line 3) is not a label of any clip, but 'x' is",
    of(prediction="\uff58"): "is not a label of any clip, but 'x' is; write both alike",
    of(label="Y"): "labels 'Y' (line 3) and 'y' (line 5) look like one label",
    of(label="nan"): "line 3: expected a label, got 'nan', a word for a missing value",
    of(prediction="N/A"): "line 3: expected a prediction, got 'N/A'",
    of(speaker=""): "line 3: expected a speaker, as in 3 of 4 lines, got an empty cell",
    of(speaker="unknown"): "line 3: expected a speaker, as in 3 of 4 lines, got 'unknown'",
    of(speaker="T"): "speakers 'T' (line 3) and 't' (line 5) look like one speaker",
    "id,label,p_X,p_y\na,x,1,0\n": "label 'x' has no column p_x, but p_X is there; write both",
    "id,label,prediction,fold\na,x,x,1\nb,y,y,\n": "line 3: expected a fold, as in 1 of 2 lines",
    "id,label,prediction,note\na,x,x,1\n": "line 1: column 'note' is unknown",
    "id,path,label,prediction\na,b,x,x\n": "line 1: column 'path' is unknown",
    "id,label,emotion,prediction\na,b,x,x\n": "line 1: column 'emotion' is unknown",
    "id,label,prediction\na,0.1,0.2\nb,0.3,0.2\nc,0.4,0.5\n": "label looks continuous (0.1, 0.3",
}


@pytest.mark.parametrize("text", UNCLEAR)
def test_names_that_are_not_clear_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        short(tmp_path, text)
    assert UNCLEAR[text] in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mark", ["\u200b", " ", "\u00a0", "\ufeff"])
def test_invisible_characters_at_the_ends_do_not_matter(tmp_path: Path, mark: str) -> None:
    clean = short(tmp_path, of())
    assert same(short(tmp_path, of(f"y{mark}", f"{mark}y", f"t{mark}")), clean)


@pytest.mark.parametrize("word", ["", "nan", "unknown"])
def test_speakers_that_nobody_knows_are_no_speakers(tmp_path: Path, word: str) -> None:
    rows = [[*row[:3], word] for row in SHORT]
    found = short(tmp_path, "\n".join(",".join(row) for row in [OWN, *rows]))
    assert not found.grouped
