"""Uploads to MLflow: every byte of its store is searched for names of clips, files and people, and
for labels per clip.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import Clip
from nverbench._io.state import write_state
from nverbench.results import tracking
from nverbench.results.predictions import Predictions
from nverbench.results.store import read_result
from nverbench.results.tracking import log_results

log = tracking.log  # the real one: the tiny world puts a stand-in in its place

# As in test_tracking.py: MLflow's and SQLAlchemy's own warnings.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:sqlalchemy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:alembic"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CORPUS = "folderZpj"


def clips(root: Path) -> Iterator[Clip]:
    """``spkXqzN/LABEL-clipWvkTAKE.wav``."""
    for path in sorted(root.glob("*/*.wav")):
        yield Clip(
            f"{path.parent.name}/{path.stem}", path, path.stem.partition("-")[0], path.parent.name
        )


@pytest.fixture
def private(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny world with a corpus of unmistakable names (four speakers, one silent clip, one known
    defect), and tracking as it is.
    """
    monkeypatch.setattr(tracking, "log", log)
    for path in sorted(world.corpus.glob("spk[0-3]/*.wav")):
        label, _, take = path.stem.partition("-")
        copy = world.root / CORPUS / f"spkXqz1{path.parent.name[3:]}" / f"{label}-clipWvk{take}.wav"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (world.root / CORPUS / "spkXqz10" / "low-clipWvk0.wav").write_bytes(b"not audio")
    defect = {"spkXqz13/mid-clipWvk1": f"same as {world.root / CORPUS}/spkXqz13/mid-clipWvk0.wav"}
    kinds = ("leave-one-group-out", "random")
    world.datasets = [replace(d, load=clips, folds=kinds, defects=defect) for d in world.datasets]
    write_state("corpora", "paths", "tiny-bursts", str(world.root / CORPUS))
    return world


def uri(world: Any) -> tuple[str, str]:
    """A store of this test's own: MLflow remembers stores by their address, and the default one is
    relative.
    """
    return "--tracking-uri", f"sqlite:///{world.root}/mlflow.db"


def job(world: Any, *words: str) -> Any:
    """The registered entry of the tiny world, uploaded to that store."""
    return world.job(*uri(world), *words)


def needles(world: Any) -> set[str]:
    """Everything that must not be found: names, paths, and plain digests of them, which anybody
    could undo.
    """
    found = {CORPUS, "patientsJqy", "featuresHbv"}
    for clip in clips(world.root / CORPUS):
        found |= {clip.id, clip.path.name, clip.path.stem, str(clip.path), str(clip.speaker)}
        names = [name.encode() for name in (clip.id, str(clip.speaker), clip.path.name)]
        found |= {
            hashlib.new(kind, name).hexdigest()[:32] for name in names for kind in ("md5", "sha256")
        }
    return found


def store(world: Any) -> dict[str, bytes]:
    """Every file of the MLflow store; members of archives unpacked."""
    files = {
        str(p): p.read_bytes()
        for p in (*world.root.glob("mlflow.db*"), *(world.root / "mlruns").rglob("*"))
        if p.is_file()
    }
    for name in [n for n in files if n.endswith(".npz")]:
        with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
            files |= {f"{name}/{member}": archive.read(member) for member in archive.namelist()}
    assert any(n.endswith("mlflow.db") for n in files)
    assert any(n.endswith("probabilities.npy") for n in files)
    return files


def leaks(world: Any) -> list[tuple[str, str]]:
    """Where something private stands: file and needle, in any encoding that arrays or databases
    use.
    """
    files = store(world)
    encoded = [
        (needle, needle.encode(code))
        for needle in needles(world)
        for code in ("utf-8", "utf-16-le", "utf-32-le")
    ]
    return [
        (name, needle)
        for name, content in files.items()
        for needle, coded in encoded
        if coded in content or coded in name.encode()
    ]


