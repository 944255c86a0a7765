"""One's own audio, tables, folders and features: ``embed``, ``folder:``, ``table:``, ``npz:``, and
the same numbers by every road.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nverbench.pipeline.evaluation import evaluate


def wavs(world: Any) -> list[Path]:
    return sorted(p.relative_to(world.root) for p in world.corpus.glob("*/*.wav"))


def table(world: Any) -> Path:
    path = world.root / "clips.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "speaker"])
        rows.writerows([p, p.stem.partition("-")[0], p.parent.name] for p in wavs(world))
    return Path("clips.csv")


def features(world: Any, name: str = "own.npz") -> Path:
    assert world.run("embed", "tiny-spectrum", *wavs(world), "-o", name).code == 0
    return Path(name)


def linear(world: Any, backbone: str, *words: object, fusion: str = "linear") -> Any:
    return world.run(
        "run",
        "--backbone",
        backbone,
        "--fusion",
        fusion,
        "--dataset",
        "table:clips.csv",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
        "--json",
        *words,
    )


def test_embed_writes_a_vector_per_file_in_the_order_given(world: Any) -> None:
    files = wavs(world)[:4][::-1]
    ran = world.run("embed", "tiny-spectrum", *files, "-o", "deep/own.npz")
    assert ran.code == 0
    assert "4 files, 8 dimensions" in ran.out
    with np.load(world.root / "deep" / "own.npz") as got:
        assert got["files"].tolist() == [str(f) for f in files]
        assert got["embeddings"].shape == (4, 8)
        assert got["embeddings"].dtype == np.float32


def test_embed_frames_are_split_by_their_lengths(world: Any) -> None:
    files = wavs(world)[:5]
    world.run("embed", "tiny-spectrum", *files, "-o", "pooled.npz")
    assert (
        ", frames"
        in world.run("embed", "tiny-spectrum", *files, "-o", "frames.npz", "--frames").out
    )
    with np.load(world.root / "frames.npz") as frames, np.load(world.root / "pooled.npz") as pooled:
        assert frames["lengths"].sum() == len(frames["embeddings"])
        parts = np.split(frames["embeddings"], np.cumsum(frames["lengths"])[:-1])
        np.testing.assert_allclose([p.mean(0) for p in parts], pooled["embeddings"], rtol=1e-5)


def test_embed_names_a_bad_file_and_keeps_the_others(world: Any) -> None:
    (world.root / "notes.wav").write_text("not audio")
    ran = world.run("embed", "tiny-spectrum", wavs(world)[0], "notes.wav", "-o", "own.npz")
    assert ran.code == 2
    assert "notes.wav cannot be decoded" in ran.err
    assert "left out" in ran.err
    with np.load(world.root / "own.npz") as got:
        assert got["files"].tolist() == [str(wavs(world)[0])]


@pytest.mark.parametrize("layout", ["published", "time"])
def test_both_layouts_of_audio_mamba_embed_own_audio(world: Any, layout: str) -> None:
    ran = world.run(
        "embed",
        f"audio-mamba-tiny:layout={layout}",
        wavs(world)[0],
        "--untrained",
        "--frames",
        "-o",
        "own.npz",
    )
    assert ran.code == 0
    with np.load(world.root / "own.npz") as got:
        assert got["embeddings"].shape[1] == 960
        assert np.isfinite(got["embeddings"]).all()


def test_features_go_out_and_come_in_again_with_the_same_numbers(world: Any) -> None:
    table(world)
    features(world)
    world.passes = 0
    own = linear(world, "npz:own.npz")
    assert own.code == 0
    assert world.passes == 0
    heard = linear(world, "tiny-spectrum")
    assert own.records[0]["confusion"] == heard.records[0]["confusion"]
    assert own.records[0]["scores"] == heard.records[0]["scores"]
    assert own.records[0]["standing"] == "unofficial"
    assert own.records[0]["entry"]["backbones"] == ["npz:own.npz"]


def test_a_notebook_gives_the_numbers_of_the_command_line(world: Any) -> None:
    table(world)
    features(world)
    (record,) = world.run(
        "run",
        "--backbone",
        "npz:own.npz",
        "--fusion",
        "linear",
        "--dataset",
        "table:clips.csv",
        "--json",
    ).records
    with np.load(world.root / "own.npz") as got:
        names, matrix = got["files"].tolist(), got["embeddings"]
    labels = [Path(n).stem.partition("-")[0] for n in names]
    result = evaluate(matrix, labels, [Path(n).parent.name for n in names], ids=names)
    assert result.folds.digest == record["folds"]["digest"]
    assert {k: s.model_dump() for k, s in result.scores.items()} == {
        k: {**s, "bootstrap": tuple(s["bootstrap"])} for k, s in record["scores"].items()
    }


def test_other_features_under_the_same_name_are_another_row(world: Any) -> None:
    table(world)
    features(world)
    first = linear(world, "npz:own.npz").records[0]["id"]
    with np.load(world.root / "own.npz") as got:
        np.savez(world.root / "own.npz", embeddings=got["embeddings"] * 2, files=got["files"])
    assert linear(world, "npz:own.npz").records[0]["id"] != first


def test_features_that_lack_a_clip_are_the_users_mistake(world: Any) -> None:
    table(world)
    world.run("embed", "tiny-spectrum", *wavs(world)[1:], "-o", "own.npz")
    ran = linear(world, "npz:own.npz")
    assert ran.code == 2
    assert "own.npz: " in ran.err
    assert "bursts/spk0/high-0.wav" in ran.err


@pytest.mark.parametrize("speakers", [True, False], ids=["with speakers", "without"])
def test_a_folder_per_class_is_a_dataset(world: Any, speakers: bool) -> None:
    for path in wavs(world):
        label, speaker = path.stem.partition("-")[0], path.parent.name
        target = (
            world.root
            / "mine"
            / label
            / (f"{speaker}/{path.name}" if speakers else f"{speaker}-{path.name}")
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (world.root / "mine" / "low" / "notes.txt").write_text("x")
    ran = world.run(
        "run",
        "--backbone",
        "tiny-spectrum",
        "--fusion",
        "tiny-linear",
        "--dataset",
        "folder:mine",
        "--json",
        "--protocol",
        "quick",
        "--registry",
        "tiny.yaml",
    )
    (record,) = ran.records
    assert record["folds"]["kind"] == ("speaker" if speakers else "random")
    assert (record["counts"]["clips"], record["counts"]["groups"], record["counts"]["misfits"]) == (
        48,
        8 if speakers else 0,
        1,
    )
    assert "1 files do not fit" in ran.err
    assert str(world.root) not in world.results[0].read_text()


@pytest.mark.parametrize(
    "dataset", ["folder:nowhere", "table:nowhere.csv", "folder", "table:tiny.yaml"]
)
def test_a_wrong_folder_or_table_is_one_sentence(world: Any, dataset: str) -> None:
    ran = world.run(
        "run", "--backbone", "tiny-spectrum", "--fusion", "linear", "--dataset", dataset
    )
    assert ran.code == 2
    assert len([line for line in ran.err.splitlines() if line.startswith("nverbench: ")]) == 1


def test_segments_of_one_long_recording_are_clips(world: Any) -> None:
    long = np.concatenate([soundfile.read(p)[0] for p in wavs(world)])
    ends = np.cumsum([soundfile.info(p).duration for p in wavs(world)])
    soundfile.write(world.root / "long.wav", long, 8000, subtype="PCM_16")
    cuts = zip(wavs(world), [0, *ends[:-1]], ends, strict=True)
    rows = [
        f"long.wav,{p.stem.partition('-')[0]},{p.parent.name},{a:.6f},{b:.6f}" for p, a, b in cuts
    ]
    (world.root / "clips.csv").write_text("\n".join(["path,label,speaker,start,end", *rows]))
    segments = linear(world, "tiny-spectrum").records[0]
    table(world)
    assert segments["scores"].keys() == linear(world, "tiny-spectrum").records[0]["scores"].keys()
    assert segments["counts"]["clips"] == 48


def test_two_feature_files_with_the_same_name_are_two_streams(world: Any) -> None:
    table(world)
    features(world, "a/f.npz")
    with np.load(world.root / "a" / "f.npz") as got:
        (world.root / "b").mkdir()
        noise = np.random.default_rng(0).standard_normal(got["embeddings"].shape).astype(np.float32)
        np.savez(world.root / "b" / "f.npz", embeddings=noise, files=got["files"])
        shutil.copy(world.root / "b" / "f.npz", world.root / "b" / "g.npz")
    other = linear(world, "npz:a/f.npz", "--backbone", "npz:b/g.npz", fusion="tiny-linear").records[
        0
    ]
    same = linear(
        world, "npz:a/f.npz", "--backbone", "npz:b/f.npz", "--out", "again", fusion="tiny-linear"
    ).records[0]
    assert same["scores"] == other["scores"]
