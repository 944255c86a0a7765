"""Features from a file: the right row for every id, or a refusal that names the ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nverbench import ArtifactError, Backbone
from nverbench_backbones import npz

IDS = ("F1/anger/01.wav", "F1/joy/01.wav", "M2/anger/01.wav", "M2/joy/02.wav")


def written(folder: Path, names: Any = IDS, embeddings: Any = None, key: str = "files") -> str:
    rows = (
        np.arange(len(names) * 3, dtype=np.float64).reshape(-1, 3)
        if embeddings is None
        else embeddings
    )
    np.savez(folder / "features.npz", **{key: np.array(names), "embeddings": rows})
    return str(folder / "features.npz")


@pytest.mark.parametrize("key", ["files", "ids"])
def test_rows_come_in_the_order_of_the_ids_as_float32(tmp_path: Path, key: str) -> None:
    got = npz.lookup([IDS[2], IDS[0], IDS[2]], path=written(tmp_path, key=key))
    assert got.dtype == np.float32
    assert got.tolist() == [[6, 7, 8], [0, 1, 2], [6, 7, 8]]


@pytest.mark.parametrize(
    "names",
    [
        [f"/data/corpus/{name}" for name in IDS],
        [name.removesuffix(".wav") + ".flac" for name in IDS],
        [f"features/{name.removesuffix('.wav')}.npy" for name in IDS],
        [name.removesuffix(".wav") for name in IDS],
        [name.replace("/", "\\") for name in IDS],
        [f"./{name}" for name in IDS],
    ],
)
def test_names_may_have_other_folders_and_endings(tmp_path: Path, names: list[str]) -> None:
    assert npz.lookup(IDS, path=written(tmp_path, names))[:, 0].tolist() == [0, 3, 6, 9]


def test_a_unique_file_name_is_enough(tmp_path: Path) -> None:
    assert npz.lookup(
        ["corpus/a/x.wav", "corpus/b/y.wav"], path=written(tmp_path, ["y.wav", "x.wav"])
    )[:, 0].tolist() == [3, 0]


def test_the_full_id_wins_over_a_row_that_ends_like_it(tmp_path: Path) -> None:
    assert npz.lookup(["x.wav"], path=written(tmp_path, ["deep/x.wav", "x.wav"]))[0, 0] == 3


def test_ids_that_fit_several_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no row of its own for 01\.wav \(1 clips\)"):
        npz.lookup(["01.wav"], path=written(tmp_path))


def test_one_row_never_serves_two_clips(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"for F1/anger/01\.wav, F1/joy/01\.wav, M2/anger/01\.wav \(3 clips\)"
    ):
        npz.lookup(IDS[:3], path=written(tmp_path, ["01.wav"]))


def test_missing_ids_are_named_three_at_most_and_counted(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no features for a1, a2, a3 and 2 more \(5 clips\)"):
        npz.lookup(["a1", "a2", "a3", "a4", "a5", IDS[0]], path=written(tmp_path))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    embeddings = np.ones((4, 3))
    embeddings[1, 2] = value
    with pytest.raises(ArtifactError, match=r"not finite numbers for F1/joy/01\.wav \(1 clips\)"):
        npz.lookup(IDS, path=written(tmp_path, embeddings=embeddings))


@pytest.mark.parametrize(
    "embeddings",
    [
        np.ones(4),
        np.ones((3, 2)),
        np.ones((4, 2, 2)),
        np.ones((4, 0)),
        np.full((4, 2), "x"),
        np.ones((4, 2), dtype=complex),
    ],
)
def test_embeddings_of_another_shape_or_type_are_refused(tmp_path: Path, embeddings: Any) -> None:
    with pytest.raises(ArtifactError, match=r"embeddings \(.*with names \(4,\); expected an .npz"):
        npz.lookup(IDS, path=written(tmp_path, embeddings=embeddings))


def test_an_archive_without_the_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", embeddings=np.ones((2, 2)))
    with pytest.raises(ArtifactError, match="holds embeddings; expected"):
        npz.lookup(["a"], path=str(tmp_path / "other.npz"))


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "objects.npz",
        embeddings=np.array([{}], dtype=object),
        files=np.array(["a"]),
        allow_pickle=True,
    )
    with pytest.raises(ArtifactError, match="cannot be read"):
        npz.lookup(["a"], path=str(tmp_path / "objects.npz"))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken", b"\x93NUMPY"])
def test_a_file_that_is_not_an_archive_is_refused_in_one_line(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "broken.npz").write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        npz.lookup(["a"], path=str(tmp_path / "broken.npz"))
    assert "\n" not in str(caught.value)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    data = Path(written(tmp_path)).read_bytes()
    (tmp_path / "features.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtifactError, match="cannot be read"):
        npz.lookup(IDS, path=str(tmp_path / "features.npz"))


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", np.ones(3))
    with pytest.raises(ArtifactError, match="a single array"):
        npz.lookup(["a"], path=str(tmp_path / "single.npy"))


@pytest.mark.parametrize("name", ["none.npz", "."])
def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        npz.lookup(["a"], path=str(tmp_path / name))


def test_the_record_takes_its_path_after_the_colon() -> None:
    assert isinstance(npz.NPZ, Backbone)
    assert (npz.NPZ.positional, npz.NPZ.load, npz.NPZ.dim, npz.NPZ.family) == (
        "path",
        None,
        0,
        "features",
    )