@pytest.mark.parametrize("share", ["open", "labels-only", "none"])
def test_no_name_of_a_clip_a_file_or_a_person_is_uploaded(private: Any, share: str) -> None:
    private.datasets = [replace(d, share=share) for d in private.datasets]
    ran = job(
        private,
        "--skip-bad",
        "--folds",
        "leave-one-group-out",
        "--folds",
        "random",
        "--folds",
        "holdout=spkXqz11",
    )
    assert (ran.code, len(private.results)) == (0, 3)
    assert "spkXqz10/low-clipWvk0" in str(
        [read_result(p).counts.left_out for p in private.results]
    )  # the local results say it
    assert leaks(private) == []


@pytest.mark.parametrize("share", ["open", "labels-only", "none"])
def test_labels_of_clips_are_uploaded_of_an_open_dataset_only(private: Any, share: str) -> None:
    private.datasets = [replace(d, share=share) for d in private.datasets]
    job(private, "--skip-bad", "--folds", "random")
    (path,) = (private.root / "mlruns").rglob("*.npz")
    uploaded, here = (
        Predictions.read(path),
        Predictions.read(next((private.root / "nverbench-runs").rglob("*.npz"))),
    )
    if share == "open":
        label = dict(zip(here.keys, here.target.tolist(), strict=True))
        assert uploaded.target.tolist() == [label[key] for key in uploaded.keys]
    else:
        with np.load(path) as arrays:
            whole = {name: arrays[name] for name in arrays.files}
        assert whole.pop("target").size == 0
        assert {name: a.dtype.kind for name, a in whole.items() if len(a) == len(uploaded.ids)} == {
            "ids": "U",
            "groups": "U",
            "folds": "U",
        }
        assert set(uploaded.groups) == {""}


@pytest.mark.parametrize("share", ["open", "none"])
def test_an_uploaded_result_verifies_and_has_the_digest_of_the_local_result(
    private: Any, share: str
) -> None:
    private.datasets = [replace(d, share=share) for d in private.datasets]
    job(private, "--skip-bad")
    (uploaded,) = (private.root / "mlruns").rglob("*.json")
    local, public = read_result(private.results[0]), read_result(uploaded)
    assert public.result_digest == local.result_digest
    assert public == local.published() != local
    assert list(public.per_group_accuracy) == ["group 01", "group 02", "group 03", "group 04"]
    assert set(public.counts.left_out) == {"clip 01", "clip 02"}


def test_tables_and_features_of_ones_own_are_not_named(private: Any) -> None:
    with (private.root / "patientsJqy.csv").open("w", newline="") as file:
        good = [c for c in clips(private.root / CORPUS) if c.path.stat().st_size > 100]
        csv.writer(file).writerows(
            [["path", "label", "speaker"], *([c.path, c.label, c.speaker] for c in good)]
        )
    assert (
        private.run("embed", "tiny-spectrum", *(c.path for c in good), "-o", "featuresHbv.npz").code
        == 0
    )
    for kind in ("random", "holdout=spkXqz11"):
        ran = private.run(
            "run",
            *uri(private),
            "--backbone",
            "npz:featuresHbv.npz",
            "--fusion",
            "tiny-linear",
            "--dataset",
            "table:patientsJqy.csv",
            "--protocol",
            "quick",
            "--registry",
            "tiny.yaml",
            "--folds",
            kind,
        )
        assert ran.code == 0
        assert "table:patientsJqy.csv" in ran.out  # here it is named
    assert leaks(private) == []


def test_the_search_finds_what_is_there(private: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_results, "publish", lambda result, predictions: (result, predictions))
    job(private, "--skip-bad")
    found = leaks(private)
    assert {needle for _, needle in found} >= {
        "spkXqz11",
        "spkXqz10/low-clipWvk0",
        str(private.root / CORPUS / "spkXqz13" / "mid-clipWvk0.wav"),
    }
    assert {Path(name).suffix.partition("-")[0] for name, _ in found} >= {
        ".db",
        ".json",
        ".npy",
    }  # .db-wal: the database's log


def test_the_licence_of_a_row_is_a_tag(private: Any) -> None:
    from mlflow.tracking import MlflowClient

    job(private, "--skip-bad")
    client = MlflowClient(tracking_uri=f"sqlite:///{private.root}/mlflow.db")
    runs = client.search_runs(
        [e.experiment_id for e in client.search_experiments()], "tags.licence LIKE '%'"
    )
    assert {r.data.tags["licence"] for r in runs} == {"unknown (tiny-bursts)"}
